"""What the images teach models, as real patients tell: forest plot, heat map, curves, groups.

In: the folder that `busgen downstream` wrote. Out: a `Section`, None where there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from busgen import io
from busgen.factory.plan import Plan
from busgen.report.charts.downstream import BASE, PRIMARY, plot_roc, plot_shares
from busgen.report.charts.plots import Chart
from busgen.report.evidence import Figure, figure_of
from busgen.report.sections.realism import axis_ends

METRICS, PREDICTIONS = "metrics.json", "predictions.parquet"
NAMES = {"auc": "AUC", "dice": "Dice"}
HEADLINE = {"classification": "auc", "segmentation": "dice"}
ARMS = {
    "real": "Real images, unchanged",
    BASE: "Real images, augmented",
    "real_augmented_longer": "The same, twice the steps",
    "synthetic": "Synthetic alone",
    "real_copy_paste": "Real, and lesions pasted",
    "real_rare_top_up": "Real, rare strata topped up",
    "pooled_augmented": "Real images of all data sets",
    "shuffled": "Control: labels of others",
}
SAW = {"none": "nobody", "own": "the same patients", "pooled": "several data sets",
       "unknown": "not known"}  # fmt: skip

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """An arm: its score, what it gains over the base, what that says, whose patients were seen."""

    title: str
    score: Figure | None
    gain: Figure | None
    verdict: str
    primary: bool
    saw: str


@dataclass(frozen=True)
class Group:
    """All arms of one task and training set, on its own held-out patients."""

    task: str
    train: str
    metric: str
    rows: tuple[Row, ...]
    levelled_off: bool | None

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of an axis for all gains, 0 included."""
        gains = [row.gain for row in self.rows if row.gain]
        ends = [end for one in gains for end in (one.low, one.high)]
        return axis_ends([0.0, *ends] if gains else [-1.0, 1.0])


@dataclass(frozen=True)
class _Heat:
    """Scores of one arm by training set (rows) and test set; None where it was not tested."""

    title: str
    metric: str
    tests: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Figure | None, ...]], ...]


@dataclass(frozen=True)
class Section:
    """Everything that the section shows; `groups` and `matched` as `metrics.json` has them.

    `generator`: engines and fingerprints that made the images, empty where nobody knows.
    """

    generator: Mapping[str, str]
    rehearsal: bool
    seeds: int
    folds: Mapping[str, int]
    forests: tuple[Group, ...]
    heats: tuple[_Heat, ...]
    curves: tuple[Chart, ...]
    rocs: tuple[Chart, ...]
    groups: tuple[Record, ...]
    matched: tuple[Record, ...]

    @property
    def primaries(self) -> tuple[tuple[Group, Row], ...]:
        """The comparisons that were fixed beforehand."""
        return tuple((one, row) for one in self.forests for row in one.rows if row.primary)

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
    record: Record = io.read_json(folder / METRICS)
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
    words, _, share = name.partition("@")
    kind, _, made_by = words.partition(":")
    title = ARMS.get(kind, "")
    if kind.startswith("real_synthetic_"):
        title = f"Real, {kind.removeprefix('real_synthetic_')} synthetic to each"
    title = title or kind.replace("_", " ")
    title += f", of {made_by}" if made_by else ""
    return f"{title}, {share} % of the patients" if share else title


def _forests(record: Record) -> tuple[Group, ...]:
    found: dict[tuple[str, str], list[Row]] = {}
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


def _row(one: Record) -> Row:
    score, gain = one["metrics"].get(HEADLINE[one["task"]]), one.get("gain")
    verdict = gain["verdict"] if gain else "the base" if one["arm"].startswith(BASE) else "–"
    title, saw = name_arm(one["arm"]), SAW.get(one["generator_saw"], "–")
    primary = bool(gain and gain["primary"])
    return Row(title, figure_of(score), figure_of(gain), verdict, primary, saw)


def _heat(results: Sequence[Record], task: str, arm: str) -> _Heat | None:
    own = [one for one in results if (one["task"], one["arm"]) == (task, arm)]
    tests = tuple(dict.fromkeys(one["test"] for one in own))
    cells = {
        (one["train"], one["test"]): figure_of(one["metrics"].get(HEADLINE[task])) for one in own
    }
    if len(tests) < 2:
        return None
    trains = dict.fromkeys(one["train"] for one in own)
    rows = tuple((train, tuple(cells.get((train, test)) for test in tests)) for train in trains)
    return _Heat(f"{task.capitalize()}: {name_arm(arm)}", NAMES[HEADLINE[task]], tests, rows)
