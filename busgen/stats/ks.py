"""Distance between values of a release and of real images, with its interval and its floor.

In: two samples, the real one with its patients. Out: Kolmogorov-Smirnov distances, their
bootstrap, and the same distance between real samples of other patients.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Bools, Floats
from busgen.stats.patients import counts_of_draws, moved_interval, number_groups

RESAMPLES = 200
MIN_N = 20  # fewer images on either side say nothing about a distribution


class Distance(NamedTuple):
    """One KS distance; `boot` and `floor` hold `RESAMPLES` distances each."""

    value: float
    n: int
    n_real: int
    boot: Floats
    floor: Floats


class Draws(NamedTuple):
    """How often each image is drawn in each resample; the same for all statistics of an image.

    `own` (R, n) counts of the release's images; `real` (R, m) counts of the real ones, all
    images of a patient together; `half` (R, m) whether a patient is in the first half.
    """

    own: Floats
    real: Floats
    half: Bools


def make_draws(n: int, patients: NDArray[np.int64], pick: np.random.Generator) -> Draws:
    """Return the resamples of `n` images and of real ones, of which `patients` (m,) are known."""
    own, real = (counts_of_draws(of, pick, RESAMPLES) for of in (np.arange(n), patients))
    number = number_groups(patients)
    count = int(number.max()) + 1
    ranks = pick.permuted(np.tile(np.arange(count), (RESAMPLES, 1)), axis=1)
    return Draws(own, real, (ranks < count / 2)[:, number])


def ks(a: Floats, b: Floats) -> float:
    """Return the two-sample Kolmogorov-Smirnov distance, in [0, 1]; ties are handled exactly."""
    return float(weighted_ks(a, b, np.ones((1, a.size)), np.ones((1, b.size)))[0])


def weighted_ks(a: Floats, b: Floats, weights_a: Floats, weights_b: Floats) -> Floats:
    """Return (R,) distances of `a` (n,) and `b` (m,) under weights (R, n) and (R, m)."""
    values = np.concatenate([a, b])
    order = np.argsort(values, kind="stable")
    last = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1)  # of equal ones
    first, second = (w / np.maximum(w.sum(1, keepdims=True), 1) for w in (weights_a, weights_b))
    steps = np.cumsum(np.concatenate([first, -second], axis=1)[:, order], axis=1)
    return np.asarray(np.abs(steps[:, last]).max(axis=1), np.float64)


def ks_distance(own: Floats, real: Floats, draws: Draws) -> Distance:
    """Compare a statistic of a release's images with that of real ones.

    `own` (n,) and `real` (m,) are NaN where the statistic does not apply; `draws` are resamples of
    the same images. The floor is measured between halves of the real patients, and brought from
    their sizes to n and n_real: a distance of equal distributions goes with sqrt(1/n + 1/n_real).
    """
    here, there = ~np.isnan(own), ~np.isnan(real)
    a, b = own[here], real[there]
    boot = weighted_ks(a, b, draws.own[:, here], draws.real[:, there])
    first = draws.half[:, there].astype(np.float64)
    one, two = first.sum(axis=1), (1 - first).sum(axis=1)
    halves = weighted_ks(b, b, first, 1 - first)
    scale = np.sqrt((1 / a.size + 1 / b.size) / (1 / np.maximum(one, 1) + 1 / np.maximum(two, 1)))
    return Distance(ks(a, b), a.size, b.size, boot, np.minimum(halves * scale, 1.0))


def summarise(distances: Sequence[Distance]) -> dict[str, object]:
    """Return the mean of distances as ``value, n, n_real, interval, floor``.

    The interval is the bootstrap's 95 %, moved to the value (`moved_interval`). Statistics of one
    image go together: drawn with the same `Draws`, a mean's interval is as wide as if they said
    the same. The floor is the mean distance between two real samples of n and n_real: near it,
    nothing tells from real.
    """
    value = float(np.mean([d.value for d in distances]))
    boot = np.mean([d.boot for d in distances], axis=0)
    low, high = moved_interval(value, boot)
    return {
        "value": round(value, 4),
        "n": min(d.n for d in distances),
        "n_real": min(d.n_real for d in distances),
        "interval": [round(max(0.0, low), 4), round(min(1.0, high), 4)],
        "floor": round(float(np.mean([d.floor for d in distances])), 4),
    }
