"""What of a comparison stands in one line or one plot: each training set's own test patients.

In: the record of `busgen.downstream.library`. Out: single numbers by task, training set and arm,
as `dvc metrics` and `busgen versions` show them; tables that DVC plots.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from busgen.downstream.arms import PRIMARY
from busgen.downstream.results.compare import HEADLINE
from busgen.io import dumps, write_text

METRICS = "metrics.json"
COLUMNS = ["arm", "value", "low", "high"]
SCORES, GAINS = "scores.csv", "gains.csv"
Record = Mapping[str, Any]
Headline = dict[str, dict[str, Any]]


def headline(results: Sequence[Record]) -> Headline:
    """Return {task: {training set: {arm: {value, low, high}, and of the primary gain likewise}}}.

    The score is AUC or Dice on the training set's own test patients; the primary comparison's
    gain stands under ``gain``, what others gain under ``gain_<arm>``.
    """
    found: Headline = {}
    for one in results:
        score = one["metrics"].get(HEADLINE[one["task"]])
        if one["train"] != one["test"] or score is None:
            continue
        own = found.setdefault(one["task"], {}).setdefault(one["train"], {})
        own[one["arm"]] = _bound(score)
        if "gain" in one:
            primary = one["arm"] == PRIMARY
            own["gain" if primary else f"gain_{one['arm']}"] = _bound(one["gain"])
    return found


def _bound(score: Record) -> dict[str, float]:
    """Return a value with the ends of its interval, as single numbers."""
    low, high = score["interval"]
    return {"value": score["value"], "low": low, "high": high}


def write_plots(record: Record, folder: Path) -> None:
    """Write a comparison's record and the tables that DVC plots: scores, gains over the base."""
    rows: dict[str, list[dict[str, Any]]] = {SCORES: [], GAINS: []}
    for task, sets in record["headline"].items():
        for train, arms in sets.items():
            for name, one in arms.items():
                gain = name == "gain" or name.startswith("gain_")
                arm = PRIMARY if name == "gain" else name.removeprefix("gain_")
                rows[GAINS if gain else SCORES].append({"arm": f"{task}, {train}: {arm}"} | one)
    write_text(folder / METRICS, dumps(record))
    for file, own in rows.items():
        write_text(folder / file, pd.DataFrame(own, columns=COLUMNS).to_csv(index=False))
