"""Multi-reader multi-case analysis: figures with intervals, of each reader and of all.

In: ratings, higher for synthetic. Out: `Figure`s. Each figure is a mean over synthetic images
plus a mean over real ones of what each image adds to it (DeLong's components), so that one rule
gives the variances and covariances of all of them.
"""

from collections.abc import Sequence
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, t as student

from busgen.arrays import Floats
from busgen.stats.proportions import wilson_interval

Z = float(norm.ppf(0.975))
CHANCE = 0.5

Interval = tuple[float, float]


class Ratings(NamedTuple):
    """Ratings 1 to 6 of J readers: `synthetic` (J, m), `real` (J, n)."""

    synthetic: Floats
    real: Floats


class Parts(NamedTuple):
    """What each image adds to a figure of each reader: `synthetic` (J, m), `real` (J, n).

    `values` (J,) are the figures. Where a kind does not matter, its part is constant.
    """

    values: Floats
    synthetic: Floats
    real: Floats

    def covariance(self) -> Floats:
        """Return the (J, J) covariance of the readers' figures over images.

        DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595, equation 4.
        """
        kinds = (self.synthetic, self.real)
        each = [np.atleast_2d(np.cov(part)) / part.shape[1] for part in kinds]
        return np.asarray(each[0] + each[1])


class Figure(NamedTuple):
    """A figure with its 95 % interval, of `n` images; `p` of it being chance, where tested."""

    value: float
    n: int
    interval: Interval
    p: float | None = None


def split_auc(ratings: Ratings) -> Parts:
    """Return the parts of the area under the ROC curve: the chance to rate a synthetic higher."""
    higher = ratings.synthetic[:, :, None] - ratings.real[:, None, :]
    wins = (np.sign(higher) + 1) / 2
    return Parts(wins.mean(axis=(1, 2)), wins.mean(axis=2), wins.mean(axis=1))


def split_shares(ratings: Ratings, level: float) -> dict[str, Parts]:
    """Return the parts of sensitivity, specificity and accuracy of calls from `level` on."""
    hits = (ratings.synthetic >= level).astype(float)
    passed = (ratings.real < level).astype(float)
    m, n = hits.shape[1], passed.shape[1]
    both = (hits * m / (m + n), passed * n / (m + n))
    return {
        "sensitivity": Parts(hits.mean(axis=1), hits, np.zeros_like(passed)),
        "specificity": Parts(passed.mean(axis=1), np.zeros_like(hits), passed),
        "accuracy": Parts(both[0].mean(axis=1) + both[1].mean(axis=1), *both),
    }


def auc_interval(value: float, variance: float, sizes: tuple[int, int]) -> Interval:
    """Return the interval of one AUC from its variance, on the logit scale.

    Without a variance (all distinguished, none, or one rating for all) DeLong's interval would have
    no width: then that of Newcombe 2006, doi:10.1002/sim.2324, method 5.
    """
    if variance <= 0 or not 0 < value < 1:
        return newcombe(value, sizes)
    middle = log(value / (1 - value))
    half = Z * sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + exp(-x)) for x in (middle - half, middle + half))
    return low, high


def newcombe(value: float, sizes: tuple[int, int]) -> Interval:
    """Return the AUCs from which `value` is `Z` standard errors away, those of Hanley and McNeil.

    With both classes' numbers replaced by their mean in the exponents, as Newcombe does.
    """
    m, n = sizes
    mean = (m + n) / 2 - 1

    def distance(x: float) -> float:
        spread = 1 + mean * (1 - x) / (2 - x) + mean * x / (1 + x)
        return (value - x) ** 2 - Z**2 * x * (1 - x) * spread / (m * n)

    inner = min(max(value, 1e-9), 1 - 1e-9)  # at 0 and 1 the distance is 0 of 0
    low = 0.0 if value == 0 else float(brentq(distance, 1e-12, inner))
    high = 1.0 if value == 1 else float(brentq(distance, inner, 1 - 1e-12))
    return low, high


def score_reader(name: str, parts: Parts, reader: int) -> Figure:
    """Return a figure of one reader: Wilson's interval for shares, DeLong's for the AUC."""
    value, sizes = float(parts.values[reader]), (parts.synthetic.shape[1], parts.real.shape[1])
    n = _images(name, sizes)
    if name != "auc":
        return Figure(value, n, wilson_interval(round(value * n), n))
    variance = float(parts.covariance()[reader, reader])
    interval = auc_interval(value, variance, sizes)
    if variance <= 0:
        return Figure(value, n, interval)
    away = log(value / (1 - value)) * value * (1 - value)  # on the interval's scale, as it must be
    return Figure(value, n, interval, _p_value(away / sqrt(variance), np.inf))


def pool(name: str, parts: Parts) -> Figure | None:
    """Return the readers' mean figure, its interval over readers and images; `None` for one.

    Obuchowski and Rockette 1995 (doi:10.1080/03610919508813243) for one modality, degrees of
    freedom as Hillis 2007 (doi:10.1002/sim.2532): with J readers' figures of variance MSR among
    themselves and mean covariance Cov2 over images, the mean has the variance
    ``(MSR + max(J Cov2, 0)) / J``. The interval holds for other readers and other images alike.
    Where that is 0, it is as wide as one reader's.
    """
    readers = len(parts.values)
    if readers < 2:
        return None
    sizes = (parts.synthetic.shape[1], parts.real.shape[1])
    value, n = float(parts.values.mean()), _images(name, sizes)
    spread = float(parts.values.var(ddof=1))
    covariance = parts.covariance()
    shared = max(readers * float(covariance[~np.eye(readers, dtype=bool)].mean()), 0.0)
    error = sqrt((spread + shared) / readers)
    if error < 1e-9:
        alone = newcombe(value, sizes) if name == "auc" else wilson_interval(round(value * n), n)
        return Figure(value, n, alone)
    freedom = (spread + shared) ** 2 / (spread**2 / (readers - 1)) if spread > 0 else np.inf
    half = float(student.ppf(0.975, freedom)) * error
    p = _p_value((value - CHANCE) / error, freedom) if name == "auc" else None
    return Figure(value, n, (max(0.0, value - half), min(1.0, value + half)), p)


def _p_value(statistic: float, freedom: float) -> float:
    """Return the two-sided p of Student's t, of the normal where `freedom` is infinite."""
    return float(2 * student.sf(abs(statistic), freedom))


def roc(ratings: Ratings, levels: Sequence[int]) -> Floats:
    """Return (J, L + 2, 2) points (false, true positive share) from (0, 0) to (1, 1).

    A point is what a reader would call who called synthetic from that level on.
    """
    cuts = np.array([np.inf, *sorted(levels, reverse=True), -np.inf])
    shares = [(part[:, :, None] >= cuts).mean(axis=1) for part in (ratings.real, ratings.synthetic)]
    return np.stack(shares, axis=2)


def _kappa_weighted(pairs: Floats) -> float:
    """Return Cohen's kappa with quadratic weights, NaN where no two ratings differ.

    `pairs` (images, 2) ratings of two readers. With such weights it is one less the mean squared
    difference over that of independent ratings (Fleiss and Cohen 1973,
    doi:10.1177/001316447303300309). Scikit-learn's takes some hundred times as long, and each
    interval asks a thousand times.
    """
    a, b = pairs.T
    by_chance = float(a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    return 1 - float(((a - b) ** 2).mean()) / by_chance if by_chance else float("nan")


def _images(name: str, sizes: tuple[int, int]) -> int:
    m, n = sizes
    return {"sensitivity": m, "specificity": n}.get(name, m + n)
