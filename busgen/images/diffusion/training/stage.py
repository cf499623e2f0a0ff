"""Stage `train_images`: images of training patients -> the generator, step by step.

In: canonical tables, the cohort, parameters. Out: a folder that the engine `diffusion` loads:
autoencoder, denoising network with guidance folded in, decoder and last steps tuned, card, log. A
killed training goes on from its last checkpoint.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from busgen import folders, training_loop
from busgen.compute.devices import resolve_device
from busgen.images.diffusion.autoencoder import Autoencoder
from busgen.images.diffusion.conditions import FieldTokens
from busgen.images.diffusion.engine import KIND, load_model
from busgen.images.diffusion.levels import Ranges
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline, Guidance
from busgen.images.diffusion.solver import FlowSolver
from busgen.images.diffusion.training import (
    autoencoder,
    decoder,
    flow,
    last_steps,
    last_steps_examples,
    latents,
    ranges,
)
from busgen.images.diffusion.training.decoder_examples import make_examples
from busgen.images.diffusion.training.flow import Network, build_network
from busgen.images.diffusion.training.latents import Views
from busgen.images.diffusion.training.plan import NETWORK, Training, publish, write_sheet
from busgen.images.training.examples import SPLITS, ImageSet, prepare
from busgen.real.crops import SIDE
from busgen.training_loop import OnProgress


def train(training: Training, tick: OnProgress) -> Path:
    """Train what is not trained yet, publish it, and return its folder.

    A killed training goes on where it was. `tick` gets the number of images seen.
    """
    with folders.lock_folder(training.out, KIND):
        _train(training, tick)
    folders.clear_work(training.out)
    return training.out


def _train(training: Training, tick: OnProgress) -> None:
    images = prepare(training.tables, training.cohort, folders.open_work(training.work))
    autoencoder = _autoencoder(training, images, tick)
    fitted = ranges.fit_ranges(images["train"], latents.measure(images["train"].crops))
    pipeline = _pipeline(training, autoencoder, fitted)
    if parts := [part for part in NETWORK if part in training.parts]:
        views = _views(training, images, autoencoder)
        whole = latents.stated_terms(images["validation"].captions, 1, 1.0)
        some = latents.stated_terms(images["train"].captions, latents.SELECTIONS, latents.KEEP)
        stated = {"train": some, "validation": whole}
        for part in parts:
            pipeline = _learn(training, part, pipeline, views, stated, tick)
    if "decoder" in training.parts:
        pipeline = _decoder(training, pipeline, images, tick)
    if "last_steps" in training.parts:
        pipeline = _last_steps(training, pipeline, images, tick)
    asked = training.params.levels
    ranges.calibrate(pipeline, asked.rounds, asked.drawn)
    publish(training, images, pipeline)


def _autoencoder(
    training: Training, images: Mapping[str, ImageSet], tick: OnProgress
) -> Autoencoder:
    """Return the autoencoder: trained, read from the work folder, or the one to start from."""
    path = (training.params.start or training.work) / "autoencoder"
    if not path.is_dir():
        crops = {split: each.crops for split, each in images.items()}
        schedule, work = training.schedule("autoencoder"), training.work / "autoencoder.training"
        generated = autoencoder.train(crops, schedule, work, tick)
        with folders.write_folder(path, "part of a generator") as partial:
            generated.save_pretrained(partial)
    generated = Autoencoder.from_pretrained(path, use_safetensors=True, dtype=torch.float32)
    return generated.to(resolve_device()).eval()  # type: ignore[no-any-return]


def _views(
    training: Training, images: Mapping[str, ImageSet], autoencoder: Autoencoder
) -> dict[str, Views]:
    """Return the encoded views of each split; they stay in the work folder."""
    views: dict[str, Views] = {}
    for split, count in zip(SPLITS, (training.params.flow.views, 1), strict=True):
        path = training.work / f"views-{split}.safetensors"
        if not path.is_file():
            latents.save_examples(latents.encode(autoencoder, images[split], count), path)
        views[split] = latents.load_examples(path)
    return views


def _pipeline(
    training: Training, autoencoder: Autoencoder, fitted: Ranges
) -> BreastUltrasoundPipeline:
    """Return the pipeline as its denoising network begins: new, or that of what to start from."""
    params = training.params
    if params.start:
        begun = load_model(params.start, torch.device("cpu"))
        return join(autoencoder, fitted, {"unet": begun.unet, "tokens": begun.tokens})
    network, channels = Network(params.flow.widths, params.flow.layers), autoencoder.config.channels
    return join(autoencoder, fitted, build_network(network, SIDE, int(channels), params.seed))


def join(
    autoencoder: Autoencoder, fitted: Ranges, modules: Mapping[str, nn.Module]
) -> BreastUltrasoundPipeline:
    """Return the pipeline of an autoencoder, ranges of levels, and a denoising network."""
    tokens = cast(FieldTokens, modules["tokens"])
    return BreastUltrasoundPipeline(autoencoder, fitted, tokens, modules["unet"], FlowSolver())


def _learn(
    training: Training,
    part: str,
    pipeline: BreastUltrasoundPipeline,
    views: Mapping[str, Views],
    stated: Mapping[str, Tensor],
    tick: OnProgress,
) -> BreastUltrasoundPipeline:
    """Return the pipeline with its network trained further: on images, or guided by itself."""
    work = training.work / f"{part}.training"
    rest = (pipeline.autoencoder, pipeline.ranges)
    modules = {"unet": pipeline.unet, "tokens": pipeline.tokens}
    for module in modules.values():
        module.requires_grad_(requires_grad=True)

    def show(mean: Mapping[str, nn.Module], step: int) -> None:
        write_sheet(join(*rest, mean), work / f"samples-{step:06}.png")

    request = training.params.guided
    guide = Guidance(text=request.text, mask=request.mask) if part == "guided" else None
    trainee = flow.Trainee(modules, views, stated, guide, show)
    pipeline.to(trainee.device)
    return join(*rest, training_loop.train(trainee, training.schedule(part), work, tick))


def _decoder(
    training: Training,
    pipeline: BreastUltrasoundPipeline,
    images: Mapping[str, ImageSet],
    tick: OnProgress,
) -> BreastUltrasoundPipeline:
    """Return the pipeline, its decoder tuned to real images."""
    pipeline.to(resolve_device())
    examples, held_out = make_examples(pipeline, images["train"]), images["validation"].crops
    schedule = replace(training.schedule("decoder"), average=decoder.AVERAGE)
    trainee = decoder.Trainee(pipeline.autoencoder, examples, held_out, schedule)
    work = training.work / "decoder.training"
    pipeline.register_modules(**training_loop.train(trainee, schedule, work, tick))
    return pipeline


def _last_steps(
    training: Training,
    pipeline: BreastUltrasoundPipeline,
    images: Mapping[str, ImageSet],
    tick: OnProgress,
) -> BreastUltrasoundPipeline:
    """Return the pipeline, its network and decoder tuned by what they draw."""
    pipeline.to(resolve_device())
    known, held_out = (
        last_steps_examples.make_examples(pipeline, images[split], views)
        for split, views in zip(SPLITS, (last_steps.VIEWS, 1), strict=True)
    )
    schedule = replace(
        training.schedule("last_steps"), average=last_steps.AVERAGE, warmup=last_steps.WARMUP
    )
    trainee = last_steps.Trainee(pipeline, known, held_out)
    work = training.work / "last_steps.training"
    pipeline.register_modules(**training_loop.train(trainee, schedule, work, tick))
    return pipeline
