"""What the images teach models, as real patients tell: forest plot, heat map, curves, groups.

In: the folder that `busgen downstream` wrote. Out: a `Section`, None where there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import roc_curve

from busgen import io
from busgen.factory.plan import Plan
from busgen.report import words
from busgen.report.charts.plots import Axes, Chart, Curve, plot
from busgen.report.sections.realism import axis_ends

BASE, PRIMARY = "real_augmented", "real_synthetic_1"
STYLES = {BASE: "real", PRIMARY: "benign", "synthetic": "malignant"}  # the page's colours
TITLES = {BASE: "real", PRIMARY: "real and synthetic", "synthetic": "synthetic alone"}
STEPS = np.linspace(0, 1, 51)
METRICS, PREDICTIONS = "metrics.json", "predictions.parquet"
NAMES = {"auc": "AUC", "dice": "Dice"}
HEADLINE = {"classification": "auc", "segmentation": "dice"}

Record = Mapping[str, Any]
Heat = tuple[str, str, tuple[str, ...], tuple[tuple[str, tuple[Record | None, ...]], ...]]


class Group(NamedTuple):
    """All arms of one task and training set, on its own held-out patients.

    `rows`, an arm each: its `title`, recorded `score` and `gain` over the base or None, the
    `verdict` on that, whether it is `primary`, whose patients the generator `saw`.
    """

    task: str
    train: str
    metric: str
    rows: tuple[Record, ...]
    levelled_off: bool | None

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of an axis for all gains, 0 included."""
        ends = [end for row in self.rows if row["gain"] for end in row["gain"]["interval"]]
        return axis_ends([0.0, *ends] if ends else [-1.0, 1.0])


@dataclass(frozen=True)
class Section:
    """Everything that the section shows; `groups` and `matched` as `metrics.json` has them.

    `generator`: engines and fingerprints that made the images, empty where nobody knows. `heats`:
    title, metric, test sets, and by training set what one arm scored on each, None if not tested.
    """

    generator: Mapping[str, str]
    rehearsal: bool
    seeds: int
    folds: Mapping[str, int]
    forests: tuple[Group, ...]
    heats: tuple[Heat, ...]
    curves: tuple[Chart, ...]
    rocs: tuple[Chart, ...]
    groups: tuple[Record, ...]
    matched: tuple[Record, ...]

    @property
    def primaries(self) -> tuple[tuple[Group, Record], ...]:
        """The comparisons that were fixed beforehand."""
        return tuple((one, row) for one in self.forests for row in one.rows if row["primary"])

    def matches(self, plan: Plan) -> bool:
        """Return whether images of this plan's engines were compared, and no others."""
        found = plan.resolution
        own = (found.engine_sha256, found.mask_engine_sha256, found.prior_sha256)
        names = ("engine_sha256", "mask_engine_sha256", "prior_sha256")
        return own == tuple(self.generator.get(name) for name in names)


def make_section(folder: Path | None) -> Section | None:
    """Return what a folder of `busgen downstream` tells, None where there is none."""
    if folder is None or not (folder / METRICS).is_file():
        return None
    record = io.read_json(folder / METRICS)
    results = record["results"]
    return Section(
        record.get("generator", {}),
        bool(record["rehearsal"]),
        int(record["seeds"]),
        record.get("folds", {}),
        _forests(record),
        tuple(filter(None, (_heat(results, *one) for one in product(HEADLINE, (BASE, PRIMARY))))),
        plot_shares(results),
        plot_roc(folder / PREDICTIONS),
        tuple(one for one in record.get("by_group", ()) if one["train"] == one["test"]),
        tuple(one for one in record.get("size_matched", ()) if one["train"] == one["test"]),
    )


def name_arm(name: str) -> str:
    """Return an arm in words."""
    arm, _, share = name.partition("@")
    kind, _, made_by = arm.partition(":")
    title = words.ARMS.get(kind) or kind.replace("_", " ")
    if kind.startswith("real_synthetic_"):
        title = f"Real, {kind.removeprefix('real_synthetic_')} synthetic to each"
    title += f", of {made_by}" if made_by else ""
    return f"{title}, {share} % of the patients" if share else title


def _forests(record: Record) -> tuple[Group, ...]:
    found: dict[tuple[str, str], list[Record]] = {}
    for one in record["results"]:
        if one["train"] == one["test"]:
            found.setdefault((one["task"], one["train"]), []).append(_row(one))
    levelled = record.get("levelled_off", {})
    return tuple(
        Group(
            task, train, NAMES[HEADLINE[task]], tuple(rows), levelled.get(f"{task}/{train}/{BASE}")
        )
        for (task, train), rows in found.items()
    )


def _row(one: Record) -> Record:
    gain = one.get("gain")
    return {
        "title": name_arm(one["arm"]),
        "score": one["metrics"].get(HEADLINE[one["task"]]),
        "gain": gain,
        "verdict": gain["verdict"] if gain else "the base" if one["arm"].startswith(BASE) else "–",
        "primary": bool(gain and gain["primary"]),
        "saw": words.SAW.get(one["generator_saw"], "–"),
    }


def _heat(results: Sequence[Record], task: str, arm: str) -> Heat | None:
    own = [one for one in results if (one["task"], one["arm"]) == (task, arm)]
    tests = tuple(dict.fromkeys(one["test"] for one in own))
    if len(tests) < 2:
        return None
    metric = HEADLINE[task]
    scored = ((o["train"], o["test"], o["metrics"]) for o in own if metric in o["metrics"])
    cells = {(train, test): scores[metric] for train, test, scores in scored}
    trains = dict.fromkeys(one["train"] for one in own)
    rows = tuple((train, tuple(cells.get((train, test)) for test in tests)) for train in trains)
    return f"{task.capitalize()}: {name_arm(arm)}", NAMES[metric], tests, rows


def plot_shares(results: Sequence[Record]) -> tuple[Chart, ...]:
    """Return score by share of the real patients, a chart a task and training set, where known."""
    places = dict.fromkeys((one["task"], one["train"]) for one in results)
    return tuple(filter(None, (_low_data(results, *place) for place in places)))


def plot_roc(file: Path) -> tuple[Chart, ...]:
    """Return the ROC curves of each training set on its own held-out patients.

    The mean over seeds of the sensitivity; all arms on the images that every one was tested on.
    None where the predictions are not at hand, as beside metrics that ship.
    """
    if not file.is_file():
        return ()
    columns = ["task", "train", "test", "arm", "seed", "sample_id", "probability", "pathology"]
    rows = pq.read_table(file, columns=columns).to_pandas()
    own = rows["arm"].isin(STYLES) & (rows["train"] == rows["test"])
    rows = rows[own & (rows["task"] == "classification")]
    return tuple(_roc(str(train), own) for train, own in rows.groupby("train", sort=False))


def _low_data(results: Sequence[Record], task: str, train: str) -> Chart | None:
    metric, title = HEADLINE[task], NAMES[HEADLINE[task]]
    points: dict[str, dict[int, Record]] = {}
    for one in results:
        kind, _, share = one["arm"].partition("@")
        own = (one["task"], one["train"], one["test"]) == (task, train, train)
        if own and kind in (BASE, PRIMARY) and metric in one["metrics"]:
            points.setdefault(kind, {})[int(share or 100)] = one["metrics"][metric]
    if not points or max(map(len, points.values())) < 2:
        return None
    ends = [end for known in points.values() for one in known.values() for end in one["interval"]]
    curves, record = [], []
    for kind, known in points.items():
        shares = np.array(sorted(known), np.float64)
        ordered = [known[int(share)] for share in shares]
        value = np.array([one["value"] for one in ordered], np.float64)
        low, high = np.array([one["interval"] for one in ordered], np.float64).T
        curves.append(Curve(STYLES[kind], "solid", shares, low, high))
        curves.append(Curve(STYLES[kind], "solid", shares, value))
        record.append(
            f"{TITLES[kind]} {value[0]:.3f} at {shares[0]:.0f} %, {value[-1]:.3f} at most"
        )
    name, span = words.name_dataset(train), (min(ends), max(ends))
    alt = f"{title} by share of the real patients, {name}: {'; '.join(record)}"
    axes = Axes("Real patients, %", title, span, (0.0, 100.0))
    return plot(f"{name}, {task}", alt, axes, curves)


def _roc(train: str, rows: pd.DataFrame) -> Chart:
    common = set.intersection(*(set(own["sample_id"]) for _, own in rows.groupby("arm")))
    rows = rows[rows["sample_id"].isin(common)]
    ends, record = np.array([0.0, 100.0]), []
    curves = [Curve("line", "dashed", ends, ends)]
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
        record.append(f"{TITLES[arm]} finds {100 * mean[5]:.0f} % at 10 % false alarms")
    name, n = words.name_dataset(train), len(common)
    alt = f"ROC, {name}, {n} images: {'; '.join(record)}"
    axes = Axes("Benign lesions called malignant, %", "Malignant ones found, %", x=(0.0, 100.0))
    return plot(f"{name}, {n} images", alt, axes, curves)
