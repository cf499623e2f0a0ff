"""Precision, recall, density and coverage: which images lie where those of the other set do.

In: features of synthetic and of real images. Out: `Score`s. Around each image lies a ball that
reaches to its k-th nearest image of another patient in its own set; what lies in the balls of
the real ones looks real, whose balls are empty the synthetic ones miss. The Vendi score tells as
how many images that have nothing in common a set is as diverse.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from busgen.errors import UserError
from busgen.metrics.distribution import distances, map_pairs
from busgen.seeds import Rng
from busgen.stats.bootstrap import DRAWS, Sample, Score, draw, join, summarise
from busgen.stats.patients import Floats, Rows

NEAREST = 5
MOST = {"density": np.inf}  # the others are shares


class Overlap(NamedTuple):
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


NAMES = Overlap._fields


def overlap(synthetic: Sample, real: Sample, rng: Rng, draws: int = DRAWS) -> dict[str, Score]:
    """Return the scores of `NAMES`, n against n: low is bad.

    Parameters are those of `busgen.metrics.distribution.kid`. Raises `UserError` as `kid`, or if
    patients are too few for `NEAREST` neighbours of other ones.
    """
    points, groups = join(synthetic, real)
    apart = map_pairs(distances, points)

    def compare(own: Rows, other: Rows) -> Floats:
        reach = [radii(apart(rows, rows), groups[rows]) for rows in (own, other)]
        return np.array(_compare(apart(own, other), reach[0], reach[1], NEAREST))

    record, found = draw(compare, (synthetic, real), rng, draws), {}
    for k, name in enumerate(NAMES):
        score = summarise(record.part(k), low_is_bad=True)
        low, high = (min(max(limit, 0.0), MOST.get(name, 1.0)) for limit in score.interval)
        found[name] = replace(score, interval=(low, high))
    return found


def overlap_points(generated: Floats, real: Floats, k: int = NEAREST) -> Overlap:
    """Return how points (M, D) lie over real ones (N, D), each of a group of its own."""
    own, other = (radii(distances(p, p), np.arange(len(p)), k) for p in (generated, real))
    return _compare(distances(generated, real), own, other, k)


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


def _compare(distances: Floats, own: Floats, other: Floats, k: int) -> Overlap:
    """Return the overlap of (M,) and (N,) balls whose centres are (M, N) `distances` apart."""
    in_real = distances < other[None, :]
    return Overlap(
        precision=float(in_real.any(axis=1).mean()),
        recall=float((distances < own[:, None]).any(axis=0).mean()),
        density=float(in_real.sum(axis=1).mean() / k),
        coverage=float(in_real.any(axis=0).mean()),
    )


def vendi(synthetic: Sample, real: Sample, rng: Rng, draws: int = DRAWS) -> Score:
    """Return the Vendi score of n synthetic images, beside that of n real ones.

    Low is bad. Values of other n or spaces do not compare. Parameters and errors are those of
    `busgen.metrics.distribution.kid`.
    """
    points, _ = join(synthetic, real)
    record = draw(lambda own, _: vendi_score(points[own]), (synthetic, real), rng, draws)
    return summarise(record, low_is_bad=True)


def vendi_score(points: Floats) -> float:
    """Return the Vendi score of points (N, D), in [1, N] (Friedman & Dieng 2023, arXiv 2210.02410).

    The exponential of the entropy of the eigenvalues of K / N, K the cosines of all pairs; of more
    points than dimensions those of the (D, D) product, which are the same.
    """
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.maximum(lengths, np.finfo(np.float64).tiny)
    product = unit.T @ unit if len(unit) > unit.shape[1] else unit @ unit.T
    shares = np.linalg.eigvalsh(product / len(unit))
    shares = shares[shares > np.finfo(np.float64).eps]
    return float(np.exp(-(shares * np.log(shares)).sum()))
