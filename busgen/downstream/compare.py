"""From predictions to the table: scores of every arm, and what each gains over the common base.

In: predictions of all runs. Out: a record for `metrics.json`. The primary comparison, fixed
beforehand, is real + synthetic at 1 against real + augmentation on the training set's own test
patients; every other one is secondary, its p-value corrected with Holm's method among all
secondary ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from busgen.downstream.arms import PRIMARY, arm_of
from busgen.downstream.intervals import estimate, holm, over_seeds, patient_weights
from busgen.downstream.metrics import (
    Floats,
    Weighted,
    auc_of,
    brier_of,
    ece_of,
    mean_of,
    sensitivity_of,
)

HEADLINE = {"classification": "auc", "segmentation": "dice"}
LEVEL = 0.05  # of an adjusted p-value
NONE = "no difference"
KEYS = ["task", "train", "test"]

Record = dict[str, Any]


def compared(predictions: pd.DataFrame, saw: str) -> list[Record]:
    """Return one record for each task, training set, test set and arm.

    Parameters
    ----------
    predictions
        Rows of `busgen.downstream.answers.SCHEMA`.
    saw
        Whose patients the generator saw (`busgen.downstream.made.SAW`), for arms with made ones.

    Returns
    -------
    list of dict
        ``task, train, test, arm, generator_saw, metrics`` {name: value, n, patients, seeds,
        interval} and, but for the base, ``gain`` {metric, against, value, interval, p, p_holm,
        primary, verdict}.
    """
    records: list[Record] = []
    for keys, block in predictions.groupby(KEYS, sort=False):
        records += _block(dict(zip(KEYS, keys, strict=True)), block, saw)
    secondary = [one["gain"] for one in records if "gain" in one and not one["gain"]["primary"]]
    for gain, p in zip(secondary, holm([gain["p"] for gain in secondary]), strict=True):
        gain["p_holm"] = p
    for one in records:
        if "gain" in one:
            one["gain"]["verdict"] = verdict(one["gain"])
    return records


def verdict(gain: Mapping[str, Any]) -> str:
    """Return what a comparison says: no difference where its interval holds 0.

    Nor is there any where a secondary one's adjusted p-value is above `LEVEL`.
    """
    low, high = gain["interval"]
    if low <= 0 <= high or (not gain["primary"] and gain["p_holm"] >= LEVEL):
        return NONE
    return "better" if low > 0 else "worse"


def scores_of(task: str, rows: pd.DataFrame) -> dict[str, Weighted]:
    """Return the scores of one run's predictions; HD95 in mm where every pixel's size is known."""
    if task == "classification":
        chances = rows["probability"].to_numpy(np.float64)
        outcomes = (rows["pathology"] == "malignant").to_numpy(np.bool_)
        return {
            "auc": auc_of(chances, outcomes),
            "sensitivity_at_90_specificity": sensitivity_of(chances, outcomes),
            "brier": brier_of(chances, outcomes),
            "ece": ece_of(chances, outcomes),
        }
    dice, iou, px, mm = (
        rows[k].to_numpy(np.float64) for k in ("dice", "iou", "hd95_px", "pixel_mm")
    )
    distance = {"hd95_mm": mean_of(px * mm)} if np.isfinite(mm).all() else {"hd95_px": mean_of(px)}
    return {"dice": mean_of(dice), "iou": mean_of(iou), **distance}


def _block(keys: Record, block: pd.DataFrame, saw: str) -> list[Record]:
    """Return the records of one test of one training set: all arms on the same drawn patients."""
    runs = {
        arm: [rows.sort_values("sample_id") for _, rows in own.groupby("seed")]
        for arm, own in block.groupby("arm", sort=False)
    }
    first = next(iter(runs.values()))[0]
    weights = patient_weights(first["patient"].to_numpy(np.str_))
    values = {str(arm): _values(keys["task"], own, weights, str(arm)) for arm, own in runs.items()}
    counts = {"n": len(first), "patients": int(first["patient"].nunique())}
    records = []
    for name, own in values.items():
        arm = arm_of(name)
        one = keys | {"arm": name, "generator_saw": saw if arm.synthetic else None}
        one["metrics"] = _measured(own, counts | {"seeds": len(runs[name])})
        if not arm.shuffled and name != arm.base and arm.base in values:  # no control compares
            one |= _gain(keys, name, own, values[arm.base])
        records.append(one)
    return records


def _values(task: str, runs: list[pd.DataFrame], weights: Floats, stream: str) -> dict[str, Floats]:
    each = [scores_of(task, rows) for rows in runs]
    return {key: over_seeds([one[key] for one in each], weights, stream) for key in each[0]}


def _measured(values: Mapping[str, Floats], counts: Record) -> Record:
    record = {}
    for name, drawn in values.items():
        found = estimate(drawn)
        if found is not None:
            record[name] = {"value": found.value, "interval": list(found.interval)} | counts
    return record


def _gain(keys: Record, name: str, own: Mapping[str, Floats], base: Mapping[str, Floats]) -> Record:
    """Return what an arm gains over its base, nothing where that is not defined."""
    metric = HEADLINE[keys["task"]]
    found = estimate(own[metric] - base[metric])
    if found is None:
        return {}
    told = {"metric": metric, "against": arm_of(name).base, "value": found.value, "p": found.p}
    primary = name == PRIMARY and keys["train"] == keys["test"]
    return {"gain": told | {"interval": list(found.interval), "primary": primary}}
