"""Scores that judges give a finished pair: models that its engine never saw.

In: findings, masks, images, judges. Out: the scores `busgen.schema.JUDGED` of each pair. One of
them is the log odds that the mask is this image's and not another's, by overlap, contrast and
outline: the Dice coefficient alone cannot tell a swapped mask from a lesion that the segmenter
misses, one real lesion in 18; how sure it is of another place, and what the image shows at the
outline, can. Learned from training patients' masks and swapped ones
(`busgen.gates.calibration.fit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import nan
from typing import Protocol

import cv2
import numpy as np
from safetensors.numpy import load_file

from busgen.arrays import Bools, Floats, Floats32, Pixels
from busgen.compute.cores import on_all_cores
from busgen.gates.image_checks import GATES, Scores
from busgen.imaging.geometry import signed_distance
from busgen.priors.findings import Finding
from busgen.schema import JUDGED
from busgen.stats.overlap import dice

FIT = "mask_fit.safetensors"
UNSURE = 1e-3  # probabilities are kept this far from 0 and 1
SMOOTH_PX = 2.0  # sd of the blur that takes speckle away
RING = (3.0, 4.0, 0.5)  # px outside the outline, least width, width in equivalent radii
CORE = 0.15  # of the equivalent radius inside the outline begins the core
RIM = (1.0, 6.0)  # px on both sides of the outline
MOST = 50.0  # log odds beyond which nothing changes
JUDGED_AT_ONCE = 16  # always as many: a network's last digits depend on the size of its batch
DIGITS = 4  # of a judge's score
NEIGHBOURS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
FARTHEST = 1.0  # diameters; so far from the lesion is as good as nothing found


@dataclass(frozen=True)
class MaskFit:
    """Log odds as a quadratic form of D standardised numbers (`measure`).

    `centre`, `scale`, `linear` (D,), `quadratic` (D, D), `constant`.
    """

    centre: Floats
    scale: Floats
    linear: Floats
    quadratic: Floats
    constant: float

    def log_odds(self, numbers: Floats) -> float:
        """Return the log odds that the mask is the image's, within +-`MOST`."""
        z = (numbers - self.centre) / self.scale
        return float(np.clip(z @ self.quadratic @ z + z @ self.linear + self.constant, -MOST, MOST))


@cache
def load_shipped() -> MaskFit:
    """Return what comes with the package."""
    stored = {name: values.astype(np.float64) for name, values in load_file(GATES / FIT).items()}
    constant = float(stored.pop("constant")[0])
    return MaskFit(**stored, constant=constant)


def score_mask(image: Pixels, mask: Pixels, probabilities: Floats32) -> float:
    """Return the log odds that the mask (H, W) {0, 1} is this image's, NaN for an empty one.

    `image` (H, W) uint8; `probabilities` (H, W) float32, the segmenter's probability of a lesion.
    """
    return load_shipped().log_odds(measure(image, mask, probabilities)) if mask.any() else nan


def measure(image: Pixels, mask: Pixels, probabilities: Floats32) -> Floats:
    """Return what `MaskFit` rests on, (14,), of a mask that is not empty."""
    inside = mask > 0
    return np.array([*_agreement(inside, probabilities), *_contrast(image, inside)], np.float64)


def _agreement(inside: Bools, probabilities: Floats32) -> list[float]:
    """Return Dice, hard and soft, and how much surer the segmenter is elsewhere."""
    p = np.clip(probabilities.astype(np.float64), UNSURE, 1 - UNSURE)
    odds = np.log(p / (1 - p))
    own, size = odds[inside], int(inside.sum())
    rest = odds[~inside] if size < inside.size else own
    found = p > 0.5
    mass = float(p[inside].sum())
    best = np.partition(odds.ravel(), -size)[-size:].mean()
    return [
        float(dice(found, inside)),
        2 * mass / (float(p.sum()) + size),
        float(own.mean() - best),
        float(np.quantile(own, 0.9) - np.quantile(rest, 0.999)),
        float(own.mean()),
        float(odds.max()),
        float(np.log(mass / size)),
        float(np.log(mass / p.sum())),
    ]


def _contrast(image: Pixels, inside: Bools) -> list[float]:
    """Return grey of the surroundings against the core, beside, around and at the outline."""
    grey = cv2.GaussianBlur(image.astype(np.float32), (0, 0), SMOOTH_PX)
    depth = signed_distance(inside.astype(np.uint8))
    radius = float(np.sqrt(inside.sum() / np.pi))
    gap, least, share = RING
    ring = (depth < -gap) & (depth > -gap - max(least, share * radius))
    core = depth > max(1.0, CORE * radius)
    core = core if core.any() else inside
    rows: Bools = np.asarray(inside.any(axis=1, keepdims=True))
    reference = ring & rows
    spread = float(grey[ring].std() if ring.any() else 0.0) + 5.0
    middle = float(grey[core].mean())
    low, high = RIM
    outer, inner = (depth < -low) & (depth > -high), (depth > low) & (depth < high)
    edge = _mean(grey, outer, middle) - _mean(grey, inner, middle)
    return [
        (_mean(grey, reference, middle) - middle) / spread,
        (_mean(grey, ring, middle) - middle) / spread,
        edge / spread,
        float(grey[core].std()) / spread,
        middle,
        float(np.log(radius)),
    ]


def _mean(grey: Floats32, where: Bools, default: float) -> float:
    return float(grey[where].mean()) if where.any() else default


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
    the log odds that the mask is this image's (`score_mask`), the probability that the
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
    for lesion; `mask` (H, W) uint8 {0, 1}. At most `FARTHEST`, and that where nothing is found; NaN
    for an empty mask.
    """
    if not mask.any():
        return float("nan")
    if not found.any():
        return FARTHEST
    other = found.astype(np.uint8)
    left, top, width, height = cv2.boundingRect(mask | other)
    ours, theirs = (_outline(one[top : top + height, left : left + width]) for one in (mask, other))
    apart_px = np.concatenate([_distance(ours)[theirs > 0], _distance(theirs)[ours > 0]])
    diameter_px = 2 * np.sqrt(np.count_nonzero(mask) / np.pi)
    return min(float(apart_px.mean() / diameter_px), FARTHEST)


def _outline(mask: Pixels) -> Pixels:
    """Return the mask's pixels that touch its outside; the image's edge is outside."""
    inner = cv2.erode(mask, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(mask - inner, np.uint8)


def _distance(outline: Pixels) -> Floats32:
    return np.asarray(cv2.distanceTransform(1 - outline, cv2.DIST_L2, 5), np.float32)
