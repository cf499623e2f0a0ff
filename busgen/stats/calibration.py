"""Calibration: logits made into probabilities, and how far those are from what then happens.

In: logits or probabilities (N,), outcomes (N,). Out: Platt's two numbers; calibration errors.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from busgen.arrays import Bools, Floats, Floats32, Indices, Pixels
from busgen.errors import DataError
from busgen.seeds import Rng
from busgen.stats.overlap import dice


class Platt(NamedTuple):
    """Probability = expit(slope * logit + intercept)."""

    slope: float
    intercept: float

    def __call__(self, logits: Floats) -> Floats:
        """Return probabilities of the same shape."""
        return np.asarray(expit(self.slope * logits + self.intercept), np.float64)


def fit_platt(logits: Floats, outcomes: Bools) -> Platt:
    """Return the most likely slope and intercept (Platt 1999, with his softened targets).

    Raises `DataError` if there are fewer than 10 outcomes of either kind.
    """
    positives, n = int(outcomes.sum()), len(outcomes)
    if min(positives, n - positives) < 10:
        got = f"{positives} of {n} malignant"
        raise DataError("calibration needs 10 patients of either class", got, "give more data")
    high, low = (positives + 1) / (positives + 2), 1 / (n - positives + 2)
    targets = np.where(outcomes, high, low)

    def loss(x: Floats) -> tuple[float, Floats]:
        z = x[0] * logits + x[1]
        error = expit(z) - targets
        value = np.logaddexp(0, z) - targets * z
        return float(value.sum()), np.array([(error * logits).sum(), error.sum()])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return Platt(float(slope), float(intercept))


def fit_threshold(found: Floats32, masks: Pixels) -> float:
    """Return the threshold, of .2 to .7 in steps of .05, with the best mean Dice of lesions."""
    lesion = masks.any(axis=(1, 2))
    thresholds = np.arange(4, 15) / 20
    means = [dice(found[lesion] > level, masks[lesion] > 0).mean() for level in thresholds]
    return float(thresholds[int(np.argmax(means))])


def calibration_error(probabilities: Floats, outcomes: Bools, bins: int = 5) -> float:
    """Return the expected calibration error over bins of equal mass (Nixon 2019, ECE).

    That is the mean distance of predicted and observed frequency. With few outcomes in a bin it
    is above zero for perfect chances too: see `error_floor`.
    """
    parts = _equal_parts(probabilities, bins)
    errors = [len(p) * abs(probabilities[p].mean() - outcomes[p].mean()) for p in parts]
    return float(sum(errors) / len(probabilities))


def debiased_error(probabilities: Floats, outcomes: Bools, bins: int = 5) -> float:
    """Return the root-mean-square calibration error, chance's share removed (Kumar 2019).

    Equation 4 of arXiv 1909.10155; 0 where chance alone explains what is seen.
    """
    square = 0.0
    for part in _equal_parts(probabilities, bins):
        seen = float(outcomes[part].mean())
        noise = seen * (1 - seen) / max(len(part) - 1, 1)
        square += len(part) * ((float(probabilities[part].mean()) - seen) ** 2 - noise)
    return float(np.sqrt(max(square, 0.0) / len(probabilities)))


def error_floor(
    probabilities: Floats, rng: Rng, bins: int = 5, draws: int = 1000
) -> tuple[float, float]:
    """Return mean and 95th percentile of the error that true chances show at this n."""
    errors = [
        calibration_error(probabilities, rng.random(len(probabilities)) < probabilities, bins)
        for _ in range(draws)
    ]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


def _equal_parts(probabilities: Floats, bins: int) -> list[Indices]:
    order = np.argsort(probabilities, kind="stable")
    return [part for part in np.array_split(order, bins) if len(part)]
