"""Beam space: rows are depth along a beam, columns are beams; and the way to the screen and back.

Everything is simulated in beam space, where attenuation adds up down a column. For a linear array
it is the image itself, for a curved one the sector unrolled. In: size and pixel side of the
image. Out: a `Grid`, images in beam space and on the screen.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Bools, Pixels

Floats = NDArray[np.floating[Any]]  # float32 wherever maps are big
GROWTH = 1.6  # of a curved array's radius until its field holds the lesion


@dataclass(frozen=True)
class Grid:
    """Beam space of a square image.

    `pixel_mm` is the side of a pixel and distance of two rows; `depth_mm` (rows,) from the
    transducer; `lateral_mm` (columns,) the place of each, at a third of the depth where the array
    is curved; `radius_mm` that of a curved array, 0 for a linear one, `half_angle` (rad) half its
    opening.
    """

    pixel_mm: float
    depth_mm: Floats
    lateral_mm: Floats
    radius_mm: float = 0.0
    half_angle: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.depth_mm), len(self.lateral_mm)

    @property
    def beam_mm(self) -> float:
        """Distance of two columns."""
        return float(self.lateral_mm[1] - self.lateral_mm[0])


def linear_grid(size_px: int, pixel_mm: float) -> Grid:
    """Return the beam space of a linear array: the image's own pixels."""
    axis = ((np.arange(size_px) + 0.5) * pixel_mm).astype(np.float32)
    return Grid(pixel_mm, axis, axis)


def sector_grid(mask: Pixels, pixel_mm: float, radius_mm: float) -> Grid:
    """Return the beam space of a curved array whose field holds the whole of `mask` (H, W).

    The radius grows, and the field with it, until no pixel of the mask lies in a black corner.
    """
    for radius in radius_mm * GROWTH ** np.arange(16):
        grid = _sector(len(mask), pixel_mm, float(radius))
        if not mask[~visible_area(grid)].any():
            break
    return grid


def _sector(size_px: int, pixel_mm: float, radius_mm: float) -> Grid:
    """Return the sector that reaches the image's sides at 35 % of its depth."""
    rows = ((np.arange(size_px) + 0.5) * pixel_mm).astype(np.float32)
    side = size_px * pixel_mm
    half = float(np.arctan2(0.5 * side, radius_mm + 0.35 * side))
    angle = (np.arange(size_px) + 0.5) * (2 * half / size_px)
    lateral = (angle * (radius_mm + side / 3)).astype(np.float32)
    return Grid(pixel_mm, rows, lateral, radius_mm, half)


def _polar(grid: Grid) -> tuple[Floats, Floats]:
    """Return depth (mm) and angle (rad) of every pixel of a sector's image."""
    x = (grid.depth_mm - len(grid.depth_mm) * grid.pixel_mm / 2)[None, :]
    y = (grid.depth_mm + grid.radius_mm)[:, None]
    depth = np.hypot(x, y) - grid.radius_mm
    return depth.astype(np.float32), np.arctan2(x, y).astype(np.float32)


def visible_area(grid: Grid) -> Bools:
    """Return which pixels of the image (H, W) the array sees."""
    if not grid.radius_mm:
        return np.ones(grid.shape, np.bool_)
    depth, angle = _polar(grid)
    inside = (depth > 0) & (depth < grid.depth_mm[-1]) & (np.abs(angle) < grid.half_angle)
    return np.asarray(inside, np.bool_)


def to_beams(grid: Grid, image: Floats) -> Floats:
    """Return a smooth `image` (H, W) in beam space."""
    if not grid.radius_mm:
        return image
    n = len(grid.depth_mm)
    angle = (np.arange(n) + 0.5) * (2 * grid.half_angle / n) - grid.half_angle
    r = grid.depth_mm[:, None] + grid.radius_mm
    x = r * np.sin(angle) / grid.pixel_mm + (n / 2 - 0.5)
    y = (r * np.cos(angle) - grid.radius_mm) / grid.pixel_mm - 0.5
    return _remap(image, x, y)


def to_screen(grid: Grid, beams: Floats) -> Floats:
    """Return beam-space values as the image (H, W); corners that no beam reaches are 0."""
    if not grid.radius_mm:
        return beams
    depth, angle = _polar(grid)
    column = (angle + grid.half_angle) * (grid.shape[1] / (2 * grid.half_angle)) - 0.5
    return _remap(beams, column, depth / grid.pixel_mm - 0.5) * visible_area(grid)


def _remap(field: Floats, x: Floats, y: Floats) -> Floats:
    at = (x.astype(np.float32), y.astype(np.float32))
    return np.asarray(
        cv2.remap(field, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
