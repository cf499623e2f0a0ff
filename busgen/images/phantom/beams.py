"""The machine: scanner styles; beam space, whose rows are depth along a beam and columns beams.

Everything is simulated in beam space, where attenuation adds up down a column. For a linear array
it is the image itself, for a curved one the sector unrolled. In: size and pixel side of the
image. Out: a `Grid`, images in beam space and on the screen. A style is what a machine and the hand
on its knobs do to the same anatomy. In: its name and a sample's generator. Out: `Settings`, all
that the acoustics need to know.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Bools, Pixels
from busgen.errors import UserError
from busgen.io import read_toml
from busgen.seeds import Rng

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


@dataclass(frozen=True)
class _Style:
    """Nominal machine; pairs are the ranges that a sample's setting is drawn from.

    `loss_mhz` frequency that attenuation acts on: tissue strips a broadband pulse of its upper
    half; `axial_mm`, `lateral_mm` sd of the point-spread function, lateral at the focus; `looks`
    decorrelated ones that spatial or frequency compounding averages, steered by up to `steer_deg`;
    `range_db` that 255 grey levels would span at the slope near fat, `fat_grey` its grey level;
    `black_grey` of silence, cut off where negative, as a machine's reject does; `floor_db`
    electronic noise against fat, at the skin, before gain; `smooth_px` width of the display filter,
    `sharpen` strength of edge enhancement; `radius_mm` of a curved array.
    """

    loss_mhz: float
    axial_mm: float
    lateral_mm: float
    looks: int
    steer_deg: float
    range_db: tuple[float, float]
    fat_grey: tuple[float, float]
    black_grey: tuple[float, float]
    floor_db: tuple[float, float]
    smooth_px: tuple[float, float]
    sharpen: tuple[float, float]
    radius_mm: tuple[float, float] | None = None


STYLES = {
    name: _Style(**style) for name, style in read_toml(Path(__file__).with_suffix(".toml")).items()
}
DRAWN = ("range_db", "fat_grey", "black_grey", "floor_db", "smooth_px", "sharpen")  # in this order


@dataclass(frozen=True)
class Settings:
    """One sample's machine settings, drawn from its `style`."""

    style: _Style
    range_db: float
    fat_grey: float
    black_grey: float
    floor_db: float
    smooth_px: float
    sharpen: float
    focus: float
    near_db: float
    tilt_db: float
    bow_db: float
    gamma: float
    radius_mm: float


def draw_settings(name: str, rng: Rng) -> Settings:
    """Return one sample's settings for the style `name`; raise `UserError` if it is unknown."""
    if name not in STYLES:
        raise UserError("scanner must be a known style", repr(name), ", ".join(STYLES))
    style = STYLES[name]
    return Settings(
        style,
        **{name: rng.uniform(*getattr(style, name)) for name in DRAWN},
        focus=rng.uniform(0.25, 0.65),
        near_db=rng.normal(-1.0, 6.0),
        tilt_db=rng.normal(-5.0, 4.5),
        bow_db=rng.normal(0.0, 1.5),
        gamma=rng.uniform(2.6, 4.2),
        radius_mm=0.0 if style.radius_mm is None else rng.uniform(*style.radius_mm),
    )
