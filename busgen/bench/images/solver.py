"""What few evaluations cost: the kernel distance by default beside that of many steps.

In: findings in the stead of real crops. Out: figures, of the same findings and seeds. Few pictures
are drawn, for many steps take long: the distances compare with each other, not with the one of
all held-out crops.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.bench.harness import Figure
from busgen.bench.images.matched import Asked, rendered
from busgen.bench.images.realism import Standard
from busgen.images.contract import Learned
from busgen.images.engines import load_image_engine
from busgen.metrics.distribution import kid
from busgen.metrics.memorization import looks_of
from busgen.real.crops import SIDE
from busgen.stats.bootstrap import Sample, Score

Distance = Callable[[NDArray[np.uint8], NDArray[np.str_]], Score]


def distance_to(real: Standard) -> Distance:
    """Return the kernel distance in `us64` of pictures (N, S, S) of groups (N,) from real ones."""
    other = Sample(real.looks.points, real.looks.groups)

    def distance(images: NDArray[np.uint8], groups: NDArray[np.str_]) -> Score:
        points = looks_of(images, groups, real.space).points
        return kid(Sample(points, groups), other, seeds.rng(0, "kid of steps"))

    return distance


def figures(
    name: str, asked: Asked, distance: Distance, steps: Sequence[int], threads: int
) -> dict[str, Figure]:
    """Return the distance of a learned engine's pictures, by default and with other steps."""
    groups = np.arange(len(asked.findings)).astype(np.str_)
    told = {}
    for count in (None, *steps):
        engine = load_image_engine(name, SIDE, "auto", threads, Learned(steps=count))
        score = distance(rendered(engine, asked), groups)
        key = f"kid_us64_steps_{count or 'default'}"
        told[key] = Figure(score.value, "squared distance", score.n, score.interval)
    return told
