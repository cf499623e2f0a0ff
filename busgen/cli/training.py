"""What `busgen train` runs: checks first, then one training, with the screen told how far it is.

In: words of the command line. Out: a folder of weights with its card.
"""

from dataclasses import dataclass
from pathlib import Path

from busgen.errors import UserError
from busgen.learning.presets import with_preset
from busgen.params.load import Params
from busgen.progress import progress

SD15 = "sd15"


@dataclass(frozen=True)
class Options:
    """What is to be trained, on which canonical data, and where it goes.

    `start` folder of a generator to begin with; `adapt` data set to fit an adapter to, of `rank`.
    """

    which: str
    folder: Path
    out: Path
    preset: str | None = None
    start: Path | None = None
    adapt: str | None = None
    rank: int | None = None


def train(request: Options, params: Params) -> None:
    """Train what is asked for; a killed training, asked for again, goes on where it was.

    Raises `UserError` if it cannot be trained, or an option does not go with it.
    """
    images = _stable_diffusion if request.preset == SD15 else _images
    known = {"masks": _masks, "images": images, "judges": _judges}
    if request.which not in known:
        remedy = f"choose from {', '.join(known)}"
        raise UserError("what can be trained must be named", request.which, remedy)
    given = {"--start": request.start, "--adapt": request.adapt, "--rank": request.rank}
    foreign = [name for name, value in given.items() if value is not None]
    if foreign and request.which != "images":
        raise UserError(f"{request.which} must be trained from nothing", foreign[0], "leave it out")
    if request.rank is not None and request.adapt is None:
        raise UserError("--rank must come with --adapt", request.rank, "name the data set")
    known[request.which](request, params)


def _masks(request: Options, params: Params) -> None:
    from busgen.masks.semantic_curvature.training import stage

    if request.preset is not None:
        raise UserError("masks must be trained without a preset", request.preset, "leave it out")
    plan = stage.plan(request.folder, request.out, params.train_masks)
    with progress("outlines", plan.schedule.images_seen) as tick:
        stage.train(plan, tick)


def _judges(request: Options, params: Params) -> None:
    from busgen.judges.training import library

    chosen = with_preset(params.train_judges, library.PRESETS, request.preset)
    plan = library.resolve(request.folder, request.out, chosen)
    with progress("training crops", plan.plan.n) as tick:
        library.train(plan, tick)


def _images(request: Options, params: Params) -> None:
    from busgen.images.diffusion.training import adapter, plan, stage
    from busgen.metrics.adapter_scores import score

    chosen = with_preset(params.train_images, plan.PRESETS, request.preset)
    if request.start is not None:
        chosen = chosen.model_copy(update={"start": request.start})
    if request.adapt is None:
        training = plan.plan(request.folder, request.out, chosen)
        with progress("sentences and images", sum(training.images_seen.values())) as tick:
            stage.train(training, tick)
        return
    rank = chosen.adapter.rank if request.rank is None else request.rank
    adaptation = adapter.plan(request.folder, request.out, request.adapt, chosen, rank)
    with progress("images", adaptation.schedule.images_seen) as tick:
        adapter.train(adaptation, tick, score)


def _stable_diffusion(request: Options, params: Params) -> None:
    """Fine-tune Stable Diffusion by the predecessor's recipe: its ControlNet, or an adapter."""
    from busgen.images.stable_diffusion.training import library

    if request.start is None:
        rule = "preset sd15 must begin with a folder of Stable Diffusion 1.5"
        raise UserError(rule, "none", "give --start FOLDER")
    wanted = library.Options(
        request.folder, request.out, request.start, request.adapt, request.rank
    )
    plan = library.plan(wanted, params.train_images.seed)
    with progress("images", plan.images_seen) as tick:
        library.train(plan, tick)
