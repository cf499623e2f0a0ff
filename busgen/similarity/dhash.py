"""Hashes of images by which a release's repeats are found.

In: images, hashes. Out: 64-bit difference hashes, distances to the nearest of others in bits.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Pixels

HASH_BLOCK = 2**15


def hash_image(image: Pixels) -> int:
    """Return the 64-bit difference hash: which of 8x9 area means grow to the right."""
    small = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits((small[:, 1:] > small[:, :-1]).ravel())
    return int(bits.view(np.int64)[0])


def nearest(
    hashes: NDArray[np.int64], earlier: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each of (N,) hashes, the least Hamming distance to (M,) earlier ones and where.

    Distance 64 and position -1 where there is no earlier one. In blocks: memory does not grow
    with M.
    """
    least = np.full(hashes.shape, 64)
    where = np.full(hashes.shape, -1)
    own = hashes.view(np.uint64)[:, None]  # of signed numbers, bitwise_count counts their abs()
    for start in range(0, len(earlier), HASH_BLOCK):
        block = earlier[start : start + HASH_BLOCK].view(np.uint64)
        distance = np.bitwise_count(own ^ block[None, :])
        at = distance.argmin(axis=1)
        near = distance[np.arange(len(hashes)), at].astype(np.int64)
        closer = (near < least) | (where < 0)
        least[closer], where[closer] = near[closer], start + at[closer]
    return least, where
