"""Train judges: real training patients -> segmenters and classifiers.

In: data/real, data/cohort, params.yaml. Out: data/models/judges. Members of the ensembles are
mapped tasks, each a process; a killed training goes on from its last epochs, from data/work.
"""

from collections.abc import Sequence
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from busgen.folders import remove_work
from busgen.judges.training import stage
from busgen.judges.training.library import publish
from busgen.judges.training.stage import TRAINED, Job, prepare, train, work_folder
from busgen.params.base import load_section
from busgen.params.train_judges import TrainJudgesParams
from busgen.progress import progress
from busgen.real.cohort import FILE
from flows import COHORT, MODELS, WORK, find_tables, main


@flow(name="train judges", validate_parameters=False)
def judges(tables: Sequence[Path], params: TrainJudgesParams, work: Path) -> None:
    """Train all members, with crops a second and the remaining time on screen."""
    splits = prepare(tables, COHORT / FILE, work)
    plan = stage.plan(params, splits["train"], work)
    with progress("training crops", plan.n) as tick:

        @task(cache_policy=NO_CACHE, task_run_name="{job.name}", persist_result=False)
        def part(job: Job) -> None:
            stage.run(job, tick)

        def map_jobs(jobs: Sequence[Job]) -> None:
            futures = part.map(list(jobs))
            wait(futures)
            for future in futures:
                future.result()

        train(plan, splits, work, map_jobs)
    publish(work / TRAINED, params, tables, COHORT / FILE, MODELS / "judges")
    for card in sorted((MODELS / "judges").glob("*.md")):
        create_markdown_artifact(key=card.stem, markdown=card.read_text(encoding="utf-8"))


def run() -> None:
    """Run the stage: params.yaml -> data/models/judges."""
    tables, request = find_tables(), load_section("train_judges", TrainJudgesParams)
    work = work_folder(tables, COHORT / FILE, request, WORK)
    runner = ThreadPoolTaskRunner(max_workers=request.workers)
    judges.with_options(task_runner=runner)(tables, request, work)
    remove_work(work)


if __name__ == "__main__":
    main(run)
