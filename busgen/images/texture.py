"""Random fields and curved reflectors: the material that anatomy is made of.

In: a sample's generator and sizes in rows and columns. Out: smooth fields, lines.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.images.beams import Floats


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], axial: float, lateral: float
) -> Floats:
    """Return a smooth Gaussian field of mean 0 and standard deviation 1.

    `axial` and `lateral` are its correlation lengths (standard deviations) in rows and columns.
    """
    steps = (max(axial / 1.5, 1.0), max(lateral / 1.5, 1.0))
    coarse = tuple(int(np.ceil(n / step)) + 6 for n, step in zip(shape, steps, strict=True))
    white = rng.standard_normal(coarse, np.float32)
    sigma = [
        1.5 * min(1.0, width / step) for width, step in zip((axial, lateral), steps, strict=True)
    ]
    sigma = [max(axial / steps[0], 0.1), max(lateral / steps[1], 0.1)]
    field = cv2.GaussianBlur(white, (0, 0), sigmaX=sigma[1], sigmaY=sigma[0])
    field /= np.float32(1 / np.sqrt(4 * np.pi * sigma[0] * sigma[1])) if min(sigma) > 0.5 else 1
    offset = rng.uniform(2, 4, 2)
    scale = np.array([[1 / steps[1], 0, offset[1]], [0, 1 / steps[0], offset[0]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(field, scale, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT),
        np.float32,
    )


def smooth_curve(rng: np.random.Generator, n: int, length: float) -> Floats:
    """Return `n` values of a smooth curve, mean 0, standard deviation 1, correlated over `length`."""
    return smooth_noise(rng, (3, n), 1.0, length)[1]


def splat(shape: tuple[int, int], row: Floats, column: Floats, value: NDArray) -> NDArray:
    """Return a map with `value` added at fractional (`row`, `column`), shared by four neighbours."""
    r, c = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    fr, fc = row - r, column - c
    out = np.zeros(shape[0] * shape[1], value.dtype)
    for dr, wr in ((0, 1 - fr), (1, fr)):
        for dc, wc in ((0, 1 - fc), (1, fc)):
            inside = (r + dr >= 0) & (r + dr < shape[0]) & (c + dc >= 0) & (c + dc < shape[1])
            at = ((r + dr) * shape[1] + c + dc)[inside]
            weight = (wr * wc * value)[inside]
            out += np.bincount(at, weight.real, len(out)) + 1j * np.bincount(
                at, weight.imag, len(out)
            )
    return out.reshape(shape)
