"""Distances between sets of pictures in a feature space: kernel distance and Fréchet distance.

In: features of synthetic and of real pictures, with families and patients. Out: `Score`s: value,
n, interval, and the same score of real pictures against real ones of other patients at the same n.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from busgen.errors import UserError

DRAWS = 200
MOST = 64  # dimensions of a Fréchet distance: covariances of more need more pictures than there are

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Between = Callable[[Rows, Rows], float]  # the distance of two sets of rows


@dataclass(frozen=True)
class Sample:
    """Features (N, D) of pictures and what they stem from (N,): a patient, or a family."""

    points: Floats
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class Score:
    """A score of `n` pictures against `n` real ones, `dataclasses.asdict` makes it JSON.

    `interval` 95 %, bootstrap; `floor` mean of the same score between `n` and `n` real pictures
    of other patients, `floor_limit` its 97.5 % quantile: within it, nothing tells from real.
    """

    value: float
    n: int
    interval: tuple[float, float]
    floor: float
    floor_limit: float


def kid(synthetic: Sample, real: Sample, rng: np.random.Generator, draws: int = DRAWS) -> Score:
    """Return the kernel distance (KID) of synthetic pictures from real ones.

    The unbiased estimate of the squared maximum mean discrepancy with the cubic kernel (Bińkowski
    2018, arXiv 1801.01401), `mmd2`, the mean of draws of n against n pictures.

    Parameters
    ----------
    synthetic, real
        Features in one space. n is the number of synthetic pictures, or as many as two samples of
        real ones with no patient in common can have.
    rng
        Draws pictures for value, interval and floor.
    draws
        How many each.

    Raises
    ------
    UserError
        If dimensions differ, something is not finite, or real patients are too few.
    """
    points, groups = _both(synthetic, real)
    kernel = _cubic(points, points)
    return _scored(lambda a, b: _mmd2(kernel, groups, (a, b)), (synthetic, real), rng, draws)


def frechet(synthetic: Sample, real: Sample, rng: np.random.Generator, draws: int = DRAWS) -> Score:
    """Return the Fréchet distance of synthetic pictures from real ones, n against n.

    As `kid`, of means and covariances (`frechet_distance`). It is biased by n: its floor is not 0,
    and values of other n or dimensions do not compare.

    Raises
    ------
    UserError
        As `kid`, or if there are more than `MOST` dimensions, or no more pictures than dimensions.
    """
    points, _ = _both(synthetic, real)
    n, dimensions = _equal_n(synthetic, real), points.shape[1]
    if not dimensions <= min(MOST, n - 1):
        rule = f"a Fréchet distance takes at most {MOST} dimensions, and more pictures than those"
        raise UserError(rule, f"{dimensions} dimensions, {n} pictures", "keep the first dimensions")
    return _scored(
        lambda a, b: frechet_distance(points[a], points[b]), (synthetic, real), rng, draws
    )


def mmd2(a: Sample, b: Sample) -> float:
    """Return the unbiased squared maximum mean discrepancy, kernel (x y / D + 1)^3.

    Pairs within a sample count only if their groups differ: pictures of one patient look alike,
    which would else pass for a difference between the samples. May be negative.
    """
    points, groups = _both(a, b)
    rows = np.arange(len(points))
    return _mmd2(_cubic(points, points), groups, (rows[: len(a)], rows[len(a) :]))


def frechet_distance(a: Floats, b: Floats) -> float:
    """Return the squared Fréchet distance of Gaussians fitted to (N, D) and (M, D) points.

    |mean difference|^2 + tr(A + B - 2 (A B)^(1/2)) (Dowson & Landau 1982,
    doi:10.1016/0047-259X(82)90077-X).
    """
    one, two = (np.atleast_2d(np.cov(points, rowvar=False)) for points in (a, b))
    values, axes = np.linalg.eigh(one)
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)).sum()
    apart = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return float(apart + np.trace(one) + np.trace(two) - 2 * both)


def _cubic(a: Floats, b: Floats) -> Floats:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


def _mmd2(kernel: Floats, groups: Rows, rows: tuple[Rows, Rows]) -> float:
    a, b = rows
    alike = [_mean_of_others(kernel[np.ix_(one, one)], groups[one]) for one in rows]
    return float(sum(alike) - 2 * kernel[np.ix_(a, b)].mean())


def _mean_of_others(kernel: Floats, groups: Rows) -> float:
    """Return the mean over pairs of different groups."""
    other = groups[:, None] != groups[None, :]
    return float(kernel[other].mean())


def _scored(
    between: Between, samples: tuple[Sample, Sample], rng: np.random.Generator, draws: int
) -> Score:
    """Return the score of a distance between rows, synthetic ones first.

    The interval is the bootstrap's, moved to the value: pictures drawn twice shift its centre.
    """
    synthetic, real = samples
    n, first = _equal_n(synthetic, real), len(synthetic)
    pick, halve, again = rng.spawn(3)  # the floor is the same whatever it stands beside
    values, boot, floor = [], [], []
    for _ in range(draws):
        own, other = (_whole(sample.groups, n, pick)[0] for sample in samples)
        values.append(between(own, first + other))
        one, two = _whole(real.groups, n, halve)
        floor.append(between(first + one, first + two))
        own, other = (_resampled(sample.groups, n, again) for sample in samples)
        boot.append(between(own, first + other))
    value = float(np.mean(values))
    low, high = value + np.quantile(boot, [0.025, 0.975]) - np.mean(boot)
    return Score(
        value,
        n,
        (float(low), float(high)),
        float(np.mean(floor)),
        float(np.quantile(floor, 0.975)),
    )


def _equal_n(synthetic: Sample, real: Sample) -> int:
    """Return how many pictures are compared: two real samples without a common patient exist."""
    largest = int(np.unique(real.groups, return_counts=True)[1].max())
    n = min(len(synthetic), (len(real) - largest) // 2)
    if n < 2 or len(np.unique(synthetic.groups)) < 2:
        got = f"{len(synthetic)} synthetic, {len(real)} real ones"
        raise UserError("scores need pictures of several families and patients", got, "give more")
    return n


def _whole(groups: NDArray[np.str_], n: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return the first and last n rows, groups together, in an order drawn at random."""
    of = np.unique(groups, return_inverse=True)[1]
    order = np.argsort(rng.permutation(int(of.max()) + 1)[of], kind="stable")
    return order[:n], order[-n:]


def _resampled(groups: NDArray[np.str_], n: int, rng: np.random.Generator) -> Rows:
    """Return n rows of groups drawn with replacement."""
    of = np.unique(groups, return_inverse=True)[1]
    order, counts = np.argsort(of, kind="stable"), np.bincount(of)
    ends = np.cumsum(counts)
    rows: list[Rows] = []
    while sum(map(len, rows)) < n:
        group = int(rng.integers(len(counts)))
        rows.append(order[ends[group] - counts[group] : ends[group]])
    return np.concatenate(rows)[:n]


def _both(a: Sample, b: Sample) -> tuple[Floats, Rows]:
    """Return points and groups of both, those of `a` first; groups are numbers."""
    if a.points.ndim != 2 or a.points.shape[1:] != b.points.shape[1:]:
        got = f"{a.points.shape} and {b.points.shape}"
        raise UserError("features must be (N, D) of one space", got, "embed both alike")
    points = np.concatenate([a.points, b.points])
    if not np.isfinite(points).all():
        got = f"{int((~np.isfinite(points)).sum())} that are not"
        raise UserError("features must be finite", got, "leave out the pictures they are of")
    numbers = [np.unique(sample.groups, return_inverse=True)[1] for sample in (a, b)]
    return points, np.concatenate(numbers)
