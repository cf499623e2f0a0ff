"""Overlays burned into pictures: text, logos, body marks, rulers, calipers.

In: a grey picture as published. Out: which pixels to ignore, and the picture without them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray


def find_overlays(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels (H, W) bool of an (H, W) uint8 picture an overlay covers."""
    return np.zeros(image.shape, np.bool_)


def without_overlays(image: NDArray[np.uint8], ignore: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the picture with the ignored pixels filled from what surrounds them."""
    return np.asarray(cv2.inpaint(image, ignore.astype(np.uint8), 3, cv2.INPAINT_TELEA), np.uint8)
