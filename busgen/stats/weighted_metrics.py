"""Scores of images drawn with weights: those of drawn patients, many draws at once.

In: values, or chances and outcomes, an image. Out: functions of weights (B, N), as
`busgen.stats.two_way_bootstrap` draws them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from busgen.stats.patients import Floats

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Weighted = Callable[[Floats], Floats]  # weights (B, N) of N images -> score (B,), NaN without any
SPECIFICITY = 0.9
BINS = 10


def mean_score(values: Floats) -> Weighted:
    """Return the weighted mean of values (N,), those that are NaN left out."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)

    def score(weights: Floats) -> Floats:
        return _ratio(weights @ filled, weights @ known.astype(np.float64))

    return score


def auc_score(outcomes: Bools, probabilities: Floats, models: Ints | None = None) -> Weighted:
    """Return the area under the ROC curve (`busgen.stats.roc.auc`) of weighted images.

    Where `models` (N,) says which model gave each chance, as in cross-validation, only pairs of
    one model count: chances of different models have different scales (Airola 2011,
    doi:10.1016/j.csda.2010.11.018).
    """
    above = np.subtract.outer(probabilities[outcomes], probabilities[~outcomes])
    wins = (np.sign(above) + 1) / 2
    of = np.zeros(len(probabilities), np.int64) if models is None else models
    pairs = np.equal.outer(of[outcomes], of[~outcomes]).astype(np.float64)
    wins *= pairs

    def score(weights: Floats) -> Floats:
        own, other = weights[:, outcomes], weights[:, ~outcomes]
        won, all_ = (np.einsum("bp,bp->b", own, other @ each.T) for each in (wins, pairs))
        return _ratio(won, all_)

    return score


def sensitivity_score(
    outcomes: Bools, probabilities: Floats, specificity: float = SPECIFICITY
) -> Weighted:
    """Return the sensitivity at the lowest threshold whose specificity is `specificity` or more.

    Thresholds are observed chances, at or above which a lesion counts as malignant.
    """
    order = np.argsort(-probabilities, kind="stable")
    last = np.append(np.diff(probabilities[order]) != 0, True)  # ties are told malignant together

    def score(weights: Floats) -> Floats:
        ordered, truth = weights[:, order], outcomes[order]
        hits = np.cumsum(ordered * truth, axis=1)
        alarms = np.cumsum(ordered * ~truth, axis=1)
        few = alarms <= (1 - specificity) * alarms[:, -1:] * (1 + 1e-9)
        best = np.max(hits, axis=1, where=few & last, initial=0.0)
        return np.where(alarms[:, -1] > 0, _ratio(best, hits[:, -1]), np.nan)

    return score


def ece_score(outcomes: Bools, probabilities: Floats, bins: int = BINS) -> Weighted:
    """Return the expected calibration error over equal bins of [0, 1] (Guo 2017, 1706.04599)."""
    of = np.minimum((probabilities * bins).astype(np.intp), bins - 1)
    apart = (probabilities - outcomes)[:, None] * (of[:, None] == np.arange(bins))

    def score(weights: Floats) -> Floats:
        return _ratio(np.abs(weights @ apart).sum(axis=1), weights.sum(axis=1))

    return score


def _ratio(part: Floats, total: Floats) -> Floats:
    out: Floats = np.full(part.shape, np.nan)
    np.divide(part, total, out=out, where=total > 0)
    return out
