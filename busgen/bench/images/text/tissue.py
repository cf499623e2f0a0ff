"""Control by words: the tissue around a lesion, as far as a small classifier can tell it.

In: BrEaST's crops with the tissue that its readers state; images with the tissue asked for.
Out: AUCs. Its training patients fit a logistic regression on what is measured on whole images;
grey levels differ more by machine than by tissue, so that every statistic is put in units of its
own machine's images first. On real patients it tells little: see the figure beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from busgen.arrays import Floats, Indices, Names, Pixels
from busgen.bench.harness import Figure
from busgen.bench.images.scores import interval
from busgen.imaging.statistics import GROUPS, measure_image
from busgen.schema import TISSUES
from busgen.stats.roc import auc

FEWEST = 2  # images of a tissue: with one its AUC is a single comparison's
STATISTICS = (
    *(name for name in GROUPS["grey"] if name != "contrast"),
    *GROUPS["depth"],
    "speckle_axial_px",
    "speckle_lateral_px",
    "spectrum_slope",
)
STRENGTH = 0.1  # inverse of the regression's penalty: some 150 images, 30 statistics


@dataclass(frozen=True)
class Examples:
    """Statistics (N, statistics) in units of their machine, tissues (N,), patients (N,)."""

    statistics: Floats
    tissues: Names
    groups: Names


def make_examples(
    images: Pixels,
    machines: Names,
    tissues: Sequence[str | None],
    groups: Names,
) -> Examples:
    """Return what is measured on images (N, S, S) whose tissue is told."""
    empty = np.zeros(images.shape[1:], np.uint8)
    rows = [measure_image(image, empty, None) for image in images]
    found = np.array([[row.get(name, np.nan) for name in STATISTICS] for row in rows])
    for machine in np.unique(machines):
        own = machines == machine
        found[own] = StandardScaler().fit_transform(found[own])  # NaN stay NaN
    measured = np.array([tissue in TISSUES for tissue in tissues], np.bool_)
    words = np.array([str(tissue) for tissue in tissues])
    return Examples(np.nan_to_num(found)[measured], words[measured], groups[measured])


def fit(training: Examples) -> LogisticRegression:
    """Return the regression of tissue on statistics, tissues equally weighted."""
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000)
    return model.fit(training.statistics, training.tissues)


def measure(model: LogisticRegression, seen: Examples) -> Figure | None:
    """Return the mean AUC of each tissue against the others; None where one is too rare."""
    probabilities, tissues = model.predict_proba(seen.statistics), seen.tissues
    if min((tissues == tissue).sum() for tissue in TISSUES) < FEWEST:
        return None

    def score(rows: Indices) -> float:
        each = [
            auc(tissues[rows] == tissue, probabilities[rows, column])
            for column, tissue in enumerate(sorted(TISSUES))
        ]
        return float(np.mean(each))

    return interval(score, seen.groups, "AUC", "tissue")
