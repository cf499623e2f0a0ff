"""Holes in an image filled with what surrounds them, speckle included.

In: a grey image and which of its pixels to replace. Out: the image without them. Each hole
gets pixels from the place nearby that fits its rim best, and on top what the rim differs, carried
inwards: no seam shows, and no smooth blob either, which a network would learn.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Bools, Floats32, Pixels

GREY_PX, RIM_PX = (3.0, 12.0), (0.8, 1.6, 4.0, 12.0)  # widths of smoothing, finest first
TRUST = 0.15  # share of neighbours shown, from which on a narrower width is believed
TURNS = 16  # directions in which a hole's filling is looked for
AWAY_PX = (7, 10, 14, 20, 28, 40)
FARTHEST_PX = max(AWAY_PX)
RING = np.ones((5, 5), np.uint8)  # px around a hole where its filling is compared


def fill(image: Pixels, hole: Bools) -> Pixels:
    """Return the image (H, W) uint8 with the pixels of a hole (H, W) bool replaced.

    The other pixels stay as they are. An image that is all hole is returned unchanged.
    """
    if not hole.any() or hole.all():
        return image.copy()
    rim = (cv2.dilate(hole.astype(np.uint8), RING) > 0) & ~hole
    shown = image.astype(np.float32)
    moved = _move(shown, hole, rim)
    moved += _fill(shown - moved, rim, RIM_PX)
    result = image.copy()
    result[hole] = np.rint(moved[hole]).clip(0, 255).astype(np.uint8)
    return result


def _fill(values: Floats32, known: Bools, widths: tuple[float, ...]) -> Floats32:
    """Return values (H, W) known at some pixels, carried smoothly to the others."""
    weight = known.astype(np.float32)
    result = np.full(values.shape, values[known].mean(), np.float32)
    for width in reversed(widths):
        share = cv2.GaussianBlur(weight, (0, 0), width)
        mean = cv2.GaussianBlur(values * weight, (0, 0), width) / np.maximum(share, 1e-6)
        result += (mean - result) * np.minimum(share / np.float32(TRUST), 1)
    return result


def _move(shown: Floats32, hole: Bools, rim: Bools) -> Floats32:
    """Return the image with each hole and its rim (connected: one shift) filled from nearby.

    What would come from a hole is smooth grey instead; beyond its edges the image is mirrored.
    """
    smooth = _fill(shown, ~hole, GREY_PX)
    count, labels = cv2.connectedComponents((hole | rim).astype(np.uint8), connectivity=8)
    asked = np.nonzero(labels)
    hole_of, at_rim = labels[asked], rim[asked]
    here, grey = shown[asked], smooth[asked]
    wide_shown, wide_smooth, wide_hole = (_pad(x) for x in (shown, smooth, hole))
    width = shown.shape[1] + 2 * FARTHEST_PX
    places = (asked[0] + FARTHEST_PX) * width + asked[1] + FARTHEST_PX
    edge, edge_here = np.flatnonzero(at_rim), here[at_rim]
    best, nearest = np.full(count, np.inf), np.zeros(count, np.intp)
    for row, col in _shifts():
        source = places + (row * width + col)
        misfit = np.abs(wide_smooth[source] - grey)
        misfit[edge] += np.abs(wide_shown[source[edge]] - edge_here)
        misfit[wide_hole[source]] = 255
        cost = np.bincount(hole_of, misfit, minlength=count)
        better = cost < best
        best[better], nearest[better] = cost[better], row * width + col
    source = places + nearest[hole_of]
    result = shown.copy()
    result[asked] = np.where(wide_hole[source], grey, wide_shown[source])
    return result


def _shifts() -> list[tuple[int, int]]:
    """Return the shifts (rows, cols) that are tried, near ones first."""
    turns = 2 * np.pi * np.arange(TURNS) / TURNS
    return [(round(r * np.sin(t)), round(r * np.cos(t))) for r in AWAY_PX for t in turns]


def _pad(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return an image with `FARTHEST_PX` of its mirror image on all sides, one row after another.

    An image smaller than that repeats its last pixels instead.
    """
    if min(pixels.shape) > FARTHEST_PX:
        return np.pad(pixels, FARTHEST_PX, mode="reflect").ravel()
    return np.pad(pixels, FARTHEST_PX, mode="edge").ravel()
