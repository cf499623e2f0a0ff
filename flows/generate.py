"""Generate: requested findings -> shards of (finding, mask, image, measures, verdict).

In: params.yaml, the prior. Out: data/candidates. Shards are mapped tasks; a killed run goes on
where it stopped, from data/work.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import as_completed
from prefect.logging import get_run_logger
from prefect.tasks import Task
from rich.console import Console
from rich.progress import Progress, TextColumn

from busgen.compute.devices import compute_alone
from busgen.errors import StorageError
from busgen.factory import rounds
from busgen.factory.plan import Plan, resolve
from busgen.factory.rounds import count
from busgen.factory.shard import Manifest, ShardSpec, run_shard
from busgen.folders import link_folder, open_work
from busgen.folders.manifests import hold_lock
from busgen.params.base import load_section
from busgen.params.generate import GenerateParams
from flows import CANDIDATES, WORK, main
from flows.runners import make_runner, report_cluster


def _storage_failed(_: "Task[Any, Any]", __: TaskRun, state: "State[Any]") -> bool:
    """Whether to retry: input and output may recover, the same wrong request never does."""
    try:
        state.result()
    except Exception as error:
        return isinstance(error, StorageError | OSError)
    return False


@task(
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=2,
    retry_condition_fn=_storage_failed,
    task_run_name="round {spec.attempt} shard {spec.number}",
    persist_result=False,
)
def _shard(spec: ShardSpec, alone: bool) -> Manifest:
    """Make one shard; `alone`: in one thread, as other processes share the machine."""
    if alone:
        compute_alone()
    return run_shard(spec)


def _map(specs: Sequence[ShardSpec], *, alone: bool) -> Iterator[Manifest]:
    """Yield manifests as the tasks of `specs` finish, with the remaining time on screen."""
    logger = get_run_logger()
    total = sum(len(spec.samples) for spec in specs)
    columns = (*Progress.get_default_columns(), TextColumn("of {task.total:.0f} findings"))
    with Progress(*columns, console=Console(stderr=True), disable=not specs) as bar:
        row = bar.add_task(f"{len(specs)} shards", total=total)
        for future in as_completed(_shard.map(list(specs), alone)):
            manifest = future.result()
            bar.advance(row, len(manifest["samples"]))
            logger.info("%s: %d passed", manifest["shard"], manifest["passed"])
            yield manifest


@flow(name="generate", validate_parameters=False)
def generate(plan: Plan, work: Path) -> None:
    """Make the candidates of `plan` in `work` and publish what came of it as artifacts."""
    rounds.run(plan, work, partial(_map, alone=plan.request.runner != "threads"))
    request, rows = plan.request, count(work / "index.parquet")
    create_table_artifact(table=rows, key="acceptance", description="attempts by stratum")
    create_markdown_artifact(
        key="plan",
        markdown=f"**{request.n}** findings, engines `{request.mask_engine}` + `{request.engine}`, "
        f"code `{plan.resolution.code_version}`, plan `{plan.sha256[:12]}`. "
        "SYNTHETIC DATA - NOT FOR CLINICAL USE",
    )


def run() -> None:
    """Run the stage: params.yaml -> data/candidates."""
    params = load_section("generate", GenerateParams)
    plan, runner = resolve(params), make_runner(params)
    with hold_lock(WORK / "generate", lambda _: None):
        work = open_work(WORK / plan.shards_sha256[:16])
        with report_cluster(params):
            generate.with_options(task_runner=runner)(plan, work.resolve())
        link_folder(work, CANDIDATES, "candidates")


if __name__ == "__main__":
    main(run)
