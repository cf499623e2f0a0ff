"""What the decoder learns from: real images with their latents, and latents that the network draws.

In: a generator, images. Out: `Examples`, made once, and random batches of their patches.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline
from busgen.images.diffusion.training.autoencoder import to_input
from busgen.images.diffusion.training.latents import (
    KEEP,
    SELECTIONS,
    Views,
    encode,
    make_batch,
    stated_terms,
)
from busgen.images.training.examples import ImageSet
from busgen.real.crops import Crops
from busgen.seeds import Rng
from busgen.training_loop import make_draws

PATCH = 16  # side of the latents' patches that are decoded
MIRRORED = 2  # views of an image: as it is, and mirrored
AT_ONCE = 32  # images drawn together


@dataclass(frozen=True)
class Examples:
    """N views of images, and the latents `drawn` (N, C, h, w) under each one's conditions."""

    crops: Crops
    views: Views
    drawn: Tensor


@dataclass(frozen=True)
class Batch:
    """Patches of N views by `rows` of `Examples`, and the `styles` (N,) of their scanners.

    `latents` (N, C, PATCH, PATCH) are those of `real` (N, 1, S, S), but the first `drawn` ones,
    which show another lesion of the same finding; `weight` is 0 where text or calipers are.
    """

    rows: NDArray[np.int64]
    latents: Tensor
    drawn: int
    real: Tensor
    weight: Tensor
    styles: Tensor


def make_examples(pipeline: BreastUltrasoundPipeline, images: ImageSet) -> Examples:
    """Return what is learned from `images`: their views, and latents under each one's conditions.

    These are drawn as images are, in as many steps.
    """
    views = encode(pipeline.autoencoder, images, MIRRORED)
    stated, device = stated_terms(images.captions, SELECTIONS, KEEP), pipeline.device
    drawn = []
    for first in range(0, len(views.latents), AT_ONCE):
        rows = np.arange(first, min(first + AT_ONCE, len(views.latents)))
        draws = make_draws(0, first, device)
        selection = draws.rng.integers(0, SELECTIONS, len(rows))
        batch = make_batch(views, stated, rows, selection, np.ones((len(rows), LEVELS), np.bool_))
        start = torch.randn(batch.latents.shape, generator=draws.noise, device=device)
        with torch.inference_mode():
            drawn.append(pipeline.draw(batch.conditions.to(device), start, STEPS).cpu())
    return Examples(images.crops, views, torch.cat(drawn).clone())


def draw_examples(examples: Examples, size: int, drawn: int, rng: Rng) -> Batch:
    """Return a batch of random patches, the latents of the first `drawn` the network's."""
    views, side = examples.views, min(PATCH, examples.views.latents.shape[-1])
    rows = rng.choice(len(views.chances), size, p=views.chances)
    corners = rng.integers(0, views.latents.shape[-1] - side + 1, (size, 2))
    latents, images, weights = [], [], []
    for number, (row, (top, left)) in enumerate(zip(rows, corners, strict=True)):
        source = examples.drawn if number < drawn else views.latents
        latents.append(source[row, :, top : top + side, left : left + side])
        index, turn = row // MIRRORED, -1 if row % MIRRORED else 1
        y, x = FACTOR * top, FACTOR * left
        window = np.s_[y : y + FACTOR * side, x : x + FACTOR * side]
        images.append(examples.crops.images[index][:, ::turn][window])
        weights.append(examples.crops.ignore[index][:, ::turn][window] == 0)
    weight = torch.from_numpy(np.stack(weights))[:, None].float()
    styles = torch.from_numpy(views.styles[rows])
    return Batch(rows, torch.stack(latents), drawn, to_input(np.stack(images)), weight, styles)
