"""Outlines as a feature space of their own: masks laid over each other by their boxes.

In: masks (N, S, S). Out: shapes (N, SIDE * SIDE) of 0 and 1, and how unlike two of them are: 1 -
IoU of the two, or of one and the other's mirror image. Place and size are left out, proportions
kept.
"""

import numpy as np

from busgen.arrays import Bools, Floats, Pixels
from busgen.code import hash_code
from busgen.imaging.square import resize
from busgen.metrics.spaces.registry import FeatureSpace
from busgen.similarity.known_images import mirror

NAME = "masks"
SIDE = 48  # px: the longer side of the lesion's box


def make_space() -> FeatureSpace:
    """Return the space; its distance is `distances`, not Euclidean."""
    return FeatureSpace(NAME, hash_code(__name__), lambda _, masks: embed(masks))


def embed(masks: Pixels) -> Floats:
    """Return the shapes (N, SIDE * SIDE) of masks (N, S, S), NaN where there is no lesion."""
    found = np.full((len(masks), SIDE * SIDE), np.nan)
    for k, mask in enumerate(masks):
        if mask.any():
            found[k] = _align(mask > 0).ravel()
    return found


def distances(a: Floats, b: Floats) -> Floats:
    """Return 1 - IoU (N, M) of shapes (N, D) and (M, D), of the better of `b` and its mirrors."""
    shared = np.maximum(a @ b.T, a @ mirror(b).T)
    total = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :]
    return np.asarray(1 - shared / np.maximum(total - shared, 1.0), np.float64)


def _align(lesion: Bools) -> Bools:
    """Return the lesion's box in the middle of a square that its longer side fills."""
    rows, cols = (np.flatnonzero(lesion.any(axis=axis)) for axis in (1, 0))
    box = lesion[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    side = max(box.shape)
    square = np.zeros((side, side), np.uint8)
    top, left = ((side - length) // 2 for length in box.shape)
    square[top : top + box.shape[0], left : left + box.shape[1]] = 255 * box
    return np.asarray(resize(square, SIDE) > 127)
