"""Beam space: rows are depth along a beam, columns are beams; and the way to the screen and back.

Everything is simulated in beam space, where attenuation adds up down a column. For a linear array
it is the picture with twice the rows (speckle is finer along the beam than a pixel); for a curved
one it is the sector unrolled. In: size and pixel side of the picture. Out: a `Grid` and pictures.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
OVERSAMPLING = 2  # rows of beam space in one pixel's height


@dataclass(frozen=True)
class Grid:
    """Beam space of one picture of `size_px` pixels of `pixel_mm`.

    `depth_mm` (rows,) is measured from the transducer, `lateral_mm` (columns,) from the left;
    `radius_mm` is the curved array's, None for a linear one, `half_angle` half its opening (rad).
    """

    size_px: int
    pixel_mm: float
    depth_mm: Floats
    lateral_mm: Floats
    radius_mm: float | None = None
    half_angle: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.depth_mm), len(self.lateral_mm)

    @property
    def axial_mm(self) -> float:
        """Distance of two rows."""
        return self.pixel_mm / OVERSAMPLING

    @property
    def beam_mm(self) -> float:
        """Distance of two columns (at one third of the depth where the array is curved)."""
        return float(self.lateral_mm[1] - self.lateral_mm[0])


def linear_grid(size_px: int, pixel_mm: float) -> Grid:
    """Return the beam space of a linear array."""
    rows = (np.arange(size_px * OVERSAMPLING, dtype=np.float32) + 0.5) * (pixel_mm / OVERSAMPLING)
    return Grid(size_px, pixel_mm, rows, (np.arange(size_px, dtype=np.float32) + 0.5) * pixel_mm)


def sector_grid(mask: NDArray[np.uint8], pixel_mm: float, radius_mm: float) -> Grid:
    """Return the beam space of a curved array whose field holds the whole of `mask` (H, W).

    The sector reaches the picture's sides at some 60 % of its height; the radius grows until no
    pixel of the mask lies in a black corner.
    """
    size = len(mask)
    for radius in radius_mm * 1.6 ** np.arange(12):
        grid = _sector(size, pixel_mm, float(radius))
        if not mask[~visible(grid)].any():
            break
    return grid


def _sector(size_px: int, pixel_mm: float, radius_mm: float) -> Grid:
    depth = size_px * pixel_mm
    half = float(np.arctan2(0.5 * depth, radius_mm + 0.35 * depth))
    arc = (np.arange(size_px, dtype=np.float32) + 0.5) * (2 * half / size_px)
    rows = (np.arange(size_px * OVERSAMPLING, dtype=np.float32) + 0.5) * (pixel_mm / OVERSAMPLING)
    return Grid(size_px, pixel_mm, rows, arc * (radius_mm + depth / 3), radius_mm, half)


def _polar(grid: Grid) -> tuple[Floats, Floats]:
    """Return depth (mm) and angle (rad) of every pixel of a sector's picture."""
    assert grid.radius_mm is not None
    axis = ((np.arange(grid.size_px) + 0.5) * grid.pixel_mm).astype(np.float32)
    x, y = axis[None, :] - grid.size_px * grid.pixel_mm / 2, axis[:, None] + grid.radius_mm
    return np.hypot(x, y) - np.float32(grid.radius_mm), np.arctan2(x, y)


def visible(grid: Grid) -> NDArray[np.bool_]:
    """Return which pixels of the picture (H, W) the array sees."""
    if grid.radius_mm is None:
        return np.ones((grid.size_px, grid.size_px), bool)
    depth, angle = _polar(grid)
    inside: NDArray[np.bool_] = (
        (depth > 0) & (depth < grid.size_px * grid.pixel_mm) & (np.abs(angle) < grid.half_angle)
    )
    return inside


def to_beams(grid: Grid, picture: Floats) -> Floats:
    """Return a smooth (H, W) `picture` in beam space."""
    if grid.radius_mm is None:
        size = (grid.shape[1], grid.shape[0])
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.float32)
    columns = np.arange(grid.size_px, dtype=np.float32) + 0.5
    angle = columns * np.float32(2 * grid.half_angle / grid.size_px) - np.float32(grid.half_angle)
    r = grid.depth_mm[:, None] + np.float32(grid.radius_mm)
    x = r * np.sin(angle) / np.float32(grid.pixel_mm) + np.float32(grid.size_px / 2 - 0.5)
    y = (r * np.cos(angle) - np.float32(grid.radius_mm)) / np.float32(grid.pixel_mm)
    border = cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.remap(picture, x, y - np.float32(0.5), cv2.INTER_LINEAR, borderMode=border), np.float32
    )


def to_screen(grid: Grid, beams: Floats) -> Floats:
    """Return beam-space values as the picture (H, W); corners that no beam reaches are 0."""
    pixels = beams.reshape(grid.size_px, OVERSAMPLING, -1).mean(1)
    if grid.radius_mm is None:
        return pixels
    depth, angle = _polar(grid)
    row = depth / np.float32(grid.pixel_mm) - np.float32(0.5)
    column = (angle + grid.half_angle) * (grid.size_px / (2 * grid.half_angle)) - 0.5
    screen = cv2.remap(
        pixels,
        column.astype(np.float32),
        row,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(np.where(visible(grid), screen, 0), np.float32)
