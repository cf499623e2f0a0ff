"""How well a found lesion lies on the true one.

In: chances and masks. Out: the lesion that is found; Dice, IoU, HD95.
"""

import cv2
import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

from busgen.arrays import Bools, Floats, Floats32, Indices


def largest_part(probabilities: Floats32) -> Bools:
    """Return the lesion that a segmenter finds in (H, W) chances: the largest part above .5.

    One lesion an image is asked for; specks elsewhere would decide the Hausdorff distance.
    """
    _, labels, parts, _ = cv2.connectedComponentsWithStats((probabilities > 0.5).astype(np.uint8))
    if len(parts) < 2:
        return np.zeros(probabilities.shape, np.bool_)
    return np.asarray(labels == 1 + int(parts[1:, cv2.CC_STAT_AREA].argmax()), np.bool_)


def dice(found: Bools, wanted: Bools) -> Floats:
    """Return the Dice coefficients (...) of masks (..., H, W), 2 |A and B| / (|A| + |B|).

    Two empty masks agree: 1, as where a normal image is rightly left empty (Maier-Hein 2024,
    doi:10.1038/s41592-023-02151-z). One empty mask gives 0.
    """
    return _ratio(2 * _count(found & wanted), _count(found) + _count(wanted))


def iou(found: Bools, wanted: Bools) -> Floats:
    """Return the intersections over unions (...) of masks (..., H, W); two empty masks agree, 1."""
    return _ratio(_count(found & wanted), _count(found | wanted))


def _count(masks: Bools) -> Indices:
    return np.asarray(np.count_nonzero(masks, axis=(-2, -1)))


def _ratio(part: Indices, total: Indices) -> Floats:
    return np.where(total == 0, 1.0, part / np.maximum(total, 1))


def hd95(found: Bools, wanted: Bools) -> float:
    """Return the 95 % Hausdorff distance of two (H, W) masks in pixels.

    The larger of the two directed 95th percentiles of the distance from an outline's pixels to the
    other outline, as MONAI and DeepMind's surface-distance compute it. Where nothing is `found`,
    the image's diagonal: the worst there is (Maier-Hein 2024, doi:10.1038/s41592-023-02151-z).
    NaN where nothing is `wanted`. MONAI's own is not called: it would make MONAI, an extra of two
    networks, necessary for every comparison, and a test holds this one against it.
    """
    if not wanted.any():
        return float("nan")
    if not found.any():
        return float(np.hypot(*found.shape))
    outlines = [mask & ~binary_erosion(mask) for mask in (found, wanted)]
    apart = [distance_transform_edt(~outline) for outline in outlines]
    return float(max(np.percentile(apart[k][outlines[1 - k]], 95, method="linear") for k in (0, 1)))
