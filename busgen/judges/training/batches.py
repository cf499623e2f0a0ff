"""Batches that a judge learns from: crops changed as `augment` changes them, their truth, weights.

In: crops, which of them, a generator. Out: float tensors.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.arrays import Pixels
from busgen.imaging.decode import bounding_box
from busgen.judges.judges import ClassifierSpec, SegmenterSpec, to_input
from busgen.judges.training import augment
from busgen.judges.views import window_around
from busgen.real.crops import Crops
from busgen.seeds import Rng

ASIDE = 0.1  # share of the segmenter's views that avoid the lesion, where there is room
WHITE = np.uint8(255)
Batch = tuple[Tensor, Tensor, Tensor]  # inputs, targets, weights


@dataclass(frozen=True)
class Draws:
    """What changes the crops of an epoch, and how much."""

    rng: Rng
    strength: float


def make_batch(
    spec: SegmenterSpec | ClassifierSpec, crops: Crops, indices: NDArray[np.int64], draws: Draws
) -> Batch:
    """Return changed crops as inputs, targets and weights of the loss."""
    if isinstance(spec, ClassifierSpec):
        seen = np.stack([_view_lesion(spec, crops, int(i), draws) for i in indices])
        labels = torch.from_numpy(crops.is_malignant[indices].astype(np.float32))
        return to_input(seen, "cpu"), labels, torch.ones_like(labels)
    seen = np.stack([_view_image(spec, crops, int(i), draws) for i in indices])
    inputs, targets, ignore = (to_input(seen[:, [plane]], "cpu") for plane in range(3))
    return inputs, targets, 1 - ignore


def _view_image(spec: SegmenterSpec, crops: Crops, index: int, draws: Draws) -> Pixels:
    """Return a changed view of a crop, its mask and what to ignore, (3, S, S).

    One in ten is without the lesion: finding nothing is learned too.
    """
    mask, rng = crops.masks[index], draws.rng
    box, aside = bounding_box(mask), None
    if box is not None and rng.random() <= ASIDE:
        aside = augment.window_outside(box, len(mask), rng)
    window = aside or augment.random_window(len(mask), rng, draws.strength)
    masks = (mask * WHITE, crops.ignore[index] * WHITE)
    return augment.augment(crops.images[index], masks, window, spec.size_px, rng, draws.strength)


def _view_lesion(spec: ClassifierSpec, crops: Crops, index: int, draws: Draws) -> Pixels:
    """Return a changed view of one lesion, image and mask (2, S, S)."""
    mask, rng = crops.masks[index], draws.rng
    box = bounding_box(mask)
    if box is None:
        raise ValueError(f"crop {index} has no lesion to classify")
    window = augment.jitter(window_around(box, spec.context), rng)
    return augment.augment(
        crops.images[index], (mask * WHITE,), window, spec.size_px, rng, draws.strength
    )
