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


def train(asked: Options, params: Params) -> None:
    """Train what is asked for; a killed training, asked for again, goes on where it was.

    Raises `UserError` if it cannot be trained, or an option does not go with it.
    """
    images = _stable_diffusion if asked.preset == SD15 else _images
    known = {"masks": _masks, "images": images, "judges": _judges}
    if asked.which not in known:
        remedy = f"choose from {', '.join(known)}"
        raise UserError("what can be trained must be named", asked.which, remedy)
    given = {"--start": asked.start, "--adapt": asked.adapt, "--rank": asked.rank}
    foreign = [name for name, value in given.items() if value is not None]
    if foreign and asked.which != "images":
        raise UserError(f"{asked.which} must be trained from nothing", foreign[0], "leave it out")
    if asked.rank is not None and asked.adapt is None:
        raise UserError("--rank must come with --adapt", asked.rank, "name the data set")
    known[asked.which](asked, params)


def _masks(asked: Options, params: Params) -> None:
    from busgen.masks.semantic_curvature.training import library

    if asked.preset is not None:
        raise UserError("masks must be trained without a preset", asked.preset, "leave it out")
    plan = library.plan(asked.folder, asked.out, params.train_masks)
    with progress("outlines", plan.schedule.images_seen) as tick:
        library.train(plan, tick)


def _judges(asked: Options, params: Params) -> None:
    from busgen.judges.training import library

    chosen = with_preset(params.train_judges, library.PRESETS, asked.preset)
    plan = library.resolve(asked.folder, asked.out, chosen)
    with progress("training crops", plan.plan.n) as tick:
        library.train(plan, tick)


def _images(asked: Options, params: Params) -> None:
    from busgen.images.diffusion.training import adapter, library
    from busgen.metrics.adapter_scores import score

    chosen = with_preset(params.train_images, library.PRESETS, asked.preset)
    if asked.start is not None:
        chosen = chosen.model_copy(update={"start": asked.start})
    if asked.adapt is None:
        plan = library.plan(asked.folder, asked.out, chosen)
        with progress("sentences and images", sum(plan.images_seen.values())) as tick:
            library.train(plan, tick)
        return
    rank = chosen.adapter.rank if asked.rank is None else asked.rank
    adaptation = adapter.plan(asked.folder, asked.out, asked.adapt, chosen, rank)
    with progress("images", adaptation.schedule.images_seen) as tick:
        adapter.train(adaptation, tick, score)


def _stable_diffusion(asked: Options, params: Params) -> None:
    """Fine-tune Stable Diffusion by the predecessor's recipe: its ControlNet, or an adapter."""
    from busgen.images.stable_diffusion.training import library

    if asked.start is None:
        rule = "preset sd15 must begin with a folder of Stable Diffusion 1.5"
        raise UserError(rule, "none", "give --start FOLDER")
    wanted = library.Options(asked.folder, asked.out, asked.start, asked.adapt, asked.rank)
    plan = library.plan(wanted, params.train_images.seed)
    with progress("images", plan.images_seen) as tick:
        library.train(plan, tick)
