"""Scores of the judges on patients that they never saw, with intervals over patients.

In: judges, crops of held-out patients. Out: a record for `scores.json`, by data set.
"""

import numpy as np

from busgen import seeds
from busgen.arrays import Bools, Indices, Names
from busgen.judges.judges import Judges
from busgen.real.crops import Crops
from busgen.stats.calibration import calibration_error, debiased_error, error_floor
from busgen.stats.overlap import dice
from busgen.stats.patients import Floats, Rows, Score, interval, mean_score
from busgen.stats.roc import auc, auc_score

Record = dict[str, object]
FOUND = 0.005  # of an image's area: less is not counted as a lesion found


def score_segmenter(judges: Judges, crops: Crops) -> Record:
    """Return Dice by data set of images with a lesion, and how many normals stay empty."""
    found = judges.segment(crops.images) > 0.5
    agreed = dice(found, crops.masks > 0)
    record: Record = {}
    for name, rows in _parts(crops, np.asarray(crops.masks.any(axis=(1, 2)))):
        groups, own = crops.groups[rows], agreed[rows]
        record[name] = {
            **_measure(mean_score(own), groups, f"dice {name}"),
            "median": round(float(np.median(own)), 4),
            "missed": round(float((own < 0.1).mean()), 4),
        }
    normal = crops.labels == "normal"
    if normal.any():
        empty = found[normal].mean(axis=(1, 2)) < FOUND
        value = round(float(empty.mean()), 4)
        record["normals_left_empty"] = {"value": value, "n": int(normal.sum())}
    return record


def score_classifier(judges: Judges, crops: Crops) -> Record:
    """Return AUC by data set, that of the lesion's area alone beside it, and calibration."""
    crops = crops.pick(crops.is_labelled)
    if not len(crops):
        return {}
    probabilities, area = judges.classify(crops.images, crops.masks), crops.masks.mean(axis=(1, 2))
    ranks: Record = {}
    for name, rows in _parts(crops, np.ones(len(crops), np.bool_)):
        truth, own = crops.is_malignant[rows], probabilities[rows]
        if truth.all() or not truth.any():
            continue
        ranks[name] = {
            **_measure(auc_score(truth, own), crops.groups[rows], f"auc {name}"),
            "malignant": int(truth.sum()),
            "area_alone": round(auc(truth, area[rows]), 4),
        }
    calibration = _calibration(probabilities, crops.is_malignant, crops.groups)
    return {"auc": ranks, "calibration": calibration}


def _calibration(probabilities: Floats, outcomes: Bools, groups: Names) -> Record:
    """Return calibration errors with 5 and 10 bins, each with the floor of true chances."""
    record: Record = {}
    for bins in (5, 10):

        def error(rows: Rows, bins: int = bins) -> float:
            return calibration_error(probabilities[rows], outcomes[rows], bins)

        floor = error_floor(probabilities, seeds.rng(0, f"floor {bins}"), bins)
        record[f"ece_{bins}_bins"] = {
            **_measure(error, groups, f"ece {bins}"),
            "floor": round(floor[0], 4),
            "floor_95": round(floor[1], 4),
            "debiased": round(debiased_error(probabilities, outcomes, bins), 4),
        }
    return record


def _parts(crops: Crops, among: Bools) -> list[tuple[str, Indices]]:
    """Return `(data set, rows)` of those `among`, and all of them where there are several."""
    names = [str(name) for name in np.unique(crops.datasets[among])]
    each = [(name, np.flatnonzero(among & (crops.datasets == name))) for name in names]
    return each + ([("all", np.flatnonzero(among))] if len(names) > 1 else [])


def _measure(score: Score, groups: Names, stream: str) -> Record:
    """Return value, n, patients and interval of a score of rows 0 ... N - 1."""
    return {
        "value": round(score(np.arange(len(groups))), 4),
        "n": len(groups),
        "patients": len(np.unique(groups)),
        "interval": interval(score, groups, seeds.rng(0, stream)),
    }
