"""What the decoder learns from: latents of three kinds, and patches of them.

In: a generator, images. Out: `Examples`, drawn once, and random `_Patches` of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    Conditions,
    predict_velocity,
)
from busgen.images.diffusion.solver import FlowSolver
from busgen.images.diffusion.training.autoencoder import probabilities, to_input
from busgen.images.diffusion.training.latents import encode, stated_terms, validation_batches
from busgen.images.training.examples import ImageSet
from busgen.real.crops import Crops
from busgen.training_loop import Draws, make_draws

PATCH = 16  # side of the latents' patches that it learns from
KINDS = MappingProxyType({"encoded": 0.25, "denoised": 0.45, "drawn": 0.3})  # shares of a batch
NOISED = (3, 4, 5)  # steps of the solver that denoised latents leave out, in turn
AT_ONCE = 16  # images drawn together


@dataclass(frozen=True)
class Examples:
    """N images, their `styles` (N,), and latents (N, C, h, w) of each of `KINDS`."""

    crops: Crops
    styles: NDArray[np.int64]
    latents: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Patches:
    """Patches of latents (N, C, PATCH, PATCH), and those of the real images (N, 1, S, S).

    `weight` (N, 1, S, S) is 0 where text or calipers are burned in; `same` (N,) says whether the
    latents show that very image; `style` (N,) whose speckle it is.
    """

    latents: Tensor
    real: Tensor
    weight: Tensor
    same: Tensor
    style: Tensor

    def to(self, device: torch.device) -> "_Patches":
        """Return the patches on `device`."""
        return _Patches(*(each.to(device) for each in vars(self).values()))


def make_examples(pipeline: BreastUltrasoundPipeline, images: ImageSet) -> Examples:
    """Return what a decoder learns from `images`: latents of each kind, drawn once."""
    views = encode(pipeline.autoencoder, images, 1)
    stated, device = stated_terms(images.captions, 1, 1.0), pipeline.device
    kinds: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    for number, batch in enumerate(validation_batches(views, stated, AT_ONCE)):
        clean, conditions = batch.latents.to(device), batch.conditions.to(device)
        noise = make_draws(0, number, device).noise
        ends = torch.randn(clean.shape, generator=noise, device=device)
        denoised = denoise(pipeline, conditions, clean, ends, NOISED[number % len(NOISED)])
        each = {"encoded": clean, "denoised": denoised, "drawn": pipeline.draw(conditions, ends)}
        for kind, latents in each.items():
            kinds[kind].append(latents.cpu())
    drawn = {kind: torch.cat(parts).clone() for kind, parts in kinds.items()}
    return Examples(images.crops, views.styles, drawn)


@torch.inference_mode()
def denoise(
    pipeline: BreastUltrasoundPipeline,
    conditions: Conditions,
    clean: Tensor,
    ends: Tensor,
    left_out: int,
) -> Tensor:
    """Return latents (N, C, h, w) on the way to noise `ends`, drawn from there as images are.

    The solver's first `left_out` steps are left out: the more, the more is kept.
    """
    solver: FlowSolver = FlowSolver.from_config(pipeline.scheduler.config)
    solver.set_timesteps(STEPS, clean.device)
    level = solver.skip(left_out)
    latents = (1 - level) * clean + level * ends
    for time in solver.timesteps:
        velocity = predict_velocity(pipeline.unet, pipeline.tokens, latents, time, conditions)
        latents = solver.step(velocity, latents)
    return latents


def draw_patches(lesson: Examples, draws: Draws, size: int) -> _Patches:
    """Return patches of random latents of random kinds, and those of their images."""
    rng, crops = draws.rng, lesson.crops
    kinds = rng.choice(list(KINDS), size, p=list(KINDS.values()))
    chosen = rng.choice(len(crops), size, p=probabilities(crops))
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
    return _Patches(
        torch.stack(latents),
        to_input(np.stack(images)),
        torch.from_numpy(np.stack(weights))[:, None].float(),
        torch.from_numpy(kinds != "drawn").float(),
        torch.from_numpy(lesson.styles[chosen]),
    )
