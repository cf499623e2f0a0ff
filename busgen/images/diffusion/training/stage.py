"""Stage `train_images`: pictures of training patients -> the generator, step by step.

In: canonical tables, the cohort, parameters. Out: a folder that the engine `diffusion` loads:
autoencoder, denoising network with guidance folded in, decoder tuned to it, card,
log. A killed training goes on from its last checkpoint.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from busgen import folders
from busgen.compute.devices import device_of
from busgen.images.diffusion.autoencoder import Autoencoder
from busgen.images.diffusion.conditions import FieldTokens
from busgen.images.diffusion.folder import KIND, load_pipeline
from busgen.images.diffusion.levels import Ranges
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline, Guidance
from busgen.images.diffusion.solver import FlowSolver
from busgen.images.diffusion.training.autoencoder import train_autoencoder
from busgen.images.diffusion.training.decoder import AVERAGE, DecoderTrainee
from busgen.images.diffusion.training.decoder_examples import lesson_of
from busgen.images.diffusion.training.flow import FlowTrainee, Network, new_modules
from busgen.images.diffusion.training.latents import (
    KEEP,
    SELECTIONS,
    VIEWS,
    Views,
    encode_views,
    load_views,
    measured_levels,
    save_views,
    stated_terms,
)
from busgen.images.diffusion.training.level_ranges import fit_ranges
from busgen.images.diffusion.training.plan import NETWORK, Training
from busgen.images.diffusion.training.publish import publish
from busgen.images.diffusion.training.sample_sheets import write_sheet
from busgen.images.training.examples import SPLITS, Pictures, prepare
from busgen.params.train_images import TrainImagesParams
from busgen.real.crops import SIDE
from busgen.training_loop import Tick, run


def train(training: Training, ticks: Callable[[str], Tick]) -> Path:
    """Train what is not trained yet, publish it, and return its folder.

    `ticks(part)` gives what is told how many pictures the part has seen.
    """
    with folders.claim_folder(training.out, KIND):
        return _train(training, ticks)


def _train(training: Training, ticks: Callable[[str], Tick]) -> Path:
    pictures = prepare(training.tables, training.cohort, folders.open_work(training.work))
    autoencoder = autoencoder_of(training, pictures, ticks)
    views = {split: views_of(training, pictures, split, autoencoder) for split in SPLITS}
    stated = {
        "train": stated_terms(pictures["train"].captions, SELECTIONS, KEEP),
        "validation": stated_terms(pictures["validation"].captions, 1, 1.0),
    }
    ranges = fit_ranges(pictures["train"].captions, measured_levels(pictures["train"].crops))
    pipeline = new_pipeline(training, autoencoder, ranges)
    for part in NETWORK:
        if part in training.parts:
            pipeline = learned(training, part, pipeline, views, stated, ticks(part))
    if "decoder" in training.parts:
        pipeline = tuned(training, pipeline, pictures, ticks("decoder"))
    return publish(training, pictures, pipeline)


def autoencoder_of(
    training: Training, pictures: Mapping[str, Pictures], ticks: Callable[[str], Tick]
) -> Autoencoder:
    """Return the autoencoder: trained, read from the work folder, or the one to start from."""
    folder = training.params.start or training.work
    path = folder / "autoencoder"
    if not path.is_dir():
        crops = {split: each.crops for split, each in pictures.items()}
        work = training.work / "autoencoder.training"
        made = train_autoencoder(crops, training.pace("autoencoder"), work, ticks("autoencoder"))
        with folders.written_folder(path, "part of a generator") as partial:
            made.save_pretrained(partial)
    made = Autoencoder.from_pretrained(path, use_safetensors=True, dtype=torch.float32)
    return made.to(device_of()).eval()  # type: ignore[no-any-return]


def views_of(
    training: Training, pictures: Mapping[str, Pictures], split: str, autoencoder: Autoencoder
) -> Views:
    """Return the encoded views of a split, encoded once."""
    path = training.work / f"views-{split}.safetensors"
    if not path.is_file():
        count = VIEWS if split == "train" else 1
        save_views(encode_views(autoencoder, pictures[split], count), path)
    return load_views(path)


def new_pipeline(
    training: Training, autoencoder: Autoencoder, ranges: Ranges
) -> BreastUltrasoundPipeline:
    """Return the pipeline as its denoising network begins: new, or that of what to start from."""
    params = training.params
    if params.start:
        begun = load_pipeline(params.start, torch.device("cpu"))
        modules = {"unet": begun.unet, "tokens": begun.tokens}
        return joined(autoencoder, ranges, modules)
    network = Network(params.flow.widths, params.flow.layers)
    channels = int(autoencoder.config.channels)
    modules = new_modules(network, SIDE, channels, params.seed)
    return joined(autoencoder, ranges, modules)


def joined(
    autoencoder: Autoencoder,
    ranges: Ranges,
    modules: Mapping[str, nn.Module],
) -> BreastUltrasoundPipeline:
    """Return the pipeline of an autoencoder, ranges of levels, and a denoising network."""
    tokens = cast(FieldTokens, modules["tokens"])
    return BreastUltrasoundPipeline(autoencoder, ranges, tokens, modules["unet"], FlowSolver())


def learned(
    training: Training,
    part: str,
    pipeline: BreastUltrasoundPipeline,
    views: Mapping[str, Views],
    stated: Mapping[str, Tensor],
    tick: Tick,
) -> BreastUltrasoundPipeline:
    """Return the pipeline with its network trained further: on pictures, or guided by itself."""
    work = training.work / f"{part}.training"
    rest = (pipeline.autoencoder, pipeline.ranges)
    modules = {"unet": pipeline.unet, "tokens": pipeline.tokens}
    for module in modules.values():
        module.requires_grad_(requires_grad=True)

    def show(mean: Mapping[str, nn.Module], step: int) -> None:
        write_sheet(joined(*rest, mean), work / f"samples-{step:06}.png")

    guide = guidance(training.params) if part == "guided" else None
    trainee = FlowTrainee(modules, views, stated, guide, show)
    pipeline.to(trainee.device)
    return joined(*rest, run(trainee, training.pace(part), work, tick))


def tuned(
    training: Training,
    pipeline: BreastUltrasoundPipeline,
    pictures: Mapping[str, Pictures],
    tick: Tick,
) -> BreastUltrasoundPipeline:
    """Return the pipeline with its decoder tuned to the latents that its network draws."""
    pipeline.to(device_of())
    lessons = {split: lesson_of(pipeline, each) for split, each in pictures.items()}
    pace = replace(training.pace("decoder"), average=AVERAGE)
    trainee = DecoderTrainee(pipeline.autoencoder, lessons, pace)
    made = run(trainee, pace, training.work / "decoder.training", tick)["autoencoder"]
    pipeline.register_modules(autoencoder=made)
    return pipeline


def guidance(params: TrainImagesParams) -> Guidance:
    """Return the guidance that is folded in."""
    return Guidance(text=params.guided.text, mask=params.guided.mask)
