"""Scores that judges give a finished pair: models that its engine never saw.

In: findings, masks, images, judges. Out: the scores `busgen.schema.JUDGED` of each pair.
"""

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from busgen.arrays import Bools, Floats, Floats32, Pixels
from busgen.compute.cores import on_all_cores
from busgen.gates.image_checks import Scores
from busgen.gates.mask_fit import score_mask
from busgen.priors.findings import Finding
from busgen.schema import JUDGED
from busgen.stats.overlap import dice

JUDGED_AT_ONCE = 16  # always as many: a network's last digits depend on the size of its batch
DIGITS = 4  # of a judge's score
NEIGHBOURS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
MOST = 1.0  # diameters; so far from the lesion is as good as nothing found


class Judges(Protocol):
    """What is asked of judges; `busgen.judges` trains and loads them."""

    @property
    def sha256(self) -> str:
        """Return the hash of all that decides their answers."""

    def segment(self, images: Pixels) -> Floats32:
        """Return the probability (N, H, W) of a lesion in (N, H, W) images."""

    def classify(self, images: Pixels, masks: Pixels) -> Floats:
        """Return the calibrated probability (N,) that the lesions in `masks` are malignant."""


def ask_judges(
    findings: Sequence[Finding], masks: Pixels, images: Pixels, judges: Judges | None
) -> list[Scores]:
    """Return what the judges say of each pair; None of normal findings, or without judges."""
    scores: list[Scores] = [dict.fromkeys(JUDGED) for _ in findings]
    request = [k for k, finding in enumerate(findings) if finding.has_lesion]
    if judges and request:
        malignant = np.array([findings[k].pathology == "malignant" for k in request])
        record = judge_pairs(judges, images[request], masks[request], malignant)
        for k, pair in zip(request, record, strict=True):
            scores[k] = dict(zip(JUDGED, pair.tolist(), strict=True))
    return scores


def judge_pairs(judges: Judges, images: Pixels, masks: Pixels, malignant: Bools) -> Floats:
    """Return (N, 3): how far the judges agree with the mask and with the class of each pair.

    In the order of `JUDGED`: the Dice coefficient of the mask and of what the segmenter holds for
    more likely lesion than not, the `distance` of their outlines,
    the log odds that the mask is this image's (`busgen.gates.mask_fit`), the probability that the
    classifier gives the class. NaN for an empty mask. A pair's scores do not depend on the others:
    all batches have one size, and `DIGITS` are kept. `images`, `masks` (N, H, W) uint8; masks {0,
    1}; `malignant` (N,) the class that was asked for.
    """
    record = np.full((len(images), len(JUDGED)), np.nan)

    def judge(start: int) -> None:
        own = np.arange(start, min(start + JUDGED_AT_ONCE, len(images)))
        batch = np.resize(own, JUDGED_AT_ONCE)
        probabilities = judges.segment(images[batch])[: own.size]
        found = probabilities > 0.5
        p = judges.classify(images[batch], masks[batch])[: own.size]
        record[own, 0] = dice(found, masks[own] > 0)
        record[own, 1] = [distance(*one) for one in zip(found, masks[own], strict=True)]
        each = zip(images[own], masks[own], probabilities, strict=True)
        record[own, 2] = [score_mask(*one) for one in each]
        record[own, 3] = np.where(malignant[own], p, 1 - p)

    with on_all_cores() as pool:
        list(pool.map(judge, range(0, len(images), JUDGED_AT_ONCE)))
    record[~masks.any(axis=(1, 2))] = np.nan
    return record.round(DIGITS)


def distance(found: Bools, mask: Pixels) -> float:
    """Return the mean symmetric surface distance by the mask's equivalent diameter.

    As `monai.metrics.compute_average_surface_distance(symmetric=True)` has it, of distances that
    OpenCV approximates (5 x 5) in a tenth of the time. `found` (H, W) bool, what a segmenter holds
    for lesion; `mask` (H, W) uint8 {0, 1}. At most `MOST`, and that where nothing is found; NaN
    for an empty mask.
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
