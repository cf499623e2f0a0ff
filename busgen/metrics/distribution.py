"""Distances between sets of images in a feature space, and which lie where those of the other do.

In: features of synthetic and of real images, with families and patients. Out: `Score`s: value,
n, interval, and the same score of real images against real ones of other patients at the same n.
Kernel and Fréchet distances. Precision, recall, density and coverage: around each image lies a ball
that reaches to its k-th nearest image of another patient in its own set; what lies in the balls of
the real ones looks real, whose balls are empty the synthetic ones miss. The Vendi score tells as
how many images that have nothing in common a set is as diverse.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from busgen.errors import UserError
from busgen.seeds import Rng
from busgen.stats.bootstrap import DRAWS, Draws, Sample, Score, draw, equal_size, join, summarise
from busgen.stats.patients import Floats, Rows, number_groups

MOST = 64  # dimensions of a Fréchet distance: covariances of more need more images than there are
KEPT = 4096  # points whose pairs are kept in memory: 128 MiB
NEAREST = 5
LARGEST = {"density": np.inf}  # the others are shares

Compare = Callable[[Floats, Floats], Floats]  # points (N, D) and (M, D) -> (N, M)
Between = Callable[[Rows, Rows], Floats]  # numbers (n,) and (m,) of points -> (n, m)


def kid(synthetic: Sample, real: Sample, rng: Rng, draws: int = DRAWS) -> Score:
    """Return the kernel distance (KID) of synthetic images from real ones.

    The unbiased estimate of the squared maximum mean discrepancy with the cubic kernel (Bińkowski
    2018, arXiv 1801.01401), `squared_mmd`, the mean of draws of n against n images. Raises
    `UserError` if dimensions differ, something is not finite, or real patients are too few.

    n is the number of synthetic images, or as many as two samples of real ones with no patient in
    common can have. `rng` draws images for value, interval and floor, `draws` each.
    """
    points, groups = join(synthetic, real)
    kernel = map_pairs(_cubic, points)
    return summarise(draw(partial(squared_mmd_of, kernel, groups), (synthetic, real), rng, draws))


def mmd(synthetic: Sample, real: Sample, rng: Rng, draws: int = DRAWS) -> Score:
    """Return the squared maximum mean discrepancy of a Gaussian kernel, n against n.

    As `kid`, with kernel exp(-|x - y|^2 / 2 s^2), which unlike the cubic one tells any two
    distributions apart (Gretton 2012, jmlr.org/papers/v13/gretton12a); s is the median distance
    of real images of different patients (Garreau 2017, arXiv 1707.07269), so that the kernel
    does not depend on what is scored. Raises as `kid`.
    """
    points, groups = join(synthetic, real)
    kernel = map_pairs(gaussian_kernel(group_distances(real)), points)
    return summarise(draw(partial(squared_mmd_of, kernel, groups), (synthetic, real), rng, draws))


def gaussian_kernel(known: Floats) -> Compare:
    """Return the kernel of points (N, D) and (M, D) whose width is the median `known` distance."""
    width = max(float(np.median(known)), float(np.finfo(np.float64).tiny) ** 0.5)
    return lambda a, b: np.asarray(np.exp(-(distances(a, b) ** 2) / (2 * width**2)), np.float64)


def frechet(
    synthetic: Sample, real: Sample, rng: Rng, draws: int = DRAWS, *, singular: bool = False
) -> Score:
    """Return the Fréchet distance of synthetic images from real ones, n against n.

    As `kid`, of means and covariances (`frechet_distance`). It is biased by n: its floor is not 0,
    and values of other n or dimensions do not compare. `singular` allows any number of dimensions,
    as FID's 2,048, of which fewer images fit a covariance that is singular: the bias then
    dominates, and only the floor tells what a value says. Raises `UserError` as `kid`, or if there
    are more than `MOST` dimensions, or no more images than dimensions, unless `singular`.
    """
    points, _ = join(synthetic, real)
    n, dimensions = equal_size(synthetic, real), points.shape[1]
    if not singular and not dimensions <= min(MOST, n - 1):
        rule = f"a Fréchet distance takes at most {MOST} dimensions, and more images than those"
        raise UserError(rule, f"{dimensions} dimensions, {n} images", "keep the first dimensions")
    return summarise(
        draw(lambda a, b: frechet_distance(points[a], points[b]), (synthetic, real), rng, draws)
    )


def squared_mmd(a: Sample, b: Sample) -> float:
    """Return the unbiased squared maximum mean discrepancy, kernel (x y / D + 1)^3.

    Pairs within a sample count only if their groups differ: images of one patient look alike,
    which would else pass for a difference between the samples. May be negative.
    """
    points, groups = join(a, b)
    rows = np.arange(len(points))
    return squared_mmd_of(map_pairs(_cubic, points), groups, rows[: len(a)], rows[len(a) :])


def frechet_distance(a: Floats, b: Floats) -> float:
    """Return the squared Fréchet distance of Gaussians fitted to (N, D) and (M, D) points.

    |mean difference|^2 + tr(A + B - 2 (A B)^(1/2)) (Dowson & Landau 1982,
    doi:10.1016/0047-259X(82)90077-X). Where points are fewer than dimensions, the last trace is
    the sum of the singular values of their (N, M) products, which is the same and much smaller.
    """
    apart = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    if max(len(a), len(b)) <= a.shape[1]:
        scaled = [(points - points.mean(axis=0)) / np.sqrt(len(points) - 1) for points in (a, b)]
        traces = sum(float((points**2).sum()) for points in scaled)
        shared = np.linalg.svd(scaled[0] @ scaled[1].T, compute_uv=False).sum()
        return float(apart + traces - 2 * shared)
    one, two = (np.atleast_2d(np.cov(points, rowvar=False)) for points in (a, b))
    values, axes = np.linalg.eigh(one)
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)).sum()
    return float(apart + np.trace(one) + np.trace(two) - 2 * both)


def distances(a: Floats, b: Floats) -> Floats:
    """Return Euclidean distances (N, M) of points (N, D) from points (M, D)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float64)


def group_distances(sample: Sample) -> Floats:
    """Return the distances of all pairs of different groups, (pairs,)."""
    of = number_groups(sample.groups)
    others = of[:, None] != of[None, :]
    return np.asarray(distances(sample.points, sample.points)[others], np.float64)


def _cubic(a: Floats, b: Floats) -> Floats:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


def map_pairs(compare: Compare, points: Floats) -> Between:
    """Return what `compare` says of rows and rows of points (N, D), as (n, m) of numbers of them.

    Looked up while all pairs of at most `KEPT` points fit into memory, else computed when asked:
    memory does not grow with the square of N.
    """
    if len(points) > KEPT:
        return lambda a, b: compare(points[a], points[b])
    every = compare(points, points)
    return lambda a, b: every[np.ix_(a, b)]


def squared_mmd_of(kernel: Between, groups: Rows, a: Rows, b: Rows) -> float:
    """Return `squared_mmd` of two sets of rows; `groups` (N,) are those of all points."""
    alike = [_mean(kernel(one, one), groups[one]) for one in (a, b)]
    return float(sum(alike) - 2 * kernel(a, b).mean())


def _mean(kernel: Floats, groups: Rows) -> float:
    """Return the mean over pairs of different groups, NaN where there is one group only."""
    other = groups[:, None] != groups[None, :]
    return float(kernel[other].mean()) if other.any() else np.nan


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

    Parameters are those of `kid`. Raises `UserError` as `kid`, or if
    patients are too few for `NEAREST` neighbours of other ones.
    """
    points, groups = join(synthetic, real)
    apart = map_pairs(distances, points)

    def compare(own: Rows, other: Rows) -> Floats:
        reach = [radii(apart(rows, rows), groups[rows]) for rows in (own, other)]
        return np.array(_overlap(apart(own, other), reach[0], reach[1], NEAREST))

    drawn, found = draw(compare, (synthetic, real), rng, draws), {}
    parts = zip(drawn.values.T, drawn.boot.T, drawn.floor.T, strict=True)
    for name, part in zip(NAMES, parts, strict=True):
        score = summarise(Draws(drawn.n, *part), low_is_bad=True)
        low, high = (min(max(limit, 0.0), LARGEST.get(name, 1.0)) for limit in score.interval)
        found[name] = replace(score, interval=(low, high))
    return found


def overlap_points(generated: Floats, real: Floats, k: int = NEAREST) -> Overlap:
    """Return how points (M, D) lie over real ones (N, D), each of a group of its own."""
    own, other = (radii(distances(p, p), np.arange(len(p)), k) for p in (generated, real))
    return _overlap(distances(generated, real), own, other, k)


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


def _overlap(distances: Floats, own: Floats, other: Floats, k: int) -> Overlap:
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
    `kid`.
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
