"""Geometric features of masks, and masks as a small image of the lesion alone.

In: masks (N, S, S). Out: features (N, F), windows (N, W, W).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.imaging.geometry import Geometry, measure
from busgen.imaging.resize import resize

Floats = NDArray[np.float64]

WINDOW = 128  # px: side of the image of a lesion
ROOM = 1.15  # side of the window over the lesion's longer side, where it must be brought smaller
SOFT = 1e-6


def embed(masks: NDArray[np.uint8]) -> Floats:
    """Return proportions, size, axes, tilt, solidity, circularity, roughness, curvature, (N, 13).

    NaN where a mask is empty.
    """
    shapes = [measure(np.asarray(mask), 1.0) for mask in masks]
    return np.array([_row(shape) if shape else [np.nan] * 13 for shape in shapes])


def _row(shape: Geometry) -> list[float]:
    return [
        np.log(shape.width_mm / shape.height_mm),
        np.log(shape.area_mm2),
        shape.area_mm2 / (shape.width_mm * shape.height_mm),
        shape.major_mm / shape.minor_mm,
        shape.angle_deg,
        shape.solidity,
        shape.circularity,
        np.log(shape.roughness + 1e-3),
        *np.log(np.array(shape.curvature) + SOFT),
    ]


def crop(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the lesions (N, WINDOW, WINDOW) as 0 and 255, each in the middle.

    At full resolution, unless the lesion is too large for the window.
    """
    windows = []
    for mask in map(np.asarray, masks):
        left, top, width, height = cv2.boundingRect(mask)
        side = max(WINDOW, round(ROOM * max(width, height)))
        row, col = top + height // 2 - side // 2, left + width // 2 - side // 2
        padded = np.pad(mask * np.uint8(255), side)
        window = padded[row + side : row + 2 * side, col + side : col + 2 * side]
        windows.append(resize(window, WINDOW))
    return np.stack(windows)
