"""What a score is, and how it gets its interval and its floor: draws of whole patients.

In: any function of two sets of rows, and what the rows stem from. Out: `Score`: value, n, interval,
and the same score of real images against real ones of other patients at the same n.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from busgen.arrays import Floats, Names
from busgen.errors import UserError
from busgen.seeds import Rng
from busgen.stats.patients import ENDS, Rows, draw_groups, moved_interval, number_groups, resample

DRAWS = 200

Between = Callable[[Rows, Rows], float | Floats]  # one or several (S,) scores of two sets of rows


@dataclass(frozen=True)
class Sample:
    """Features (N, D) of images and what they stem from (N,): a patient, or a family."""

    points: Floats
    groups: Names

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class Score:
    """A score of `n` images against `n` real ones, `dataclasses.asdict` makes it JSON.

    `interval` 95 %, bootstrap; `floor` mean of the same score between `n` and `n` real images
    of other patients, `floor_limit` its 97.5 % quantile: within it, nothing tells from real. Of
    scores that are low where images are bad (`low_is_bad`) it is the 2.5 % quantile.
    """

    value: float
    n: int
    interval: tuple[float, float]
    floor: float
    floor_limit: float


@dataclass(frozen=True)
class Draws:
    """Scores of draws (R,) or (R, S): of `n` against `n` images, bootstrapped, real on real."""

    n: int
    values: Floats
    boot: Floats
    floor: Floats


def draw(between: Between, samples: tuple[Sample, Sample], rng: Rng, draws: int = DRAWS) -> Draws:
    """Return draws of what `between` says of two sets of rows, synthetic ones first.

    Rows are those of the points of both samples, one after the other (`join`); `draws` are taken of
    each of value, interval and floor.
    """
    synthetic, real = samples
    n, first = equal_size(synthetic, real), len(synthetic)
    pick, halve, again = rng.spawn(3)  # the floor is the same whatever it stands beside
    groups = [number_groups(sample.groups) for sample in samples]
    values, boot, floor = [], [], []
    for _ in range(draws):
        own, other = (draw_groups(of, n, pick)[0] for of in groups)
        values.append(between(own, first + other))
        one, two = draw_groups(groups[1], n, halve)
        floor.append(between(first + one, first + two))
        own, other = (resample(of, n, again) for of in groups)
        boot.append(between(own, first + other))
    return Draws(n, *(np.array(all_of, np.float64) for all_of in (values, boot, floor)))


def summarise(drawn: Draws, *, low_is_bad: bool = False) -> Score:
    """Return the score of draws (R,), its interval moved to the value (`moved_interval`)."""
    value, floor = float(drawn.values.mean()), float(drawn.floor.mean())
    limit = float(np.quantile(drawn.floor, ENDS[0] if low_is_bad else ENDS[1]))
    return Score(value, drawn.n, moved_interval(value, drawn.boot), floor, limit)


def equal_size(synthetic: Sample, real: Sample) -> int:
    """Return how many images are compared: two real samples without a common patient exist."""
    largest = int(np.unique(real.groups, return_counts=True)[1].max())
    n = min(len(synthetic), (len(real) - largest) // 2)
    if n < 2 or len(np.unique(synthetic.groups)) < 2:
        got = f"{len(synthetic)} synthetic, {len(real)} real ones"
        raise UserError("scores need images of several families and patients", got, "give more")
    return n


def join(a: Sample, b: Sample) -> tuple[Floats, Rows]:
    """Return points and groups of both, those of `a` first; groups are numbers.

    Raises `UserError` if dimensions differ or something is not finite.
    """
    if a.points.ndim != 2 or a.points.shape[1:] != b.points.shape[1:]:
        got = f"{a.points.shape} and {b.points.shape}"
        raise UserError("features must be (N, D) of one space", got, "embed both alike")
    points = np.concatenate([a.points, b.points])
    if not np.isfinite(points).all():
        got = f"{int((~np.isfinite(points)).sum())} that are not"
        raise UserError("features must be finite", got, "leave out the images they are of")
    return points, np.concatenate([number_groups(sample.groups) for sample in (a, b)])
