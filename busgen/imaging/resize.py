"""Images brought to squares of another side, for all that need no other interpolation.

In: (H, W) uint8. Out: (size_px, size_px) uint8.
"""

import cv2
import numpy as np

from busgen.arrays import Pixels


def resize(image: Pixels, size_px: int) -> Pixels:
    """Return an image with `size_px` a side; shrinking averages over areas, enlarging is bilinear.

    One of that size already is returned itself.
    """
    if image.shape == (size_px, size_px):
        return image
    method = cv2.INTER_AREA if min(image.shape) >= size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=method), np.uint8)
