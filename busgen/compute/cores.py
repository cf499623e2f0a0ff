"""Work on all cores: one thread an image, and one thread a sum in the libraries below.

In: a block of code. Out: a pool of threads for it. Where each of them asks BLAS for all cores too,
threads wait for each other: gates and scores took a third longer so. A process beside others takes
one core for all of it (`limit_cores`).
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy  # noqa: F401  its BLAS is loaded before it is looked for
from threadpoolctl import ThreadpoolController, threadpool_limits

_limit: list[int] = []  # of this process; one number, or none


def count_cores() -> int:
    """Return how many threads this process may compute in: one a core that it may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # a batch system's share; not on every system
    return _limit[0] if _limit else len(affinity(0)) if affinity else os.cpu_count() or 1


def limit_cores(count: int) -> None:
    """Let this process compute in `count` threads, and in one a sum, from now on."""
    _limit[:] = [count]
    threadpool_limits(1, "blas")


@contextmanager
def on_all_cores() -> Iterator[ThreadPoolExecutor]:
    """Yield a thread for each of `count_cores`, for what cv2, numpy and zlib compute."""
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(count_cores()) as pool:
        yield pool


@cache
def _libraries() -> ThreadpoolController:
    """Return the libraries loaded so far, NumPy's among them: to look for them takes 9 ms."""
    return ThreadpoolController()
