"""Train masks: real training patients' outlines -> the generator of outlines.

In: data/real, data/cohort, params.yaml. Out: data/models/masks. A killed training goes on from its
last checkpoint, from data/work.
"""

from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from busgen.folders import remove_work
from busgen.masks.semantic_curvature.training import stage
from busgen.masks.semantic_curvature.training.stage import Training, resolve
from busgen.params.base import load_section
from busgen.params.train_masks import TrainMasksParams
from busgen.progress import progress
from busgen.real.cohort import FILE
from flows import main
from flows.paths import COHORT, MODELS, WORK, find_tables


@task(cache_policy=NO_CACHE, persist_result=False)
def train(training: Training) -> Path:
    """Train the network, with the outlines seen and the remaining time on screen."""
    with progress("outlines", training.schedule.images_seen) as tick:
        return stage.train(training, tick)


@flow(name="train masks", validate_parameters=False)
def masks(training: Training) -> None:
    """Train the generator and publish its card as an artifact."""
    folder = train(training)
    card = (folder / "README.md").read_text(encoding="utf-8")
    create_markdown_artifact(key="masks", markdown=card)


def run() -> None:
    """Run the stage: params.yaml -> data/models/masks."""
    params = load_section("train_masks", TrainMasksParams)
    tables = find_tables()
    training = resolve(tables, COHORT / FILE, params, WORK, MODELS / "masks")
    masks(training)
    remove_work(training.work)


if __name__ == "__main__":
    main(run)
