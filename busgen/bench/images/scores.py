"""Scores with their 95 % intervals over patients, as the image benchmark's figures.

In: values of images and the patients that they belong to. Out: figures.
"""

from collections.abc import Mapping
from math import isnan

import numpy as np

from busgen import seeds
from busgen.arrays import Bools, Floats, Names
from busgen.bench.harness import Figure
from busgen.stats import patients
from busgen.stats.patients import Score, mean_score
from busgen.stats.roc import auc


def interval(score: Score, groups: Names, unit: str, stream: str) -> Figure | None:
    """Return `score` of rows 0 ... N - 1 with its bootstrap over patients, `groups` (N,).

    None where it has no value. `stream` names the random numbers that draw the patients.
    """
    value = score(np.arange(len(groups))) if len(groups) else float("nan")
    if isnan(value):
        return None
    low, high = patients.interval(score, groups, seeds.rng(0, stream))
    return Figure(value, unit, len(groups), (low, high))


def mean(values: Floats, groups: Names, unit: str, stream: str) -> Figure | None:
    """Return the mean of (N,) values with its interval over patients; NaN are left out."""
    known = ~np.isnan(values)
    return interval(mean_score(values[known]), groups[known], unit, stream)


def auc_loss(outcomes: Bools, real: Floats, generated: Floats) -> Score:
    """Return, as a score of rows, how far the AUC on rendered images is below that on real."""
    return lambda rows: auc(outcomes[rows], real[rows]) - auc(outcomes[rows], generated[rows])


def auc_score(outcomes: Bools, probabilities: Floats) -> Score:
    """Return the mean AUC of several classifiers, probabilities (K, N), as a score of rows."""
    return lambda rows: float(np.mean([auc(outcomes[rows], own[rows]) for own in probabilities]))


def drop_missing(figures: Mapping[str, Figure | None]) -> dict[str, Figure]:
    """Return the figures that could be measured."""
    return {name: figure for name, figure in figures.items() if figure is not None}
