"""What the judges look at: windows of square crops, resized to the networks' input.

In: (H, W) uint8 crops. Out: (size, size) uint8 views. Training and judging share these functions.
"""

from dataclasses import dataclass

import numpy as np

from busgen.arrays import Pixels
from busgen.imaging.decode import Box
from busgen.imaging.resize import resize


@dataclass(frozen=True)
class Window:
    """A rectangle of an image in pixels, which may leave it: first row and column, sides."""

    row: float
    col: float
    height: float
    width: float


def window_around(box: Box, context: float) -> Window:
    """Return the square window centred on `box`, `context` times its longer side."""
    side = max(context * max(box.height, box.width), 8.0)
    row, col = box.row + box.height / 2, box.col + box.width / 2
    return Window(row - side / 2, col - side / 2, side, side)


def crop(pixels: Pixels, window: Window, size_px: int) -> Pixels:
    """Return `window` as (size_px, size_px), black where it leaves the image.

    Shrinking averages over pixel areas, enlarging is bilinear.
    """
    row, col = round(window.row), round(window.col)
    height, width = max(round(window.height), 1), max(round(window.width), 1)
    top, left = max(row, 0), max(col, 0)
    part = pixels[top : max(row + height, 0), left : max(col + width, 0)]
    if part.shape != (height, width):
        cut = np.zeros((height, width), np.uint8)
        cut[top - row : top - row + part.shape[0], left - col : left - col + part.shape[1]] = part
        part = cut
    return resize(part, size_px)
