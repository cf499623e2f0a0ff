"""Bootstrap over patients: whole patients are drawn, never single images of one.

In: the patient of each row. Out: drawn rows or weights, 95 % intervals of any score of rows.
Images of one patient are alike: drawn one by one they would make every interval too narrow
(Davison and Hinkley 1997, section 3.8). A family of synthetic images counts as a patient.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Bools, Floats as Floats, Indices
from busgen.seeds import Rng

Rows = Indices
Score = Callable[[Rows], float]  # of the rows that it is given
DRAWS = 1000
ENDS = (0.025, 0.975)


def number_groups(groups: NDArray[Any]) -> Rows:
    """Return the number (N,) of each row's group."""
    return np.unique(groups, return_inverse=True)[1]


def counts_of_draws(groups: NDArray[Any], rng: Rng, draws: int) -> Floats:
    """Return how often each row (N,) is in each draw of as many groups: (draws, N)."""
    of = number_groups(groups)
    size = int(of.max()) + 1
    drawn = rng.multinomial(size, np.full(size, 1 / size), draws)
    return drawn[:, of].astype(np.float64)


def draw_groups(of: Rows, n: int, rng: Rng) -> tuple[Rows, Rows]:
    """Return the first and last n rows, groups together, in an order drawn at random.

    `of` (N,) is the number of each row's group (`number_groups`).
    """
    order = np.argsort(rng.permutation(int(of.max()) + 1)[of], kind="stable")
    return order[:n], order[-n:]


def resample(of: Rows, n: int, rng: Rng) -> Rows:
    """Return n rows of groups drawn with replacement; `of` as in `draw_groups`."""
    order, counts = np.argsort(of, kind="stable"), np.bincount(of)
    ends = np.cumsum(counts)
    rows: list[Rows] = []
    while n > 0:
        group = int(rng.integers(len(counts)))
        rows.append(order[ends[group] - counts[group] : ends[group]][:n])
        n -= len(rows[-1])
    return np.concatenate(rows)


def split_halves(groups: NDArray[Any], rng: Rng) -> Bools:
    """Return whether each row's group is in a half of the groups drawn at random, (N,)."""
    of = number_groups(groups)
    count = int(of.max()) + 1
    return np.asarray((rng.permutation(count) < count / 2)[of])


def interval(score: Score, groups: NDArray[Any], rng: Rng, draws: int = DRAWS) -> list[float]:
    """Return the 95 % bootstrap interval of `score(rows)`, whole patients drawn at a time.

    Draws in which the score is NaN are left out.
    """
    of = number_groups(groups)
    size, rows = int(of.max()) + 1, np.arange(len(of))
    values = []
    for _ in range(draws):
        drawn = np.bincount(rng.integers(size, size=size), minlength=size)
        values.append(score(np.repeat(rows, drawn[of])))
    return [round(float(end), 4) for end in np.nanquantile(values, ENDS)]


def moved_interval(value: float, boot: Floats) -> tuple[float, float]:
    """Return the 95 % interval of bootstrapped scores (R,), moved to the value.

    Rows drawn twice shift the bootstrap's centre, of distances between samples upwards.
    """
    low, high = value + np.quantile(boot, ENDS) - boot.mean()
    return float(low), float(high)


def mean_score(values: Floats) -> Score:
    """Return the mean as a score of rows."""
    return lambda rows: float(values[rows].mean())
