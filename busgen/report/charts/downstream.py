"""Curves of what the images teach: score by share of real patients, and ROC.

In: results of `metrics.json`, the Parquet file of predictions. Out: charts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import roc_curve

from busgen.report import words
from busgen.report.charts.plots import Axes, Chart, Curve, plot

BASE, PRIMARY = "real_augmented", "real_synthetic_1"
STYLES = {BASE: "real", PRIMARY: "benign", "synthetic": "malignant"}  # the page's colours
TITLES = {BASE: "real", PRIMARY: "real and synthetic", "synthetic": "synthetic alone"}
TASKS = {"classification": ("auc", "AUC"), "segmentation": ("dice", "Dice")}
STEPS = np.linspace(0, 1, 51)

Record = Mapping[str, Any]


def plot_shares(results: Sequence[Record]) -> tuple[Chart, ...]:
    """Return score by share of the real patients, a chart a task and training set, where known."""
    places = dict.fromkeys((one["task"], one["train"]) for one in results)
    charts = (_low_data(results, *place) for place in places)
    return tuple(chart for chart in charts if chart)


def plot_roc(file: Path) -> tuple[Chart, ...]:
    """Return the ROC curves of each training set on its own held-out patients.

    The mean over seeds of the sensitivity; all arms on the images that every one was tested on.
    None where the predictions are not at hand, as beside metrics that ship.
    """
    if not file.is_file():
        return ()
    columns = ["task", "train", "test", "arm", "seed", "sample_id", "probability", "pathology"]
    rows = pq.read_table(file, columns=columns).to_pandas()
    rows = rows[rows["arm"].isin(STYLES) & (rows["train"] == rows["test"])]
    rows = rows[rows["task"] == "classification"]
    return tuple(_roc(str(train), own) for train, own in rows.groupby("train", sort=False))


def _low_data(results: Sequence[Record], task: str, train: str) -> Chart | None:
    metric, title = TASKS[task]
    points: dict[str, dict[int, Record]] = {}
    for one in results:
        kind, _, share = one["arm"].partition("@")
        own = (one["task"], one["train"], one["test"]) == (task, train, train)
        if own and kind in (BASE, PRIMARY) and metric in one["metrics"]:
            points.setdefault(kind, {})[int(share or 100)] = one["metrics"][metric]
    if not points or max(map(len, points.values())) < 2:
        return None
    ends = [end for known in points.values() for one in known.values() for end in one["interval"]]
    curves, told = [], []
    for kind, known in points.items():
        shares = np.array(sorted(known), np.float64)
        ordered = [known[int(share)] for share in shares]
        value = np.array([one["value"] for one in ordered], np.float64)
        low, high = np.array([one["interval"] for one in ordered], np.float64).T
        curves.append(Curve(STYLES[kind], "solid", shares, low, high))
        curves.append(Curve(STYLES[kind], "solid", shares, value))
        told.append(f"{TITLES[kind]} {value[0]:.3f} at {shares[0]:.0f} %, {value[-1]:.3f} at most")
    name = words.name_dataset(train)
    alt = f"{title} by share of the real patients, {name}: {'; '.join(told)}"
    axes = Axes("Real patients, %", title, (min(ends), max(ends)), (0.0, 100.0))
    return plot(f"{name}, {task}", alt, axes, curves)


def _roc(train: str, rows: pd.DataFrame) -> Chart:
    common = set.intersection(*(set(own["sample_id"]) for _, own in rows.groupby("arm")))
    rows = rows[rows["sample_id"].isin(common)]
    ends = np.array([0.0, 100.0])
    curves = [Curve("line", "dashed", ends, ends)]
    told = []
    for arm, style in STYLES.items():
        own = rows[rows["arm"] == arm]
        if own.empty:
            continue
        runs = [
            np.interp(STEPS, *roc_curve(run["pathology"] == "malignant", run["probability"])[:2])
            for _, run in own.groupby("seed")
        ]
        mean = np.mean(runs, axis=0)
        curves.append(Curve(style, "solid", 100 * STEPS, 100 * mean))
        told.append(f"{TITLES[arm]} finds {100 * mean[5]:.0f} % at 10 % false alarms")
    name = words.name_dataset(train)
    alt = f"ROC, {name}, {len(common)} images: {'; '.join(told)}"
    axes = Axes("Benign lesions called malignant, %", "Malignant ones found, %", x=(0.0, 100.0))
    return plot(f"{name}, {len(common)} images", alt, axes, curves)
