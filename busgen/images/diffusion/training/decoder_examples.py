"""What the decoder and the network's last steps learn from: real images, and paths toward others.

In: a generator, images. Out: `Examples`, made once, and random batches of them. An image of a batch
is one of three kinds: `encoded`; `denoised`, its latents noised and drawn from there on; `drawn`
from noise under its conditions, which is another image of the same device and class.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.arrays import Bools
from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    Conditions,
    predict_velocity,
)
from busgen.images.diffusion.solver import FlowSolver
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
KINDS = ("encoded", "denoised", "drawn")
SHARES = (0.3, 0.25, 0.45)  # of a batch
MIRRORED = 2  # views of an image: as it is, and mirrored
KEPT = 4  # the solver's steps that are drawn once and kept; denoised latents leave them out
AT_ONCE = 32  # paths drawn together


@dataclass(frozen=True)
class Examples:
    """N views of images, what is `stated` of each, and where paths toward others are.

    `points`, `guesses` (N, C, h, w): the solver's latents after `KEPT` steps from noise under a
    view's conditions, and what it guessed then of their end.
    """

    crops: Crops
    views: Views
    stated: Tensor
    points: Tensor
    guesses: Tensor


@dataclass(frozen=True)
class Batch:
    """N views by `rows` of `Examples`, what each is drawn as, and the patch that is looked at.

    `kinds` (N,) numbers of `KINDS`; `clean` latents (N, C, h, w); `corners` (N, 2) row and column
    of the patch in them; `real` (N, 1, S, S) its pixels, `weight` 0 where text or calipers are.
    """

    rows: Tensor
    kinds: Tensor
    clean: Tensor
    conditions: Conditions
    corners: NDArray[np.int64]
    real: Tensor
    weight: Tensor

    def is_kind(self, *names: str) -> Tensor:
        """Return 1 for images of these kinds, else 0, (N, 1, 1, 1)."""
        numbers = torch.tensor([KINDS.index(name) for name in names])
        return torch.isin(self.kinds, numbers).float()[:, None, None, None]

    def crop(self, latents: Tensor) -> Tensor:
        """Return the patches (N, C, PATCH, PATCH) of latents (N, C, h, w)."""
        side = self.real.shape[-1] // FACTOR
        pairs = zip(latents, self.corners.tolist(), strict=True)
        return torch.stack([own[:, r : r + side, c : c + side] for own, (r, c) in pairs])


def make_examples(pipeline: BreastUltrasoundPipeline, images: ImageSet) -> Examples:
    """Return what is learned from `images`: their views, and a path under each one's conditions."""
    views = encode(pipeline.autoencoder, images, MIRRORED)
    stated, device = stated_terms(images.captions, SELECTIONS, KEEP), pipeline.device
    points, guesses = [], []
    for start in range(0, len(views.latents), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(views.latents)))
        draws = make_draws(0, start, device)
        selection = draws.rng.integers(0, SELECTIONS, len(rows))
        batch = make_batch(views, stated, rows, selection, _all_told(len(rows)))
        solver, conditions = new_path(pipeline), batch.conditions.to(device)
        latents = torch.randn(batch.latents.shape, generator=draws.noise, device=device)
        with torch.inference_mode():
            for time in solver.timesteps[:KEPT]:
                velocity = predict_velocity(
                    pipeline.unet, pipeline.tokens, latents, time, conditions
                )
                latents = solver.step(velocity, latents)
        points.append(latents)
        guesses.append(torch.zeros(0) if solver.before is None else solver.before)
    kept = (torch.cat(parts).clone() for parts in (points, guesses))
    return Examples(images.crops, views, stated, *kept)


def new_path(pipeline: BreastUltrasoundPipeline) -> FlowSolver:
    """Return a solver at the beginning of a path, with the steps that images are drawn with."""
    solver: FlowSolver = FlowSolver.from_config(pipeline.scheduler.config)
    solver.set_timesteps(STEPS, pipeline.device)
    return solver


def draw_examples(examples: Examples, size: int, rng: Rng) -> Batch:
    """Return a batch of random views of random kinds, the first of which is drawn from noise."""
    views = examples.views
    rows = rng.choice(len(views.chances), size, p=views.chances)
    kinds = torch.from_numpy(rng.choice(len(KINDS), size, p=SHARES))
    kinds[0] = KINDS.index("drawn")
    selection = rng.integers(0, SELECTIONS, size)
    batch = make_batch(views, examples.stated, rows, selection, _all_told(size))
    side = min(PATCH, batch.latents.shape[-1])
    corners = rng.integers(0, batch.latents.shape[-1] - side + 1, (size, 2))
    real, weight = _cut_images(examples, rows, corners, side)
    return Batch(
        torch.from_numpy(rows), kinds, batch.latents, batch.conditions, corners, real, weight
    )


def _cut_images(
    examples: Examples, rows: NDArray[np.int64], corners: NDArray[np.int64], side: int
) -> tuple[Tensor, Tensor]:
    """Return the pixels (N, 1, S, S) of patches of views in [-1, 1], and their weights."""
    images, weights = [], []
    for row, (top, left) in zip(rows, FACTOR * corners, strict=True):
        index, turn = row // MIRRORED, -1 if row % MIRRORED else 1
        window = np.s_[top : top + FACTOR * side, left : left + FACTOR * side]
        images.append(examples.crops.images[index][:, ::turn][window])
        weights.append(examples.crops.ignore[index][:, ::turn][window] == 0)
    return to_input(np.stack(images)), torch.from_numpy(np.stack(weights))[:, None].float()


def _all_told(count: int) -> Bools:
    return np.ones((count, LEVELS), np.bool_)
