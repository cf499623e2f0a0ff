"""Kernel densities of boxes by class, to hold against the truncated normals of `Sizes`.

In: `Lesions` with boxes. Out: log densities of other boxes. Gaussian kernels on log area, log
aspect and the logit of the depth's share of the room that the frame leaves, jointly, and on the
same logit from left to right; so nothing leaks out of the frame. Bandwidths by Scott's rule (1992,
doi:10.1002/9780470316849) times a factor.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from busgen.arrays import Floats
from busgen.errors import DataError
from busgen.priors.fitting.lesions import AREA, ASPECT, Lesions, X, Y, place_span
from busgen.priors.sizes import LESIONS, Sizes, probability

_EDGE = 1e-3  # a share of the room nearer to its ends counts as this


@dataclass(frozen=True, eq=False)
class _Kernels:
    """Points (M, D), their weights (M,) summing to 1 and a bandwidth (D,) for each dimension."""

    points: Floats
    weights: Floats
    bandwidth: Floats

    def log_density(self, at: Floats, low: float = -np.inf, high: float = np.inf) -> Floats:
        """Return the log density (N,) at (N, D); the first dimension is cut to [low, high]."""
        z = (at[:, None] - self.points) / self.bandwidth
        logs = -0.5 * (z**2).sum(-1) - np.log(self.bandwidth * np.sqrt(2 * np.pi)).sum()
        first, width = self.points[:, 0], np.full(len(self.points), self.bandwidth[0])
        ends = np.full_like(first, low), np.full_like(first, high)
        logs -= np.log(probability(*ends, first, width))
        return np.asarray(logsumexp(logs, axis=1, b=self.weights), np.float64)


def _kernels(points: Floats, weights: Floats, factor: float) -> _Kernels:
    if len(points) < 2:
        raise DataError("a kernel density must have 2 boxes of each class", len(points), "add data")
    spread = np.sqrt(np.atleast_2d(np.cov(points.T, aweights=weights)).diagonal())
    scott = weights.sum() ** (-1 / (points.shape[1] + 4))
    return _Kernels(points, weights / weights.sum(), factor * scott * spread)


def log_density(train: Lesions, held_out: Lesions, sizes: Sizes, factor: float = 1.0) -> Floats:
    """Return the log density (N,) of the boxes of `held_out` given their class.

    With respect to log area fraction, log aspect, x and y, as the prior's; 0 without a box.
    """
    total = np.zeros(len(held_out))
    for p in range(len(LESIONS)):
        own = train.pick(train.has_box & (train.pathology == p))
        mine = held_out.has_box & (held_out.pathology == p)
        other = held_out.pick(mine)
        (shape, x, _), (at, at_x, slope) = (_measure(sizes, some) for some in (own, other))
        ends = float(sizes.area[p, 2]), float(sizes.area[p, 3])
        logs = _kernels(shape, own.weight, factor).log_density(at, *ends) + slope[:, 1]
        known, asked = ~np.isnan(x), ~np.isnan(at_x)
        across = _kernels(x[known, None], own.weight[known], factor)
        logs[asked] += across.log_density(at_x[asked, None]) + slope[asked, 0]
        total[mine] = logs
    return total


def _measure(sizes: Sizes, lesions: Lesions) -> tuple[Floats, Floats, Floats]:
    """Return (N, 3) log area, log aspect, logit y; (N,) logit x; (N, 2) their log Jacobians."""
    low, high = place_span(sizes, lesions.boxes)
    room = np.maximum(high - low, _EDGE)
    share = np.clip((lesions.boxes[:, [X, Y]] - low) / room, _EDGE, 1 - _EDGE)
    logit = np.log(share / (1 - share))
    slope = -np.log(share * (1 - share) * room)
    return np.column_stack([lesions.boxes[:, [AREA, ASPECT]], logit[:, 1]]), logit[:, 0], slope
