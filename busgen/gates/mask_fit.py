"""Does the mask lie where the image has a lesion: overlap, contrast and outline in one score.

In: an image, a mask, the segmenter's probabilities. Out: log odds that the mask is this image's
and not another's. The Dice coefficient alone cannot tell a swapped mask from a lesion that the
segmenter misses, one real lesion in 18; how sure it is of another place, and what the image shows
at the outline, can. Learned from training patients' masks and swapped ones
(`busgen.gates.calibration.fit`).
"""

from dataclasses import dataclass
from functools import cache
from math import nan

import cv2
import numpy as np
from safetensors.numpy import load_file

from busgen.arrays import Bools, Floats, Floats32, Pixels
from busgen.gates.image_checks import GATES
from busgen.imaging.geometry import signed_distance
from busgen.stats.overlap import dice

FIT = "mask_fit.safetensors"
UNSURE = 1e-3  # probabilities are kept this far from 0 and 1
SMOOTH_PX = 2.0  # sd of the blur that takes speckle away
RING = (3.0, 4.0, 0.5)  # px outside the outline, least width, width in equivalent radii
CORE = 0.15  # of the equivalent radius inside the outline begins the core
RIM = (1.0, 6.0)  # px on both sides of the outline
MOST = 50.0  # log odds beyond which nothing changes


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
