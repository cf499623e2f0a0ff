"""Area under the ROC curve.

In: outcomes and probabilities. Out: the area.
"""

from scipy.stats import rankdata

from busgen.arrays import Bools, Floats
from busgen.stats.patients import Score


def auc(outcomes: Bools, probabilities: Floats) -> float:
    """Return the area under the ROC curve, NaN where only one class is there.

    That is the chance that a malignant lesion ranks above a benign one (Mann-Whitney's U).
    """
    positives = int(outcomes.sum())
    pairs = positives * (len(outcomes) - positives)
    if pairs == 0:
        return float("nan")
    ranks = float(rankdata(probabilities)[outcomes].sum())
    return (ranks - positives * (positives + 1) / 2) / pairs


def auc_score(outcomes: Bools, probabilities: Floats) -> Score:
    """Return the area under the ROC curve as a score of rows."""
    return lambda rows: auc(outcomes[rows], probabilities[rows])
