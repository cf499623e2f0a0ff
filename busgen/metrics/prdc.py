"""Precision, recall, density and coverage: which images lie where those of the other set do.

In: features of synthetic and of real images. Out: `Score`s. Around each image lies a ball that
reaches to its k-th nearest image of another patient in its own set; what lies in the balls of
the real ones looks real, whose balls are empty the synthetic ones miss.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from busgen.errors import UserError
from busgen.metrics.distribution import Between, distances, map_pairs
from busgen.seeds import Rng
from busgen.stats.bootstrap import DRAWS, Sample, Score, draw, join, summarise
from busgen.stats.patients import Floats, Rows

NEAREST = 5
NAMES = ("precision", "recall", "density", "coverage")
MOST = {"density": np.inf}  # the others are shares


@dataclass(frozen=True)
class Overlap:
    """How two sets lie over each other.

    `precision` share of synthetic images in the ball of a real one, `recall` of real ones in
    that of a synthetic one (Kynkäänniemi 2019, arXiv 1904.06991); `density` how many balls of real
    ones a synthetic image lies in, over k, `coverage` share of real ones whose ball holds a
    synthetic one (Naeem 2020, arXiv 2002.09797).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(synthetic: Sample, real: Sample, rng: Rng, draws: int = DRAWS) -> dict[str, Score]:
    """Return the scores of `NAMES`, n against n: low is bad.

    Parameters are those of `busgen.metrics.distribution.kid`. Raises `UserError` as `kid`, or if
    patients are too few for `NEAREST` neighbours of other ones.
    """
    points, groups = join(synthetic, real)
    told = draw(
        partial(_between, map_pairs(distances, points), groups), (synthetic, real), rng, draws
    )
    found = {name: summarise(told.part(k), low_is_bad=True) for k, name in enumerate(NAMES)}
    return {name: _bound(score, MOST.get(name, 1.0)) for name, score in found.items()}


def overlap_points(made: Floats, real: Floats, k: int = NEAREST) -> Overlap:
    """Return how points (M, D) lie over real ones (N, D), each of a group of its own."""
    own, other = (radii(distances(p, p), np.arange(len(p)), k) for p in (made, real))
    return _laid_over(distances(made, real), own, other, k)


def radii(distances: Floats, groups: Rows, k: int = NEAREST) -> Floats:
    """Return (N,) distances to the k-th nearest of another group, of distances (N, N).

    Raises `UserError` if there are fewer than `k` of other groups.
    """
    others = np.where(groups[:, None] == groups[None, :], np.inf, distances)
    reach = np.partition(others, k - 1, axis=1)[:, k - 1] if len(others) >= k else others
    if not np.isfinite(reach).all():
        got = f"{len(groups)} images of {len(np.unique(groups))}"
        rule = f"each image must have {k} neighbours of other patients"
        raise UserError(rule, got, "give images of more patients")
    return np.asarray(reach, np.float64)


def _between(distances: Between, groups: Rows, own: Rows, other: Rows) -> Floats:
    reach = [radii(distances(rows, rows), groups[rows]) for rows in (own, other)]
    told = _laid_over(distances(own, other), reach[0], reach[1], NEAREST)
    return np.array([getattr(told, name) for name in NAMES])


def _laid_over(distances: Floats, own: Floats, other: Floats, k: int) -> Overlap:
    """Return the overlap of (M,) and (N,) balls whose centres are (M, N) `distances` apart."""
    in_real = distances < other[None, :]
    return Overlap(
        precision=float(in_real.any(axis=1).mean()),
        recall=float((distances < own[:, None]).any(axis=0).mean()),
        density=float(in_real.sum(axis=1).mean() / k),
        coverage=float(in_real.any(axis=0).mean()),
    )


def _bound(score: Score, most: float) -> Score:
    low, high = (min(max(limit, 0.0), most) for limit in score.interval)
    return replace(score, interval=(low, high))
