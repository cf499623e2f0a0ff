"""The claims of `docs/method/claims.md`: which way is chosen, other hospitals, rare patients.

In: the records and predictions of comparisons. Out: figures.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from busgen.arrays import Floats
from busgen.bench.harness import Figure, Figures
from busgen.downstream.arms import BASE
from busgen.downstream.results.compare import HEADLINE, score
from busgen.downstream.results.fairness import LEAST
from busgen.stats.two_way_bootstrap import estimate, patient_weights, resample

WAYS = (
    "real_synthetic_1",
    "real_synthetic_2",
    "synthetic_then_real",
    "real_synthetic_fading",
    "real_class_top_up",
)
UNITS = {"auc": "AUC", "dice": "Dice"}
RARE: Mapping[str, Mapping[str, str]] = {  # what is stated of lesions of which there are few
    "benign_not_parallel": {"pathology": "benign", "orientation": "not_parallel"},
    "malignant_anechoic": {"pathology": "malignant", "echo_pattern": "anechoic"},
    "birads_4a": {"birads": "4A"},
}
Record = Mapping[str, Any]


def measure_ways(record: Record) -> Figures:
    """Return each way's validation loss over the base's, the geometric mean over training sets."""
    lowest = {name: min(losses) for name, losses in record["validation_loss"].items()}
    ratios: dict[tuple[str, str], list[float]] = {}
    for name, loss in lowest.items():
        task, train, arm = name.split("/")
        if arm in WAYS:
            ratios.setdefault((task, arm), []).append(loss / lowest[f"{task}/{train}/{BASE}"])
    return {
        f"validation_loss_{task}_{arm}": Figure(
            float(np.exp(np.mean(np.log(own)))), "times", len(own)
        )
        for (task, arm), own in ratios.items()
    }


def choose_ways(record: Record) -> dict[str, str]:
    """Return the way with the lowest validation loss, by task."""
    told = measure_ways(record)
    ways: dict[str, str] = {}
    for task in HEADLINE:
        own = {arm: told.get(f"validation_loss_{task}_{arm}") for arm in WAYS}
        known = {arm: figure.value for arm, figure in own.items() if figure is not None}
        if known:
            ways[task] = min(known, key=lambda arm: known[arm])
    return ways


def count_levelled(record: Record) -> Figure:
    """Return in how many trainings of the base, by task and set, the loss had levelled off."""
    own = [held for name, held in record["levelled_off"].items() if name.endswith(f"/{BASE}")]
    return Figure(float(sum(own)), "", len(own))


def measure_transfer(predictions: pd.DataFrame, ways: Mapping[str, str]) -> Figures:
    """Return the way's gain on patients of hospitals that it was not trained on, their mean."""
    figures: Figures = {}
    for task, way in ways.items():
        own = predictions[(predictions["task"] == task)]
        pairs = own[own["train"] != own["test"]].groupby(["train", "test"], sort=True)
        gains = [_draw_gain(task, way, rows, HEADLINE[task]) for _, rows in pairs]
        patients = own[own["train"] != own["test"]]["patient"].nunique()
        if figure := _average(gains, UNITS[HEADLINE[task]], patients):
            figures[f"gain_others_{HEADLINE[task]}"] = figure
    return figures


def measure_rare(predictions: pd.DataFrame, ways: Mapping[str, str]) -> Figures:
    """Return the gain in Dice on lesions of each kind of `RARE`, all trainings and test sets.

    A kind of fewer than `LEAST` patients has none.
    """
    figures: Figures = {}
    for name, stated in RARE.items() if "segmentation" in ways else ():
        own = predictions[predictions["task"] == "segmentation"]
        for column, term in stated.items():
            own = own[own[column] == term]
        if own["patient"].nunique() < LEAST:
            continue
        groups = own.groupby(["train", "test"], sort=True)
        gains = [
            _draw_gain("segmentation", ways["segmentation"], rows, "dice") for _, rows in groups
        ]
        sizes = [rows["patient"].nunique() for _, rows in groups]
        if figure := _average(gains, "Dice", own["patient"].nunique(), sizes):
            figures[f"gain_dice_{name}"] = figure
    return figures


def _draw_gain(task: str, way: str, rows: pd.DataFrame, metric: str) -> Floats:
    """Return the way's score minus the base's on drawn patients of one test, (1 + draws,)."""
    named = rows.set_index("sample_id").sort_index()
    weights: Floats | None = None
    drawn = []
    for arm in (way, BASE):
        runs = list(_runs(named, arm))
        if weights is None:
            weights = patient_weights(runs[0]["patient"].to_numpy(np.str_))
        drawn.append(resample([score(task, run)[metric] for run in runs], weights, arm))
    return np.asarray(drawn[0] - drawn[1], np.float64)


def _runs(rows: pd.DataFrame, arm: str) -> Iterator[pd.DataFrame]:
    for _, own in rows[rows["arm"] == arm].groupby("seed"):
        yield own


def _average(
    gains: list[Floats], unit: str, patients: int, sizes: list[int] | None = None
) -> Figure | None:
    """Return the mean of gains, weighted by `sizes`, with its interval; None without any."""
    if not gains:
        return None
    found = estimate(np.average(np.stack(gains), axis=0, weights=sizes))
    return found and Figure(found.value, unit, patients, found.interval)
