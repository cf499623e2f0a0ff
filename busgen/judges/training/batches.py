"""Batches that a judge learns from: changed crops, their truth, weights.

In: crops, which of them, a generator. Out: float tensors. What changes a crop leaves its label
true: other windows, mirrors, gains, noise. No vertical flips: shadows fall downwards.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.arrays import Pixels
from busgen.imaging.decode import Box, bounding_box
from busgen.judges import judges
from busgen.judges.judges import ClassifierSpec, SegmenterSpec
from busgen.real.crops import Crops
from busgen.seeds import Rng

ASIDE = 0.1  # share of the segmenter's views that avoid the lesion, where there is room
WHITE = np.uint8(255)
Change = Callable[[Pixels, Rng], Pixels]  # of an image and masks (1 + M, S, S)
Batch = tuple[Tensor, Tensor, Tensor]  # inputs, targets, weights


def random_window(side: int, rng: Rng, strength: float = 1.0) -> judges.Window:
    """Return a window of a square image: .6 to 1.15 of its side, up to a tenth stretched.

    With a `strength` below 1 windows differ less from the image.
    """
    size = side * rng.uniform(1 - 0.4 * strength, 1 + 0.15 * strength)
    stretch = np.exp(rng.uniform(-0.1, 0.1) * strength)
    height, width = size * stretch, size / stretch
    row, col = (rng.uniform(min(0, side - x), max(0, side - x)) for x in (height, width))
    return judges.Window(row, col, height, width)


def window_outside(box: Box, side: int, rng: Rng) -> judges.Window | None:
    """Return a window of .35 of a square image or more that shows nothing of `box`, if any."""
    size = side * rng.uniform(0.35, 0.6)
    free = [
        (0, box.row, 0, side),
        (box.row + box.height, side, 0, side),
        (0, side, 0, box.col),
        (0, side, box.col + box.width, side),
    ]
    rooms = [room for room in free if min(room[1] - room[0], room[3] - room[2]) > size]
    if not rooms:
        return None
    top, bottom, left, right = rooms[rng.integers(len(rooms))]
    row, col = rng.uniform(top, bottom - size), rng.uniform(left, right - size)
    return judges.Window(row, col, size, size)


def jitter(window: judges.Window, rng: Rng) -> judges.Window:
    """Return a window near `window`: .8 to 1.25 of its size, shifted by up to a tenth."""
    size = np.exp(rng.uniform(-0.22, 0.22))
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    height, width = window.height * size * stretch, window.width * size / stretch
    row = window.row + (window.height - height) / 2 + rng.uniform(-0.1, 0.1) * height
    col = window.col + (window.width - width) / 2 + rng.uniform(-0.1, 0.1) * width
    return judges.Window(row, col, height, width)


class Draws(NamedTuple):
    """What changes the crops of an epoch, and how much; `change` instead of other light."""

    rng: Rng
    strength: float
    change: Change | None = None


def augment(
    image: Pixels,
    masks: tuple[Pixels, ...],
    window: judges.Window,
    size_px: int,
    draws: Draws | None,
) -> Pixels:
    """Return `window` of an image and of masks that move with it, (1 + M, S, S).

    With `draws` the image is in other light, or changed as they say, and all are mirrored in half
    of the cases.
    """
    seen = np.stack([window.crop(pixels, size_px) for pixels in (image, *masks)])
    if draws is None:
        return seen
    if draws.change is None:
        seen[0] = _brighten(seen[0], draws.rng, draws.strength)
    else:
        seen = draws.change(seen, draws.rng)
    return seen[..., ::-1] if draws.rng.random() < 0.5 else seen


def _brighten(pixels: Pixels, rng: Rng, strength: float = 1.0) -> Pixels:
    """Return pixels with other gain, gamma, gain over depth, sharpness and speckle.

    With a `strength` below 1 they differ less, and fewer of them.
    """
    grey = pixels.astype(np.float32) / np.float32(255)
    size = len(grey)
    if rng.random() < 0.3 * strength:
        grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.4, 1.2))
    depth = np.linspace(-1, 1, size, dtype=np.float32)[:, None]
    levels = rng.uniform(-0.3, 0.3) * strength, rng.uniform(-0.3, 0.3) * strength
    gain = np.exp(levels[0] + levels[1] * depth).astype(np.float32)
    gamma = np.exp(rng.uniform(-0.35, 0.35) * strength)
    grey = np.power(grey, np.float32(gamma)) * gain
    if rng.random() < 0.5 * strength:
        noise = rng.standard_normal((size, size), np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 1.5))
        grey *= 1 + np.float32(rng.uniform(0, 0.15)) * noise / noise.std()
    return np.asarray(np.clip(grey * 255, 0, 255), np.uint8)


def make_batch(
    spec: SegmenterSpec | ClassifierSpec,
    crops: Crops,
    indices: NDArray[np.int64],
    draws: Draws | None,
) -> Batch:
    """Return crops, changed where there are `draws`, as inputs, targets and weights of the loss."""
    if isinstance(spec, ClassifierSpec):
        seen = np.stack([_view_lesion(spec, crops, int(i), draws) for i in indices])
        labels = torch.from_numpy(crops.is_malignant[indices].astype(np.float32))
        return judges.to_input(seen, "cpu"), labels, torch.ones_like(labels)
    seen = np.stack([_view_image(spec, crops, int(i), draws) for i in indices])
    inputs, targets, ignore = (judges.to_input(seen[:, [plane]], "cpu") for plane in range(3))
    return inputs, targets, 1 - ignore


def _view_image(spec: SegmenterSpec, crops: Crops, index: int, draws: Draws | None) -> Pixels:
    """Return a view of a crop, its mask and what to ignore, (3, S, S); changed by `draws`.

    One in ten of those is without the lesion: finding nothing is learned too.
    """
    mask = crops.masks[index]
    window = judges.Window(0, 0, *mask.shape)
    if draws is not None:
        box, aside = bounding_box(mask), None
        if box is not None and draws.rng.random() <= ASIDE:
            aside = window_outside(box, len(mask), draws.rng)
        window = aside or random_window(len(mask), draws.rng, draws.strength)
    masks = (mask * WHITE, crops.ignore[index] * WHITE)
    return augment(crops.images[index], masks, window, spec.size_px, draws)


def _view_lesion(spec: ClassifierSpec, crops: Crops, index: int, draws: Draws | None) -> Pixels:
    """Return a view of one lesion, image and mask (2, S, S); changed by `draws`."""
    mask = crops.masks[index]
    box = bounding_box(mask)
    if box is None:
        raise ValueError(f"crop {index} has no lesion to classify")
    window = judges.window_around(box, spec.context)
    window = jitter(window, draws.rng) if draws else window
    return augment(crops.images[index], (mask * WHITE,), window, spec.size_px, draws)
