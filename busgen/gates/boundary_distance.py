"""How far two outlines lie apart: that of a mask and that of what a segmenter finds.

In: two masks. Out: their mean symmetric surface distance, in diameters of the first.
"""

import cv2
import numpy as np

from busgen.arrays import Bools, Floats32, Pixels

NEIGHBOURS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
MOST = 1.0  # diameters; so far from the lesion is as good as nothing found


def distance(found: Bools, mask: Pixels) -> float:
    """Return the mean symmetric surface distance by the mask's equivalent diameter.

    As `monai.metrics.compute_average_surface_distance(symmetric=True)` has it, of distances that
    OpenCV approximates (5 x 5) in a tenth of the time.

    Parameters
    ----------
    found : (H, W) bool, what a segmenter holds for lesion
    mask : (H, W) uint8 {0, 1}

    Returns
    -------
    float
        At most `MOST`, and that where nothing is found; NaN for an empty mask.
    """
    if not mask.any():
        return float("nan")
    if not found.any():
        return MOST
    other = found.astype(np.uint8)
    left, top, width, height = cv2.boundingRect(mask | other)
    ours, theirs = (_outline(one[top : top + height, left : left + width]) for one in (mask, other))
    apart_px = np.concatenate([_distance(ours)[theirs > 0], _distance(theirs)[ours > 0]])
    diameter_px = 2 * np.sqrt(np.count_nonzero(mask) / np.pi)
    return min(float(apart_px.mean() / diameter_px), MOST)


def _outline(mask: Pixels) -> Pixels:
    """Return the mask's pixels that touch its outside; the image's edge is outside."""
    inner = cv2.erode(mask, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(mask - inner, np.uint8)


def _distance(outline: Pixels) -> Floats32:
    return np.asarray(cv2.distanceTransform(1 - outline, cv2.DIST_L2, 5), np.float32)
