"""Train masks: real training patients' outlines -> the generator of outlines.

In: data/real, data/cohort, params.yaml. Out: data/models/masks. A killed training goes on from its
last checkpoint, from data/work.
"""

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from busgen.folders import remove_work
from busgen.masks.semantic_curvature.training import stage
from busgen.masks.semantic_curvature.training.stage import Training, resolve
from busgen.params.base import load_section
from busgen.params.train_masks import TrainMasksParams
from busgen.progress import progress
from busgen.real.cohort import FILE
from flows import COHORT, MODELS, WORK, find_tables, main


@flow(name="train masks", validate_parameters=False)
def masks(training: Training) -> None:
    """Train the network, with outlines and the remaining time on screen; publish its card."""
    with progress("outlines", training.schedule.images_seen) as tick:
        folder = stage.train(training, tick)
    card = (folder / "README.md").read_text(encoding="utf-8")
    create_markdown_artifact(key="masks", markdown=card)


def run() -> None:
    """Run the stage: params.yaml -> data/models/masks."""
    params = load_section("train_masks", TrainMasksParams)
    training = resolve(find_tables(), COHORT / FILE, params, WORK, MODELS / "masks")
    masks(training)
    remove_work(training.work)


if __name__ == "__main__":
    main(run)
