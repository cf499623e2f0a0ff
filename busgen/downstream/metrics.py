"""Scores of lesions found and classes told, of pictures drawn with weights.

In: masks; chances, outcomes. Out: values a picture; scores of weighted pictures, many draws at
once, as `busgen.downstream.intervals` draws patients.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Weighted = Callable[[Floats], Floats]  # weights (B, N) of N pictures -> score (B,), NaN without any
SPECIFICITY = 0.9
BINS = 10


def overlap(found: Bools, wanted: Bools) -> tuple[float, float]:
    """Return Dice and IoU of two (H, W) masks; two empty ones agree, 1."""
    both, either = int((found & wanted).sum()), int((found | wanted).sum())
    if either == 0:
        return 1.0, 1.0
    return 2 * both / (both + either), both / either


def hd95(found: Bools, wanted: Bools) -> float:
    """Return the 95 % Hausdorff distance of two (H, W) masks in pixels.

    The larger of the two directed 95th percentiles of the distance from an outline's pixels to the
    other outline, as MONAI and DeepMind's surface-distance compute it. Where nothing is `found`,
    the picture's diagonal: the worst there is (Maier-Hein 2024, doi:10.1038/s41592-023-02151-z).
    NaN where nothing is `wanted`.
    """
    if not wanted.any():
        return float("nan")
    if not found.any():
        return float(np.hypot(*found.shape))
    outlines = [mask & ~binary_erosion(mask) for mask in (found, wanted)]
    apart = [distance_transform_edt(~outline) for outline in outlines]
    return float(
        max(np.percentile(apart[k][outlines[1 - k]], 95, method="linear") for k in (0, 1))
    )


def mean_of(values: Floats) -> Weighted:
    """Return the weighted mean of values (N,), those that are NaN left out."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)

    def score(weights: Floats) -> Floats:
        return _ratio(weights @ filled, weights @ known.astype(np.float64))

    return score


def auc_of(chances: Floats, outcomes: Bools) -> Weighted:
    """Return the area under the ROC curve: a malignant one ranks above a benign one, ties half."""
    above = np.subtract.outer(chances[outcomes], chances[~outcomes])
    wins = (np.sign(above) + 1) / 2

    def score(weights: Floats) -> Floats:
        own, other = weights[:, outcomes], weights[:, ~outcomes]
        won = np.einsum("bp,bp->b", own, other @ wins.T)
        return _ratio(won, own.sum(axis=1) * other.sum(axis=1))

    return score


def sensitivity_of(chances: Floats, outcomes: Bools, specificity: float = SPECIFICITY) -> Weighted:
    """Return the sensitivity at the lowest threshold whose specificity is `specificity` or more.

    Thresholds are observed chances, at or above which a lesion counts as malignant.
    """
    order = np.argsort(-chances, kind="stable")
    last = np.append(np.diff(chances[order]) != 0, True)  # ties are told malignant together

    def score(weights: Floats) -> Floats:
        ordered, truth = weights[:, order], outcomes[order]
        hits = np.cumsum(ordered * truth, axis=1)
        alarms = np.cumsum(ordered * ~truth, axis=1)
        few = alarms <= (1 - specificity) * alarms[:, -1:] * (1 + 1e-9)
        best = np.max(hits, axis=1, where=few & last, initial=0.0)
        return np.where(alarms[:, -1] > 0, _ratio(best, hits[:, -1]), np.nan)

    return score


def brier_of(chances: Floats, outcomes: Bools) -> Weighted:
    """Return the mean squared distance of chance and outcome (Brier 1950)."""
    return mean_of((chances - outcomes) ** 2)


def ece_of(chances: Floats, outcomes: Bools, bins: int = BINS) -> Weighted:
    """Return the expected calibration error over equal bins of [0, 1] (Guo 2017, 1706.04599)."""
    of = np.minimum((chances * bins).astype(np.intp), bins - 1)
    apart = (chances - outcomes)[:, None] * (of[:, None] == np.arange(bins))

    def score(weights: Floats) -> Floats:
        return _ratio(np.abs(weights @ apart).sum(axis=1), weights.sum(axis=1))

    return score


def cut_out(chances: NDArray[np.float32]) -> Bools:
    """Return the lesion that a segmenter finds in (H, W) chances: the largest part above .5.

    One lesion a picture is asked for; specks elsewhere would decide the Hausdorff distance.
    """
    _, labels, parts, _ = cv2.connectedComponentsWithStats((chances > 0.5).astype(np.uint8))
    if len(parts) < 2:
        return np.zeros(chances.shape, np.bool_)
    return np.asarray(labels == 1 + int(parts[1:, cv2.CC_STAT_AREA].argmax()), np.bool_)


def _ratio(part: Floats, total: Floats) -> Floats:
    return np.divide(part, total, out=np.full(part.shape, np.nan), where=total > 0)
