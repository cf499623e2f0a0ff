"""What the decoder learns from: latents of three kinds, and patches of them.

In: a generator, images. Out: `Lesson`, drawn once, and random `Patches` of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline, Conditions, Guidance
from busgen.images.diffusion.solver import FlowSolver
from busgen.images.diffusion.training.autoencoder import chances, to_pictures
from busgen.images.diffusion.training.latents import (
    Batch,
    encode_views,
    fixed_batches,
    stated_terms,
)
from busgen.images.training.examples import Pictures
from busgen.real.crops import Crops
from busgen.training_loop import Draws, draws_of

PATCH = 16  # side of the latents' patches that it learns from
KINDS = MappingProxyType({"encoded": 0.25, "denoised": 0.45, "drawn": 0.3})  # shares of a batch
NOISED = (3, 4, 5)  # steps of the solver that denoised latents leave out, in turn
AT_ONCE = 16  # pictures drawn together


@dataclass(frozen=True)
class Lesson:
    """N pictures, their `styles` (N,), and latents (N, C, h, w) of each of `KINDS`."""

    crops: Crops
    styles: NDArray[np.int64]
    latents: Mapping[str, Tensor]


@dataclass(frozen=True)
class Patches:
    """Patches of latents (N, C, PATCH, PATCH), and those of the real pictures (N, 1, S, S).

    `weight` (N, 1, S, S) is 0 where text or calipers are burned in; `same` (N,) says whether the
    latents show that very picture; `style` (N,) whose speckle it is.
    """

    latents: Tensor
    real: Tensor
    weight: Tensor
    same: Tensor
    style: Tensor

    def to(self, device: torch.device) -> "Patches":
        """Return the patches on `device`."""
        return Patches(*(each.to(device) for each in vars(self).values()))


def lesson_of(pipeline: BreastUltrasoundPipeline, pictures: Pictures) -> Lesson:
    """Return what a decoder learns from `pictures`: latents of each kind, drawn once."""
    views = encode_views(pipeline.autoencoder, pictures, 1)
    stated = stated_terms(pictures.captions, 1, 1.0)
    kinds: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    for number, batch in enumerate(fixed_batches(views, stated, AT_ONCE)):
        for kind, latents in _of_each_kind(pipeline, batch, number).items():
            kinds[kind].append(latents.cpu())
    drawn = {kind: torch.cat(parts).clone() for kind, parts in kinds.items()}
    return Lesson(pictures.crops, views.styles, drawn)


def _of_each_kind(
    pipeline: BreastUltrasoundPipeline, batch: Batch, number: int
) -> Mapping[str, Tensor]:
    device, left_out = pipeline.device, NOISED[number % len(NOISED)]
    clean, told = batch.latents.to(device), batch.told.to(device)
    noise = draws_of(0, number, device).noise
    ends = torch.randn(clean.shape, generator=noise, device=device)
    return {
        "encoded": clean,
        "denoised": denoised(pipeline, told, clean, ends, left_out),
        "drawn": pipeline.draw(told, ends),
    }


@torch.inference_mode()
def denoised(
    pipeline: BreastUltrasoundPipeline, told: Conditions, clean: Tensor, ends: Tensor, left_out: int
) -> Tensor:
    """Return latents (N, C, h, w) on the way to noise `ends`, drawn from there as pictures are.

    The solver's first `left_out` steps are left out: the more, the more is kept.
    """
    solver: FlowSolver = FlowSolver.from_config(pipeline.scheduler.config)
    solver.set_timesteps(STEPS, clean.device)
    level = solver.skip(left_out)
    latents = (1 - level) * clean + level * ends
    for time in solver.timesteps:
        velocity = pipeline.velocity(latents, time, told, Guidance())
        latents = solver.step(velocity, latents)
    return latents


def draw_patches(lesson: Lesson, draws: Draws, size: int) -> Patches:
    """Return patches of random latents of random kinds, and those of their pictures."""
    rng, crops = draws.rng, lesson.crops
    kinds = rng.choice(list(KINDS), size, p=list(KINDS.values()))
    chosen = rng.choice(len(crops), size, p=chances(crops))
    latents, images, weights = [], [], []
    for kind, index in zip(kinds, chosen, strict=True):
        whole = lesson.latents[str(kind)][index]
        side = min(PATCH, whole.shape[-1])
        row, col = rng.integers(0, whole.shape[-1] - side + 1, 2)
        latents.append(whole[:, row : row + side, col : col + side])
        top, left, width = FACTOR * row, FACTOR * col, FACTOR * side
        window = np.s_[top : top + width, left : left + width]
        images.append(crops.images[index][window])
        weights.append(crops.ignore[index][window] == 0)
    return Patches(
        torch.stack(latents),
        to_pictures(np.stack(images)),
        torch.from_numpy(np.stack(weights))[:, None].float(),
        torch.from_numpy(kinds != "drawn").float(),
        torch.from_numpy(lesson.styles[chosen]),
    )
