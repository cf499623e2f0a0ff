"""Real images spoilt as poor generators spoil them: what `us64` learns to tell apart.

In: (H, W) uint8 images, a generator. Out: (H, W) uint8. Anatomy stays, texture does not.
"""

from collections.abc import Callable

import cv2
import numpy as np

from busgen.arrays import Pixels
from busgen.gates.calibration.faults import to_levels
from busgen.seeds import Rng


def blur(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels blurred by .6 to 2 px."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.6, 2.0)), np.uint8)


def _sharpen(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with edges raised by .4 to 1.5 of what a blur of 1.2 px takes away."""
    grey = pixels.astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.2)
    return to_levels(grey + np.float32(rng.uniform(0.4, 1.5)) * fine)


def add_noise(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with white noise of 3 to 16 grey levels, which no scanner's speckle is."""
    noise = rng.standard_normal(pixels.shape, np.float32)
    return to_levels(pixels.astype(np.float32) + np.float32(rng.uniform(3, 16)) * noise)


def resample(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels shrunk to .35 to .75 of their side and enlarged again."""
    size = pixels.shape[::-1]
    share = rng.uniform(0.35, 0.75)
    small = (round(size[0] * share), round(size[1] * share))
    less = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(2)]
    return np.asarray(cv2.resize(less, size, interpolation=method), np.uint8)


def compress(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels after a JPEG of quality 8 to 45."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(8, 46))]
    data = cv2.imencode(".jpg", pixels, quality)[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _smooth(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with speckle smoothed away and edges kept, as regression to a mean does."""
    levels = rng.uniform(15, 60)
    return np.asarray(cv2.bilateralFilter(pixels, 7, levels, rng.uniform(1.0, 3.0)), np.uint8)


def respeckle(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels whose texture is noise of the same strength and of another grain."""
    grey = pixels.astype(np.float32)
    coarse = cv2.GaussianBlur(grey, (0, 0), rng.uniform(2.0, 4.0))
    strength = np.sqrt(cv2.GaussianBlur((grey - coarse) ** 2, (0, 0), 4.0))
    grain = rng.uniform(0.5, 2.5, 2)
    noise = rng.standard_normal(pixels.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=grain[0], sigmaY=grain[1])
    return to_levels(coarse + strength * noise / noise.std())


def _add_grid(pixels: Pixels, rng: Rng) -> Pixels:
    """Return pixels with a faint lattice of 2, 4 or 8 px, as transposed convolutions leave it."""
    step = int(rng.choice([2, 4, 8]))
    tile = rng.standard_normal((step, step), np.float32)
    rows, cols = (-(-length // step) for length in pixels.shape)
    lattice = np.tile(tile - tile.mean(), (rows, cols))[: pixels.shape[0], : pixels.shape[1]]
    return to_levels(pixels.astype(np.float32) + np.float32(rng.uniform(2, 7)) * lattice)


WAYS: tuple[Callable[[Pixels, Rng], Pixels], ...] = (
    blur,
    _sharpen,
    add_noise,
    resample,
    compress,
    _smooth,
    respeckle,
    _add_grid,
)
