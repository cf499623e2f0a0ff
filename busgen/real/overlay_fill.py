"""Holes in a picture filled with what surrounds them.

In: a grey picture and which of its pixels to replace. Out: the picture without them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

RADIUS = 3  # px of the surroundings that a filled pixel is drawn from


def filled(image: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the picture (H, W) uint8 with the pixels of a hole (H, W) bool replaced."""
    return np.asarray(
        cv2.inpaint(image, hole.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA), np.uint8
    )
