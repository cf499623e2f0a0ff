"""Who runs the shards of a flow: threads, processes, Dask or Ray, by Prefect's own task runners.

In: the parameters of `generate`. Out: a task runner. What makes a shard decides none of its bytes.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from busgen.errors import UserError
from busgen.extras import require_extra
from busgen.params.generate import GenerateParams

ANSWER_S = 10.0
HOST = "127.0.0.1"


def make_runner(params: GenerateParams) -> TaskRunner[Any]:
    """Return the task runner that `params` name.

    Raises `UserError` if its extra is not installed, or nothing listens at `address`.
    """
    if params.address:
        _require_listener(params.address)
    if params.runner == "processes":
        return ProcessPoolTaskRunner(max_workers=params.workers)
    if params.runner == "dask":
        return _dask(params)
    if params.runner == "ray":
        return _ray(params)
    return ThreadPoolTaskRunner(max_workers=params.workers)


def _dask(params: GenerateParams) -> TaskRunner[Any]:
    require_extra("dask", "the runner dask")
    from prefect_dask import DaskTaskRunner

    if params.address:
        return DaskTaskRunner(address=params.address)
    own = {"n_workers": params.workers, "threads_per_worker": 1, "dashboard_address": None}
    return DaskTaskRunner(cluster_kwargs=own | {"host": HOST})


def _ray(params: GenerateParams) -> TaskRunner[Any]:
    require_extra("ray", "the runner ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    from prefect_ray import RayTaskRunner

    return RayTaskRunner(address=params.address)


@contextmanager
def report_cluster(params: GenerateParams) -> Iterator[None]:
    """Turn what a cluster's client raises where it does not get in into a `UserError`."""
    try:
        yield
    except OSError as error:
        if not params.address:
            raise
        rule = "the cluster at generate.address must take this run"
        remedy = "look at its logs; Ray's token is RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        raise UserError(rule, f"{params.address} ({error})", remedy) from error


def _require_listener(address: str) -> None:
    """Raise `UserError` unless something listens at ``HOST:PORT``, with a scheme or without."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        socket.create_connection((parts.hostname, parts.port), ANSWER_S).close()
    except (OSError, ValueError) as error:
        rule = "generate.address must be where a Dask scheduler or Ray head listens"
        remedy = "start it, mend the address, or leave it out: a run then starts its own"
        raise UserError(rule, f"{address} ({error})", remedy) from None
