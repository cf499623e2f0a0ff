"""Train images: real training patients -> the generator of images.

In: data/real, data/cohort, params.yaml. Out: data/models/images. A killed training goes on from its
last checkpoint, from data/work.
"""

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from busgen.folders import remove_work
from busgen.images.diffusion.training import stage
from busgen.images.diffusion.training.plan import Training, resolve
from busgen.params.base import load_section
from busgen.params.train_images import TrainImagesParams
from busgen.progress import progress
from busgen.real.cohort import FILE
from flows import COHORT, MODELS, WORK, find_tables, main


@flow(name="train images", validate_parameters=False)
def images(training: Training) -> None:
    """Train all parts, with samples a second and the remaining time on screen; publish a card."""
    with progress("sentences and images", sum(training.images_seen.values())) as tick:
        folder = stage.train(training, tick)
    card = (folder / "README.md").read_text(encoding="utf-8")
    create_markdown_artifact(key="images", markdown=card)


def run() -> None:
    """Run the stage: params.yaml -> data/models/images."""
    params = load_section("train_images", TrainImagesParams)
    training = resolve(find_tables(), COHORT / FILE, params, WORK, MODELS / "images")
    images(training)
    remove_work(training.work)


if __name__ == "__main__":
    main(run)
