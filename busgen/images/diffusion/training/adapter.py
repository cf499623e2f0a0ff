"""Adaptation to another hospital's images: low-rank changes of the denoising network (LoRA).

In: a generator, canonical data, the name of a data set, a rank. Out: the generator with the adapter
`adapters/NAME` beside those it has, its log in `evidence`, and its scores before and after on
held-out patients. Adapters draw without the scanner's style: they stand for one themselves
(Hu 2021, arXiv 2106.09685).
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from busgen import folders, io, training_loop
from busgen.arrays import Pixels
from busgen.errors import UserError
from busgen.extras import require_extra
from busgen.images.diffusion import engine
from busgen.images.diffusion.autoencoder import draw_noise
from busgen.images.diffusion.engine import ADAPTERS, KIND, MANIFEST, checked_hash
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline
from busgen.images.diffusion.scanners import NO_STYLE
from busgen.images.diffusion.training import latents
from busgen.images.diffusion.training.flow import Trainee
from busgen.images.diffusion.training.latents import Views
from busgen.images.diffusion.training.plan import EVIDENCE
from busgen.images.training.examples import BOUNDS, SPLITS, read_images
from busgen.masks.semantic_curvature.training.descriptor_bounds import bounds_from_json
from busgen.params.train_images import AdapterParams, TrainImagesParams
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import SIDE, Crops
from busgen.training_loop import LOG, Schedule, make_draws

LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2"]  # that get low-rank changes
TOLD = "adapter.json"
Score = Callable[[Pixels, Crops], Mapping[str, Any]]
RANKS = (2, 4, 8)


@dataclass(frozen=True)
class Training:
    """An adaptation that can start."""

    dataset: str
    table: Path
    cohort: Path
    start: Path
    out: Path
    params: AdapterParams
    seed: int

    @property
    def schedule(self) -> Schedule:
        """How long and how fast it learns."""
        own = self.params
        schedule = (own.steps, own.batch, own.rate, self.seed, own.accumulate)
        return Schedule(*schedule, validate=own.steps)

    @property
    def work(self) -> Path:
        """Where it works: a folder whose name hashes all that decides the adapter."""
        key = f"{self.params.model_dump_json()} {self.seed} {checked_hash(self.start)} "
        key += f"{io.sha256_file(self.table)} {io.sha256_file(self.cohort)}"
        name = f"adapter-{io.sha256_bytes(key.encode())[:16]}"
        return folders.work_path(self.out) / name


def plan(folder: Path, out: Path, dataset: str, params: TrainImagesParams, rank: int) -> Training:
    """Return the adaptation of ``params.start`` (by default what ships) to a data set.

    Raises `UserError` if `folder` does not hold the data set, `out` holds anything but the
    generator without this adapter, the generator's folder is none, or the rank is none of the
    predecessor's.
    """
    require_extra("sd", "an adapter")
    if rank not in RANKS:
        raise UserError("rank must be one of the predecessor's", rank, "choose from 2, 4, 8")
    start = params.start or engine.SHIPPED
    _require_room(out, start, dataset)
    tables = {path.parent.name: path for path in find_tables(folder)}
    if dataset not in tables:
        rule = f"{folder} must hold the data set to adapt to"
        raise UserError(rule, dataset, f"choose from {', '.join(tables)}")
    cohort = find_cohort(folder)
    request = params.adapter.model_copy(update={"rank": rank})
    return Training(dataset, tables[dataset], cohort, start, out, request, params.seed)


def _require_room(out: Path, start: Path, dataset: str) -> None:
    """Raise `UserError` where an adapter of `start` would replace what stands in `out`."""
    generator = checked_hash(start)
    folders.require_replaceable(out, KIND)
    if not (out / MANIFEST).is_file():
        return
    if checked_hash(out) != generator:
        rule = "the output folder must be empty, or hold the generator that is adapted"
        raise UserError(rule, f"{out} with another", "choose another folder, or --start it")
    if (out / ADAPTERS / dataset).exists():
        rule = f"an adapter must be new in {out}"
        raise UserError(rule, dataset, "choose another folder, or remove the adapter first")


def train(plan: Training, tick: Callable[[int], None], score: Score) -> dict[str, Any]:
    """Fit the adapter, write it beside its generator, and return what `adapter.json` holds.

    `score(images, crops)` tells how like held-out crops (N, S, S) uint8 images in their stead
    are: asked before, of images in the data set's style if the generator knows it, and after.
    """
    with folders.lock_folder(plan.out, KIND):
        return _adapt(plan, tick, score)


def _adapt(plan: Training, tick: Callable[[int], None], score: Score) -> dict[str, Any]:
    from peft import LoraConfig

    folders.open_work(plan.work)
    pipeline = engine.load_model(plan.start, torch.device("cpu"))
    views, stated, held_out = _examples(plan, pipeline)
    before = _scores(pipeline, views, stated, held_out, score)
    pipeline.unet.requires_grad_(requires_grad=False)
    rank = plan.params.rank
    lora = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=LAYERS)
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        pipeline.unet.add_adapter(lora, adapter_name=plan.dataset)
    pipeline.tokens.requires_grad_(requires_grad=False)
    silent = {split: np.full_like(own.styles, NO_STYLE) for split, own in views.items()}
    views = {split: replace(own, styles=silent[split]) for split, own in views.items()}
    modules = {"unet": pipeline.unet, "tokens": pipeline.tokens}
    trained = training_loop.train(Trainee(modules, views, stated), plan.schedule, plan.work, tick)
    pipeline.unet.load_state_dict(trained["unet"].state_dict())
    after = _scores(pipeline, views, stated, held_out, score)
    record: dict[str, Any] = {
        "dataset": plan.dataset,
        "images": {split: int(own.whole.sum()) for split, own in views.items()},
        "params": plan.params.model_dump(),
        "held_out": {"before": before, "after": after},
    }
    _write(plan, pipeline, record)
    return record


def _examples(
    plan: Training, pipeline: BreastUltrasoundPipeline
) -> tuple[Mapping[str, Views], Mapping[str, Tensor], Crops]:
    """Return views of training and validation patients, what is stated, the latter's crops."""
    bounds = bounds_from_json(io.read_json(plan.start / EVIDENCE / BOUNDS)["bounds"])
    views: dict[str, Views] = {}
    stated: dict[str, Tensor] = {}
    for split in SPLITS:
        images = read_images([plan.table], plan.cohort, split, bounds)
        most = (plan.params.views, latents.SELECTIONS, latents.KEEP)
        windows, count, keep = most if split == "train" else (1, 1, 1.0)
        views[split] = latents.encode(pipeline.autoencoder, images, windows)
        stated[split] = latents.stated_terms(images.captions, count, keep)
    return views, stated, images.crops


def _scores(
    pipeline: BreastUltrasoundPipeline,
    views: Mapping[str, Views],
    stated: Mapping[str, Tensor],
    held_out: Crops,
    score: Score,
) -> dict[str, Any]:
    """Return the loss on the data set's validation patients, and the scores of their images."""
    modules: Mapping[str, nn.Module] = {"unet": pipeline.unet, "tokens": pipeline.tokens}
    trainee = Trainee(modules, views, stated)
    pipeline.to(trainee.device)
    drawn = []
    batches = latents.validation_batches(views["validation"], stated["validation"], 8)
    for number, batch in enumerate(batches):
        noise = make_draws(0, number, trainee.device).noise
        start = torch.randn(batch.latents.shape, generator=noise, device=trainee.device)
        conditions, grain = batch.conditions.to(trainee.device), draw_noise(len(start), SIDE, noise)
        generated = pipeline(conditions, start, grain)
        drawn.append((generated * 255).round().to(torch.uint8).cpu())
    loss = trainee.validate(modules, 0)["validation_loss"]
    return {"loss": loss} | dict(score(torch.cat(drawn).numpy(), held_out))


def _write(
    plan: Training, pipeline: BreastUltrasoundPipeline, conditions: Mapping[str, Any]
) -> None:
    with folders.write_folder(plan.out, KIND) as partial:
        kept = plan.out if (plan.out / MANIFEST).is_file() else plan.start
        folders.copy_folder(kept, partial)
        own = partial / ADAPTERS / plan.dataset
        own.mkdir(parents=True, exist_ok=True)
        pipeline.unet.save_lora_adapter(own, adapter_name=plan.dataset)
        io.write_text(own / TOLD, io.dumps(conditions))
        shutil.copy(plan.work / LOG, partial / EVIDENCE / f"adapter_{plan.dataset}.jsonl")
        engine.write_manifest(partial)
    folders.clear_work(plan.out)
