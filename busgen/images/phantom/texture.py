"""Random fields and coherent reflectors: the material that anatomy is made of.

In: a sample's generator, grid or sizes in rows and columns, how far the tissue has been moved. Out:
smooth fields, curves, maps of points; points (interfaces, fibres) or a map (walls of fat lobules,
fascia). What is flat against the wavelength shines where it faces the beam; amplitude 1 is an
envelope of about 1 where a reflector is horizontal.
"""

from typing import NamedTuple

import cv2
import numpy as np

from busgen.arrays import Floats32
from busgen.images.phantom.beams import Floats, Grid
from busgen.seeds import Rng

FINEST = 1.5  # standard deviation, in samples, at which smooth fields are made before enlarging


FIBRE_STEP = 0.7  # columns between two points of a fibre
LEAST_AMPLITUDE = 0.05  # below which fibres are not worth adding up
FACING_SLOPE = 0.35  # slope at which a specular echo has fallen to exp(-1/2)


class Points(NamedTuple):
    """Reflectors at fractional rows and columns with signed amplitudes, all (n,)."""

    row: Floats
    column: Floats
    value: Floats


def gaussian_kernel(sigma_px: float) -> Floats:
    """Return a 1-D Gaussian of unit energy (sum of squares 1) and odd length."""
    half = int(np.ceil(3 * sigma_px))
    t = np.arange(-half, half + 1, dtype=np.float32)
    kernel = np.exp(-0.5 * (t / max(sigma_px, 1e-3)) ** 2)
    return np.asarray(kernel / np.sqrt((kernel**2).sum()), np.float32)


def smooth_noise(rng: Rng, grid: Grid, axial_mm: float, lateral_mm: float) -> Floats:
    """Return a smooth Gaussian field over `grid`, mean 0, standard deviation about 1.

    `axial_mm` and `lateral_mm` are the standard deviations of the kernel that white noise is
    blurred with. It is made on a grid as coarse as they allow and enlarged.
    """
    return _noise(rng, grid.shape, (axial_mm / grid.pixel_mm, lateral_mm / grid.beam_mm))


def smooth_noise_1d(rng: Rng, n: int, length: float) -> Floats:
    """Return `n` values of a smooth random curve, mean 0, standard deviation about 1."""
    return np.asarray(_noise(rng, (1, n), (0.0, length))[0], np.float32)


def _noise(rng: Rng, shape: tuple[int, int], sigma: tuple[float, float]) -> Floats:
    """Return noise blurred by `sigma` (rows, columns), made coarse and enlarged."""
    step = [max(width / FINEST, 1.0) for width in sigma]
    coarse = [int(np.ceil(n / s)) + 3 for n, s in zip(shape, step, strict=True)]
    white = rng.standard_normal(coarse, np.float32)
    kernels = [gaussian_kernel(width / s) for width, s in zip(sigma, step, strict=True)]
    field = cv2.sepFilter2D(white, -1, kernels[1], kernels[0], borderType=cv2.BORDER_REFLECT)
    row, column = rng.random(2)
    place = np.array([[1 / step[1], 0, column], [0, 1 / step[0], row]], np.float32)
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    whole = cv2.warpAffine(field, place, shape[::-1], flags=flags, borderMode=border)
    return np.asarray(whole, np.float32)


def warp(field: Floats, grid: Grid, rise_mm: Floats) -> Floats:
    """Return `field`, drawn in the undisturbed breast, where tissue lies `rise_mm` higher."""
    rows = np.arange(grid.shape[0], dtype=np.float32)[:, None] + rise_mm / np.float32(grid.pixel_mm)
    columns = np.tile(np.arange(grid.shape[1], dtype=np.float32), (grid.shape[0], 1))
    moved = cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def slopes(field: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return the slopes of a field per mm, along the beams and across them."""
    down = cv2.Sobel(field, -1, 0, 1, scale=0.125 / grid.pixel_mm)
    return down, cv2.Sobel(field, -1, 1, 0, scale=0.125 / grid.beam_mm)


def sample(field: Floats, points: Points) -> Floats:
    """Return the values of `field` at `points` (nearest, the edge's beyond it)."""
    row = np.clip(points.row, 0, field.shape[0] - 1).astype(np.intp)
    column = np.clip(points.column, 0, field.shape[1] - 1).astype(np.intp)
    return field[row, column]


def splat(shape: tuple[int, int], points: Points) -> Floats:
    """Return a map of `points`, each shared by its four neighbours; those outside are left out."""
    inside = (points.row >= 0) & (points.row < shape[0] - 1)
    inside &= (points.column >= 0) & (points.column < shape[1] - 1)
    row, column, value = (x[inside] for x in points)
    r, c = row.astype(np.intp), column.astype(np.intp)
    fr, fc = row - r, column - c
    corner = r * shape[1] + c
    at = np.concatenate([corner, corner + 1, corner + shape[1], corner + shape[1] + 1])
    low, high = (1 - fr) * value, fr * value
    shares = np.concatenate([low * (1 - fc), low * fc, high * (1 - fc), high * fc])
    total = np.bincount(at, shares, shape[0] * shape[1]) if len(at) else np.zeros(shape)
    return np.asarray(total.reshape(shape), np.float32)


def join(*parts: Points) -> Points:
    """Return all points of `parts`."""
    return Points(*(np.concatenate(x).astype(np.float32) for x in zip(*parts, strict=True)))


def sigmoid(x: Floats) -> Floats:
    """Return the logistic function."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -20, 20))), np.float32)


def random_sign(rng: Rng, n: int) -> Floats32:
    """Return `n` signs: the echo of a thin layer starts with compression or rarefaction."""
    return np.where(rng.random(n) < 0.5, -1, 1).astype(np.float32)


def draw_interface(
    rng: Rng, grid: Grid, depth_mm: Floats, rise_mm: Floats, strength: float
) -> Points:
    """Return one boundary (depth per column): one to three thin sheets, patchy along their way."""
    columns = np.arange(0, grid.shape[1] - 1, 0.5, dtype=np.float32)
    sheets = []
    for sheet in range(int(rng.integers(1, 4))):
        n, step = len(columns), 0.5 * grid.beam_mm
        depth = np.interp(columns, np.arange(grid.shape[1]), depth_mm)
        depth += sheet * rng.uniform(0.25, 0.6) + 0.06 * smooth_noise_1d(rng, n, 1.2 / step)
        row = _rows(grid, rise_mm, depth.astype(np.float32), columns)
        patches = np.exp(0.8 * smooth_noise_1d(rng, n, 2.5 / step) - 0.4)
        value = 0.5 * strength * 0.7**sheet * _facing(row, grid, step) * patches
        sheets.append(Points(row, columns, value * random_sign(rng, 1)))
    return join(*sheets)


def _facing(row: Floats, grid: Grid, step_mm: float | Floats) -> Floats:
    """Return the echo's share, in [0, 1], that comes back from a line of points `step_mm` apart."""
    slope = np.diff(row, prepend=row[:1]) * (grid.pixel_mm / step_mm)
    return np.asarray(np.exp(-0.5 * (slope / FACING_SLOPE) ** 2), np.float32)


def _rows(grid: Grid, rise_mm: Floats, depth_mm: Floats, columns: Floats) -> Floats:
    """Return the rows where tissue of undisturbed `depth_mm` has come to lie (fixed point)."""
    at = np.clip(columns, 0, grid.shape[1] - 1).astype(np.intp)
    row = depth_mm / grid.pixel_mm
    for _ in range(3):
        here = np.clip(row, 0, grid.shape[0] - 1).astype(np.intp)
        row = (depth_mm - rise_mm[here, at]) / grid.pixel_mm
    return np.asarray(row, np.float32)


def draw_fibres(
    rng: Rng, grid: Grid, rise_mm: Floats, amplitude: Floats, length_mm: float, slope: float
) -> Points:
    """Return tapering fibres that follow the tissue, one to 2 mm2, where `amplitude` has them.

    `amplitude` (rows, columns) is their mean strength, which spreads widely between fibres;
    `length_mm` and `slope` are their mean length and inclination.
    """
    depth, width = float(grid.depth_mm[-1]), float(grid.lateral_mm[-1])
    count = int(depth * width / 2)
    x, z = rng.uniform(0, width, count), rng.uniform(0, depth, count)
    half = 0.5 * length_mm * rng.gamma(2.0, 0.5, count)
    tilt, bend = slope + rng.normal(0, 0.15, count), 0.15 * half * rng.normal(0, 1, count)
    strength = rng.lognormal(-0.2, 0.65, count) * random_sign(rng, count)
    there = sample(amplitude, Points(z / grid.pixel_mm, x / grid.beam_mm, x)) > LEAST_AMPLITUDE
    x, z, half, tilt, bend, strength = (v[there] for v in (x, z, half, tilt, bend, strength))
    steps = np.ceil(2 * half / (FIBRE_STEP * grid.beam_mm)).astype(np.intp) + 1
    of = np.repeat(np.arange(len(steps)), steps)  # the fibre that each point belongs to
    place = np.arange(len(of)) - np.repeat(np.cumsum(steps) - steps, steps)
    t = (2 * (place + 0.5) / steps[of] - 1).astype(np.float32)
    along = half[of] * t
    column = (x[of] + along) / grid.beam_mm
    row = _rows(grid, rise_mm, z[of] + tilt[of] * along + bend[of] * t**2, column)
    step_mm = (2 * half / steps)[of]
    facing = _facing(row, grid, step_mm)
    points = Points(row, column, strength[of] * (1 - t**2) * facing * step_mm / grid.beam_mm)
    return points._replace(value=points.value * sample(amplitude, points))


def draw_lobules(rng: Rng, grid: Grid, rise_mm: Floats) -> tuple[Floats, Floats, Floats]:
    """Return fat lobules: walls as reflectors, as shadowing sides (0 to 1), and level (sd 1).

    Lobules are cells of a Voronoi diagram, wider than tall; their walls are Cooper's ligaments,
    bright where they face the beam, shadowing where they stand along it.
    """
    shape = (grid.shape[0] // 3, grid.shape[1] // 3)  # walls are as wide as three pixels
    z = np.linspace(0, grid.depth_mm[-1], shape[0], dtype=np.float32)[:, None]
    x = np.linspace(0, grid.lateral_mm[-1], shape[1], dtype=np.float32)[None, :]
    aspect, tall = rng.uniform(1.6, 3.2), rng.uniform(3.0, 7.0)
    count = max(4, int(z[-1, 0] * x[0, -1] / (tall * tall * aspect)))
    first, second = np.full((2, *shape), 1e6, np.float32)
    level = np.zeros(shape, np.float32)
    for cx, cz, size, grey in rng.uniform(size=(count, 4)).astype(np.float32):
        d = np.hypot((x - cx * x[0, -1]) / np.float32(aspect), z - cz * z[-1, 0])
        d -= np.float32(0.3 * tall) * size
        level[d < first] = 3.46 * (grey - 0.5)
        np.minimum(second, np.maximum(first, d), out=second)
        np.minimum(first, d, out=first)
    gap, level = (
        warp(cv2.resize(f, grid.shape[::-1], interpolation=cv2.INTER_LINEAR), grid, rise_mm)
        for f in (second - first, level)
    )
    across, along = slopes(gap, grid)
    steep = np.hypot(across, along) + np.float32(0.2)
    facing = (across / steep) ** 2
    wall = np.exp(-((gap / steep / 0.2) ** 2))
    patches = np.exp(1.0 * smooth_noise(rng, grid, 1.5, 2.5) - 0.3)
    return wall * facing * np.sqrt(facing) * patches, wall * (1 - facing), level


def draw_boundary(rng: Rng, grid: Grid, share: Floats) -> Floats:
    """Return the echoes (rows, columns) of the fascia around a tissue of this `share` (0 to 1)."""
    across, along = slopes(share, grid)
    steep = np.hypot(across, along) + np.float32(0.1)
    facing = (across / steep) ** 2
    patches = np.exp(0.9 * smooth_noise(rng, grid, 1.5, 2.5) - 0.4)
    sheet = np.exp(-(((share - 0.5) / steep / np.float32(0.2)) ** 2))
    echo = rng.uniform(0.4, 2.0) * sheet * facing * facing * facing * patches
    return np.asarray(echo, np.float32)
