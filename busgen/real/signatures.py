"""Signatures of pictures, by which near-duplicates are found.

In: a grey picture as published. Out: a short byte string.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 48


def signature(image: NDArray[np.uint8]) -> bytes:
    """Return the picture's grey thumbnail, SIDE x SIDE bytes."""
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)).tobytes()
