"""Square images brought to another side.

In: (S, S) uint8. Out: (size_px, size_px) uint8.
"""

import cv2
import numpy as np
from numpy.typing import NDArray


def resize(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return a square image with `size_px` a side; shrinking averages, enlarging is bilinear."""
    if image.shape == (size_px, size_px):
        return image
    method = cv2.INTER_AREA if len(image) >= size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=method), np.uint8)
