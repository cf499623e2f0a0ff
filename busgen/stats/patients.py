"""Bootstrap over patients: 95 % intervals of any score of rows, whole patients drawn at a time.

In: a score of rows, the patient of each row. Out: an interval.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Score = Callable[[NDArray[np.intp]], float]  # of the rows that it is given
DRAWS = 1000


def interval(
    score: Score,
    groups: NDArray[np.str_],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> list[float]:
    """Return the 95 % bootstrap interval of `score(rows)`, whole patients drawn at a time."""
    _, of = np.unique(groups, return_inverse=True)
    rows_of = [np.flatnonzero(of == number) for number in range(of.max() + 1)]
    values = []
    for _ in range(draws):
        drawn = rng.integers(len(rows_of), size=len(rows_of))
        values.append(score(np.concatenate([rows_of[number] for number in drawn])))
    return [round(float(x), 4) for x in np.nanquantile(values, [0.025, 0.975])]


def mean_of(values: Floats) -> Score:
    """Return the mean as a score of rows."""
    return lambda rows: float(values[rows].mean())
