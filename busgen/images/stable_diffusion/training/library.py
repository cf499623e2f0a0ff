"""Training of the preset `sd15` as a function call: canonical folders in, a model or adapter out.

In: what `busgen real ... --out` wrote, a folder of Stable Diffusion 1.5. Out: a folder for the
engine `stable_diffusion`, safetensors only, the training's log beside its recipe; no server.
"""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from diffusers.loaders import StableDiffusionLoraLoaderMixin

from busgen import folders, io
from busgen.errors import UserError
from busgen.images.stable_diffusion import layout
from busgen.images.stable_diffusion.engine import to_text
from busgen.images.stable_diffusion.training import stage
from busgen.images.stable_diffusion.training.stage import Networks, Recipe, Run
from busgen.images.training.examples import ImageSet, fit_bounds, read_images
from busgen.io import dumps, read_json, write_text
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import weights_may_ship
from busgen.training_loop import LOG, OnProgress

KIND = "stable diffusion model"
CONFIG, RECIPE = Path("unet") / "config.json", "recipe.json"
RANKS = (2, 4, 8)


def save_model(trained: Networks, base: Path, recipe: Recipe, folder: Path) -> None:
    """Write the base's other parts and the trained ControlNet to an empty folder.

    The UNet's own size becomes the recipe's: at that size the model was trained and renders.
    """
    for part in layout.PARTS:
        if part != "controlnet":
            (folder / part).mkdir()
            for path in (base / part).iterdir():
                if path.suffix in layout.READ:
                    shutil.copyfile(path, folder / part / path.name)
    trained.controlnet.save_pretrained(folder / "controlnet", safe_serialization=True)
    factor = 2 ** (len(read_json(base / "vae" / "config.json")["block_out_channels"]) - 1)
    config = read_json(folder / CONFIG) | {"sample_size": recipe.size_px // factor}
    write_text(folder / CONFIG, dumps(config))
    write_text(folder / RECIPE, dumps(vars(recipe)))


def save_adapter(trained: Networks, recipe: Recipe, folder: Path, name: str) -> Path:
    """Write the trained adapter below the folder of a model; return its own folder.

    Raises `UserError` if `name` is no name of a folder.
    """
    from peft import get_peft_model_state_dict

    if not re.fullmatch(r"\w[\w.-]*", name):
        rule = "an adapter's name must be letters, digits, dots and dashes"
        raise UserError(rule, repr(name), "name it after its data set")
    own = folder / layout.ADAPTERS / name
    own.mkdir(parents=True)
    layers = get_peft_model_state_dict(trained.unet)
    StableDiffusionLoraLoaderMixin.save_lora_weights(own, unet_lora_layers=layers)
    write_text(own / RECIPE, dumps(vars(recipe)))
    return own


@dataclass(frozen=True)
class Options:
    """Canonical data, the folder to write, the model to begin with, the adapter's data set.

    `without`: datasets that it is not to learn from.
    """

    folder: Path
    out: Path
    start: Path
    adapt: str | None = None
    rank: int | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """A training that can start: its recipe, its images, and what it was asked for."""

    options: Options
    recipe: Recipe
    images: ImageSet
    seed: int

    @property
    def images_seen(self) -> int:
        """Images that it sees in all."""
        return self.recipe.schedule(len(self.images.captions), self.seed).images_seen

    @property
    def work(self) -> Path:
        """Where checkpoint and log stand while it learns."""
        return folders.work_path(self.options.out) / "sd15"


def plan(request: Options, seed: int, recipe: Recipe | None = None) -> Training:
    """Return the training on training patients; the recipe is by default the predecessor's.

    Raises `UserError` if the folder has no canonical data or not the data set to adapt to, BrEaST,
    whose readers' terms captions are measured by, is missing, `start` lacks parts, `out` holds what
    would be lost, or the rank is none of theirs.
    """
    layout.check_folder(request.start, controlnet=request.adapt is not None)
    recipe = recipe or Recipe()
    if request.adapt is not None:
        rank = 8 if request.rank is None else request.rank
        if rank not in RANKS:
            raise UserError("rank must be one of the predecessor's", rank, "choose from 2, 4, 8")
        recipe = replace(recipe, lora_rank=rank)
    _require_room(request)
    tables = {path.parent.name: path for path in find_tables(request.folder, request.without)}
    if request.adapt is not None and request.adapt not in tables:
        rule = f"{request.folder} must hold the data set to adapt to"
        raise UserError(rule, request.adapt, f"choose from {', '.join(tables)}")
    every = tables.values()
    own = [tables[request.adapt]] if request.adapt else [*filter(weights_may_ship, every)]
    cohort = find_cohort(request.folder)
    bounds = fit_bounds(list(tables.values()), cohort)
    return Training(request, recipe, read_images(own, cohort, "train", bounds), seed)


def _require_room(request: Options) -> None:
    """Raise `UserError` where an adapter would replace what stands in `out`."""
    folders.require_replaceable(request.out, KIND)
    if request.adapt is None or not (request.out / "unet").is_dir():
        return
    if layout.hash_folder(request.out) != layout.hash_folder(request.start):
        rule = "the output folder must be empty, or hold the model that is adapted"
        raise UserError(rule, f"{request.out} with another", "choose another folder, or --start it")
    if (request.out / layout.ADAPTERS / request.adapt).exists():
        rule = f"an adapter must be new in {request.out}"
        raise UserError(rule, request.adapt, "choose another folder, or remove the adapter first")


def train(training: Training, tick: OnProgress) -> Path:
    """Train, and write the model, or the model with the adapter named after its data set.

    Adapters that the model has in `out` already stay beside it.
    """
    request, captions = training.options, training.images.captions
    with folders.lock_folder(request.out, KIND):
        run = Run(training.seed, folders.open_work(training.work), tick=tick)
        conditions = [to_text(c.pathology, c.echo_pattern, c.margin) for c in captions]
        crops, recipe = training.images.crops, training.recipe
        trained = stage.train(request.start, crops, conditions, recipe, run)
        log = (training.work / LOG).read_text(encoding="utf-8")
        with folders.write_folder(request.out, KIND) as partial:
            if request.adapt is None:
                save_model(trained, request.start, recipe, partial)
                io.write_text(partial / LOG, log)
            else:
                kept = request.out if (request.out / "unet").is_dir() else request.start
                folders.copy_folder(kept, partial)
                own = save_adapter(trained, recipe, partial, request.adapt)
                io.write_text(own / LOG, log)
        folders.clear_work(request.out)
    return request.out
