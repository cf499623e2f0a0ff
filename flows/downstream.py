"""Downstream: what the release teaches models, tried on real patients.

In: data/release, data/real, data/cohort, params.yaml. Out: data/downstream (comparison,
predictions, tables to plot). Trainings are kept in data/work, each by the hash of what decides it:
a killed run goes on, a changed generator repeats only the arms with its images.
"""

import shutil
from dataclasses import replace

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from busgen.downstream import library
from busgen.downstream.data.real_images import RealData
from busgen.downstream.plan import RECIPES, Plan, Request, plan
from busgen.downstream.results import headline
from busgen.folders import write_folder
from busgen.params.base import load_section
from busgen.params.downstream import DownstreamParams
from busgen.progress import progress
from flows import COHORT, DOWNSTREAM, RELEASE, WORK, find_tables, main


def resolve(own: DownstreamParams) -> Request:
    """Return what params.yaml asks for."""
    return Request(
        RELEASE,
        RealData(tuple(find_tables()), COHORT),
        WORK / "downstream",
        train=own.train,
        arms=own.arms,
        tasks=own.tasks,
        seeds=own.seeds,
        folds=own.folds,
        saw=own.generator_saw,
        workers=own.workers,
        recipes={task: replace(usual, steps=own.steps[task]) for task, usual in RECIPES.items()},
    )


@flow(name="downstream", validate_parameters=False)
def downstream(wanted: Plan) -> None:
    """Train what is missing, compare, and publish the headline as an artifact."""
    logger = get_run_logger()
    with progress("trainings", len(wanted.jobs)) as tick:
        record, ran = library.run(wanted, tick, logger.info)
    logger.info("%d of %d trained, the others were kept", ran, len(wanted.jobs))
    rows = [row for _, own in library.to_tables(record) for row in own]
    create_table_artifact(table=rows, key="downstream", description="what it teaches models")
    with write_folder(DOWNSTREAM, "plots of a comparison") as partial:
        headline.write_plots(record, partial)
        shutil.copy2(wanted.request.out / library.PREDICTIONS, partial)


if __name__ == "__main__":
    main(lambda: downstream(plan(resolve(load_section("downstream", DownstreamParams)))))
