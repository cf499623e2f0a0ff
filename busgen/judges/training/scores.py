"""Scores of the judges on patients that they never saw, with intervals over patients.

In: judges, crops of held-out patients. Out: a record for `scores.json`, by data set.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from busgen import seeds
from busgen.stats.calibration import calibration_error, debiased_error, dice, error_floor
from busgen.judges.judges import Judges
from busgen.real.crops import Crops

Record = dict[str, object]
Floats = NDArray[np.float64]
Score = Callable[[NDArray[np.intp]], float]  # of the rows that it is given
DRAWS = 1000
FOUND = 0.005  # of a picture's area: less is not counted as a lesion found


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


def auc(outcomes: NDArray[np.bool_], chances: Floats) -> float:
    """Return the area under the ROC curve, NaN where only one class is there.

    That is the chance that a malignant lesion ranks above a benign one (Mann-Whitney's U).
    """
    positives = int(outcomes.sum())
    pairs = positives * (len(outcomes) - positives)
    if pairs == 0:
        return float("nan")
    ranks = float(rankdata(chances)[outcomes].sum())
    return (ranks - positives * (positives + 1) / 2) / pairs


def mean_of(values: Floats) -> Score:
    """Return the mean as a score of rows."""
    return lambda rows: float(values[rows].mean())


def auc_of(outcomes: NDArray[np.bool_], chances: Floats) -> Score:
    """Return the area under the ROC curve as a score of rows."""
    return lambda rows: auc(outcomes[rows], chances[rows])


def error_of(chances: Floats, outcomes: NDArray[np.bool_], bins: int) -> Score:
    """Return the expected calibration error as a score of rows."""
    return lambda rows: calibration_error(chances[rows], outcomes[rows], bins)


def segmenter_scores(judges: Judges, crops: Crops) -> Record:
    """Return Dice by data set of pictures with a lesion, and how many normals stay empty."""
    lesion: NDArray[np.bool_] = np.asarray(crops.masks.any(axis=(1, 2)))
    found = judges.segment(crops.images) > 0.5
    agreed = dice(found, crops.masks > 0)
    record: Record = {}
    for name, rows in parts(crops, lesion):
        groups, own = crops.groups[rows], agreed[rows]
        record[name] = {
            **_measured(mean_of(own), groups, f"dice {name}"),
            "median": round(float(np.median(own)), 4),
            "missed": round(float((own < 0.1).mean()), 4),
        }
    normal = crops.labels == "normal"
    if normal.any():
        empty = found[normal].mean(axis=(1, 2)) < FOUND
        record["normals_left_empty"] = {
            "value": round(float(empty.mean()), 4),
            "n": int(normal.sum()),
        }
    return record


def classifier_scores(judges: Judges, crops: Crops) -> Record:
    """Return AUC by data set, that of the lesion's area alone beside it, and calibration."""
    known = np.isin(crops.labels, ["benign", "malignant"]) & crops.masks.any(axis=(1, 2))
    if not known.any():
        return {}
    crops = crops.pick(known)
    chances = judges.classify(crops.images, crops.masks)
    area = crops.masks.mean(axis=(1, 2))
    ranks: Record = {}
    for name, rows in parts(crops, np.ones(len(crops), np.bool_)):
        truth, own = crops.malignant[rows], chances[rows]
        if truth.all() or not truth.any():
            continue
        ranks[name] = {
            **_measured(auc_of(truth, own), crops.groups[rows], f"auc {name}"),
            "malignant": int(truth.sum()),
            "area_alone": round(auc(truth, area[rows]), 4),
        }
    return {"auc": ranks, "calibration": calibration(chances, crops.malignant, crops.groups)}


def calibration(chances: Floats, outcomes: NDArray[np.bool_], groups: NDArray[np.str_]) -> Record:
    """Return calibration errors with 5 and 10 bins, each with the floor of true chances."""
    record: Record = {}
    for bins in (5, 10):
        floor = error_floor(chances, seeds.rng(0, f"floor {bins}"), bins)
        record[f"ece_{bins}_bins"] = {
            **_measured(error_of(chances, outcomes, bins), groups, f"ece {bins}"),
            "floor": round(floor[0], 4),
            "floor_95": round(floor[1], 4),
            "debiased": round(debiased_error(chances, outcomes, bins), 4),
        }
    return record


def parts(crops: Crops, among: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.intp]]]:
    """Return `(data set, rows)` of those `among`, and all of them where there are several."""
    names = [str(name) for name in np.unique(crops.datasets[among])]
    each = [(name, np.flatnonzero(among & (crops.datasets == name))) for name in names]
    return each + ([("all", np.flatnonzero(among))] if len(names) > 1 else [])


def _measured(score: Score, groups: NDArray[np.str_], stream: str) -> Record:
    """Return value, n, patients and interval of a score of rows 0 ... N - 1."""
    return {
        "value": round(score(np.arange(len(groups))), 4),
        "n": len(groups),
        "patients": len(np.unique(groups)),
        "interval": interval(score, groups, seeds.rng(0, stream)),
    }
