"""From predictions to the table: scores of every arm, and what each gains over the common base.

In: predictions of all runs. Out: a record for `metrics.json`. The primary comparison, fixed
beforehand, is real + synthetic at 1 against real + augmentation on the training set's own test
patients; every other one is secondary, its p-value corrected with Holm's method among all
secondary ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from busgen.arrays import Floats
from busgen.downstream.arms import MIXED, PRIMARY, Arm, find_arm
from busgen.downstream.data.synthetic_set import SAW
from busgen.stats import two_way_bootstrap as bootstrap
from busgen.stats.two_way_bootstrap import Weighted, estimate, mean_score

HEADLINE = {"classification": "auc", "segmentation": "dice"}
LEVEL = 0.05  # of an adjusted p-value
NONE = "no difference"
GAINS = ("gain", "rival_gain")
KEYS = ["task", "train", "test"]

Record = dict[str, Any]


def compare(predictions: pd.DataFrame, saw: Mapping[str, str]) -> list[Record]:
    """Return one record for each task, training set, test set and arm.

    `predictions` are rows of `busgen.downstream.runs.SCHEMA` with the `split` of
    each patient; `saw` whose patients the generator of each made set saw, by its name.

    Each holds ``task, train, test, arm, generator_saw, metrics`` {name: value, n, patients, seeds,
    interval} and, but for the base, ``gain`` {metric, against, base, value, interval, p, p_holm,
    primary, verdict}, on the patients that the arm was tested on; ``rival_gain`` likewise over the
    same arm with the first set's made images; ``strict`` in a gain: on test patients alone, where
    validation patients are tested too.
    """
    records: list[Record] = []
    for keys, block in predictions.groupby(KEYS, sort=False):
        records += _block(dict(zip(KEYS, keys, strict=True)), block, saw)
    gains = [one[key] for one in records for key in GAINS if key in one]
    secondary = [gain for gain in gains if not gain["primary"]]
    adjusted = multipletests([gain["p"] for gain in secondary], method="holm")[1]
    for gain, p in zip(secondary, adjusted.tolist(), strict=True):
        gain["p_holm"] = p
    for gain in gains:
        gain["verdict"] = verdict(gain)
    return records


def verdict(gain: Mapping[str, Any]) -> str:
    """Return what a comparison says: no difference if its interval holds 0 or p is too large."""
    low, high = gain["interval"]
    if low <= 0 <= high or (not gain["primary"] and gain["p_holm"] >= LEVEL):
        return NONE
    return "better" if low > 0 else "worse"


def score(task: str, rows: pd.DataFrame) -> dict[str, Weighted]:
    """Return the scores of one run's predictions; HD95 in mm where every pixel's size is known."""
    if task == "classification":
        probabilities = rows["probability"].to_numpy(np.float64)
        outcomes = (rows["pathology"] == "malignant").to_numpy(np.bool_)
        folds = rows["fold"].fillna(0).to_numpy(np.int64)
        return {
            "auc": bootstrap.auc_score(outcomes, probabilities, folds),
            "sensitivity_at_90_specificity": bootstrap.sensitivity_score(outcomes, probabilities),
            "brier": mean_score((probabilities - outcomes) ** 2),  # Brier 1950
            "ece": bootstrap.ece_score(outcomes, probabilities),
        }
    names = ("dice", "iou", "hd95_px", "pixel_mm")
    dice, iou, px, mm = (rows[name].to_numpy(np.float64) for name in names)
    name, distance = ("hd95_mm", px * mm) if np.isfinite(mm).all() else ("hd95_px", px)
    return {"dice": mean_score(dice), "iou": mean_score(iou), name: mean_score(distance)}


@dataclass(frozen=True)
class _Block:
    """One test of one training set: the runs of each arm, rows by the name of their image."""

    task: str
    runs: Mapping[str, Sequence[pd.DataFrame]]
    known: dict[tuple[str, ...], Floats] = field(default_factory=dict)  # draws take a while

    def draw(self, metric: str, arm: str, of: str, kind: str = "all") -> Floats:
        """Return an arm's score on drawn patients that `of` was tested on, all or a split's."""
        own = self.runs[of][0]
        alike = next(k for k, rows in self.runs.items() if rows[0].index.equals(own.index))
        key, patients = (metric, arm, alike, kind), (alike, kind)
        if key not in self.known:
            tests = own if kind == "all" else own[own["split"] == kind]
            if patients not in self.known:
                self.known[patients] = bootstrap.patient_weights(tests["patient"].to_numpy(np.str_))
            scores = [score(self.task, rows.loc[tests.index])[metric] for rows in self.runs[arm]]
            self.known[key] = bootstrap.resample(scores, self.known[patients], arm)
        return self.known[key]

    def has(self, arm: str, of: str) -> bool:
        """Return whether an arm was tested on every patient of another."""
        own = self.runs[of][0].index
        return arm in self.runs and bool(own.isin(self.runs[arm][0].index).all())


def _block(keys: Record, rows: pd.DataFrame, saw: Mapping[str, str]) -> list[Record]:
    """Return the records of one test of one training set: all arms on the same drawn patients."""
    named = rows.set_index("sample_id").sort_index()
    runs = {
        str(arm): [one for _, one in own.groupby("seed")]
        for arm, own in named.groupby("arm", sort=False)
    }
    block = _Block(keys["task"], {arm: runs[arm] for arm in rows["arm"].unique()})
    return [_to_record(keys, block, find_arm(name), saw) for name in block.runs]


def _to_record(keys: Record, block: _Block, arm: Arm, saw: Mapping[str, str]) -> Record:
    first = block.runs[arm.name][0]
    counts = {"n": len(first), "patients": int(first["patient"].nunique())}
    counts |= {"seeds": len(block.runs[arm.name])}
    metrics: Record = {}
    for name in score(keys["task"], first):
        found = estimate(block.draw(name, arm.name, arm.name))
        if found is not None:
            interval = bootstrap.reflect(found) if name == "ece" else found.interval
            metrics[name] = {"value": found.value, "interval": list(interval)} | counts
    one = keys | {"arm": arm.name, "generator_saw": _saw(arm, saw), "metrics": metrics}
    if arm.shuffled:  # no control compares
        return one
    rival = arm.name.replace(f":{arm.made_by}", "")  # has the first set's made images instead
    for key, other in (("gain", arm.base), ("rival_gain", rival)):
        compares = other != arm.name and block.has(other, arm.name)
        if compares and (gain := _gain(keys, block, arm, other)):
            one[key] = gain
    return one


def _saw(arm: Arm, saw: Mapping[str, str]) -> str | None:
    """Return whose patients the generators of an arm's images saw: the most that any did."""
    if not arm.is_synthetic:
        return None
    if arm.made_by == MIXED:
        return max(saw.values(), key=SAW.index)
    return saw[arm.made_by]


def _gain(keys: Record, block: _Block, arm: Arm, other: str) -> Record | None:
    """Return what an arm gains over another on its own patients, None where not defined."""
    metric = HEADLINE[keys["task"]]
    base = block.draw(metric, other, arm.name)
    found = estimate(block.draw(metric, arm.name, arm.name) - base)
    if found is None:
        return None
    gain: Record = {"metric": metric, "against": other, "value": found.value, "p": found.p}
    gain |= {"base": float(base[0]), "interval": list(found.interval)}
    if (block.runs[arm.name][0]["split"] == "validation").any() and arm.is_synthetic:
        own, base = (block.draw(metric, name, arm.name, "test") for name in (arm.name, other))
        if (alone := estimate(own - base)) is not None:
            gain["strict"] = {"value": alone.value, "interval": list(alone.interval)}
    primary = arm.name == PRIMARY and keys["train"] == keys["test"]
    return gain | {"primary": primary}
