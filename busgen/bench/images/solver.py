"""What few evaluations cost: the kernel distance by default beside that of many steps.

In: findings in the stead of real crops. Out: figures, of the same findings and seeds. Few images
are drawn, for many steps take long: the distances compare with each other, not with the one of
all held-out crops.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.bench.harness import Figure
from busgen.bench.images.matched import Request, render
from busgen.bench.images.realism import Reference
from busgen.images.contract import ModelOptions
from busgen.images.engines import load_image_engine
from busgen.metrics.distribution import kid
from busgen.metrics.memorization import describe
from busgen.real.crops import SIDE
from busgen.stats.bootstrap import Sample, Score

Distance = Callable[[NDArray[np.uint8], NDArray[np.str_]], Score]


def measure_distance(real: Reference, images: NDArray[np.uint8], groups: NDArray[np.str_]) -> Score:
    """Return the kernel distance in `us64` of images (N, S, S) of groups (N,) from real ones."""
    points = describe(images, groups, real.space).points
    other = Sample(real.looks.points, real.looks.groups)
    return kid(Sample(points, groups), other, seeds.rng(0, "kid of steps"))


def figures(
    name: str, asked: Request, distance: Distance, steps: Sequence[int], threads: int
) -> dict[str, Figure]:
    """Return the distance of a learned engine's images, by default and with other steps."""
    groups = np.arange(len(asked.findings)).astype(np.str_)
    told = {}
    for count in (None, *steps):
        engine = load_image_engine(name, SIDE, "auto", threads, ModelOptions(steps=count))
        score = distance(render(engine, asked), groups)
        key = f"kid_us64_steps_{count or 'default'}"
        told[key] = Figure(score.value, "squared distance", score.n, score.interval)
    return told
