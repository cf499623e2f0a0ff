"""Scores of images drawn with weights, and their intervals over patients and seeds.

In: values, or probabilities and outcomes, an image; one model a seed. Out: functions of weights
(B, N), those of drawn patients; values, 95 % intervals, p-values.

The bootstrap is two-way (Owen 2007, The pigeonhole bootstrap, doi:10.1214/07-AOAS122): patients,
whole clusters, and seeds are drawn with replacement, independently of each other. Compared arms are
seen on the same drawn patients; their seeds are drawn apart, as one's chance is not the other's.
Of m seeds m - 1 are drawn: the draws then spread as the mean of m does, where m would give
(m - 1) / m of its variance (Rao 1988, doi:10.1080/01621459.1988.10478591). With three seeds the
part of the seeds is still known badly; with one it is not known, and counts as nothing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Bools, Floats, Names
from busgen.seeds import rng
from busgen.stats.patients import ENDS, counts_of_draws

Ints = NDArray[np.int64]
Weighted = Callable[[Floats], Floats]  # weights (B, N) of N images -> score (B,), NaN without any

DRAWS = 20_000  # p is 1e-4 at least: some 500 secondary comparisons can still be told
SEED = 20261126
SPECIFICITY = 0.9
BINS = 10


class Estimate(NamedTuple):
    """A value with its 95 % interval, and the two-sided p-value that it is zero."""

    value: float
    interval: tuple[float, float]
    p: float


def patient_weights(groups: Names, draws: int = DRAWS) -> Floats:
    """Return how often each image (N,) is in each draw of patients: (1 + draws, N).

    The first row is the sample itself, all ones.
    """
    drawn = counts_of_draws(groups, rng(SEED, "patients"), draws)
    return np.concatenate([np.ones((1, len(groups))), drawn])


def resample(scores: Sequence[Weighted], weights: Floats, stream: str) -> Floats:
    """Return the mean score of drawn seeds on drawn patients, (1 + draws,), the sample's first."""
    each = np.stack([score(weights) for score in scores], axis=1)
    count = len(scores)
    draws = rng(SEED, f"seeds {stream}")
    few = max(count - 1, 1)
    drawn = draws.multinomial(few, np.full(count, 1 / count), len(weights) - 1) / few
    shares = np.concatenate([np.full((1, count), 1 / count), drawn])
    return np.asarray(np.where(shares > 0, shares * each, 0.0).sum(axis=1))


def estimate(values: Floats) -> Estimate | None:
    """Return value, interval and p of `resample`' values, or of their differences.

    Draws in which a score is not defined (one class alone) are left out; None where the sample's
    own is not. p is twice the smaller share of draws at or beyond zero, draws + 1 in all.
    """
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(drawn) == 0:
        return None
    low, high = np.quantile(drawn, ENDS)
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))
    return Estimate(float(values[0]), (float(low), float(high)), p)


def reflect(found: Estimate) -> tuple[float, float]:
    """Return the interval turned about the value, for scores that chance alone makes larger.

    Draws are as far above the sample as the sample is above the truth (Efron 1993, 13.4).
    """
    low, high = (max(2 * found.value - end, 0.0) for end in found.interval[::-1])
    return low, high


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
