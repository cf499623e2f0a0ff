"""Random fields and point reflectors: the material that anatomy is made of.

In: a sample's generator, sizes in rows and columns. Out: smooth fields, curves, maps of points.
"""

from typing import NamedTuple

import cv2
import numpy as np

from busgen.arrays import Floats32
from busgen.images.phantom.beams import Floats, Grid
from busgen.seeds import Rng

FINEST = 1.5  # standard deviation, in samples, at which smooth fields are made before enlarging


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
