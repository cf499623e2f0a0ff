"""Batches that a judge learns from: crops changed as `augment` changes them, their truth, weights.

In: crops, which of them, a generator. Out: float tensors.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.imaging.decode import bounding_box
from busgen.judges.judges import ClassifierSpec, SegmenterSpec, to_input
from busgen.judges.training import augment
from busgen.judges.views import Window, window_around
from busgen.real.crops import Crops

ASIDE = 0.1  # share of the segmenter's views that avoid the lesion, where there is room
Batch = tuple[Tensor, Tensor, Tensor]  # inputs, targets, weights


@dataclass(frozen=True)
class Draws:
    """What changes the crops of an epoch, and how much."""

    rng: augment.Rng
    strength: float

    def augment(
        self,
        image: NDArray[np.uint8],
        masks: tuple[NDArray[np.uint8], ...],
        window: Window,
        size_px: int,
    ) -> augment.Views:
        """Return `window` of a crop, changed."""
        return augment.augment(image, masks, window, size_px, self.rng, self.strength)


def make_batch(
    spec: SegmenterSpec | ClassifierSpec, crops: Crops, indices: NDArray[np.int64], draws: Draws
) -> Batch:
    """Return changed crops as inputs, targets and weights of the loss."""
    if isinstance(spec, ClassifierSpec):
        seen = [_lesion(spec, crops, int(i), draws) for i in indices]
        targets = torch.from_numpy(crops.is_malignant[indices].astype(np.float32))
        return to_input(np.stack(seen), "cpu"), targets, torch.ones_like(targets)
    views = []
    for i in indices:
        window = _part(crops.masks[i], draws)
        masks = (crops.masks[i] * np.uint8(255), crops.ignore[i] * np.uint8(255))
        views.append(draws.augment(crops.images[i], masks, window, spec.size_px))
    inputs = to_input(np.stack([v.image for v in views])[:, None], "cpu")
    targets = to_input(np.stack([v.masks[0] for v in views])[:, None], "cpu")
    ignore = to_input(np.stack([v.masks[1] for v in views])[:, None], "cpu")
    return inputs, targets, 1 - ignore


def _part(mask: NDArray[np.uint8], draws: Draws) -> Window:
    """Return a window of a crop, one in ten without the lesion: finding nothing is learned too."""
    box = bounding_box(mask)
    rng = draws.rng
    aside = (
        None if box is None or rng.random() > ASIDE else augment.window_outside(box, len(mask), rng)
    )
    return aside or augment.random_window(len(mask), rng, draws.strength)


def _lesion(spec: ClassifierSpec, crops: Crops, index: int, draws: Draws) -> NDArray[np.uint8]:
    """Return a changed view of one lesion, image and mask (2, S, S)."""
    box = bounding_box(crops.masks[index])
    if box is None:
        raise ValueError(f"crop {index} has no lesion to classify")
    window = augment.jitter(window_around(box, spec.context), draws.rng)
    masks = (crops.masks[index] * np.uint8(255),)
    seen = draws.augment(crops.images[index], masks, window, spec.size_px)
    return np.stack([seen.image, *seen.masks])
