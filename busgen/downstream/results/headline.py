"""What of a comparison stands in one line or one plot: each training set's own test patients.

In: the record of `busgen.downstream.library`. Out: single numbers by task, training set and arm,
as `dvc metrics` and `busgen versions` show them; tables that DVC plots.

Of two versions of a dataset, which scores got better or worse beyond noise. The interval of the
difference follows from both (Zou and Donner 2008, doi:10.1002/sim.3095), taken as independent. Both
versions are tried on the same patients, so it is too wide rather than too narrow.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import hypot
from pathlib import Path
from typing import Any

import pandas as pd

from busgen.downstream.arms import PRIMARY, find_arm
from busgen.downstream.results.compare import HEADLINE
from busgen.io import dumps, write_text

METRICS = "metrics.json"
COLUMNS = ["arm", "value", "low", "high"]
SCORES, GAINS = "scores.csv", "gains.csv"
ABOUT = (
    "second minus first, 95 % interval from both versions' own, taken as independent (cautious: "
    "the patients are the same); one in twenty scores moves so by chance"
)
NOTHING = "neither quality nor utility is known of both: what got better cannot be told"
SAME = "no difference"
INTERVAL = "{:+.3f} ({:+.3f} to {:+.3f})"

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


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how scores of version `b` differ from those of version `a`.

    Both hold ``quality`` {name: {value, interval, floor}}, of some ``bad, version`` too, and
    ``downstream`` (`headline`).

    Each holds ``score, values`` [a, b], ``difference, interval, verdict``: better, worse or no
    difference; of what both know, in the same version of a feature space. Distances are better
    smaller, utility larger, the AUC of descriptors nearer to its floor.
    """
    first, second = dict(_scores(a)), dict(_scores(b))
    return [
        _change(name, one, second[name])
        for name, one in first.items()
        if name in second and one["version"] == second[name]["version"]
    ]


def to_rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return changes as rows of a table."""
    rows = []
    for one in found:
        difference = INTERVAL.format(one["difference"], *one["interval"])
        row = {"score": one["score"], "first": one["values"][0], "second": one["values"][1]}
        rows.append(row | {"difference": difference, "verdict": one["verdict"]})
    return rows


def _scores(version: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name, value, interval, and whether more is better, 1 or -1."""
    for task, sets in version["downstream"].items():
        for train, arms in sets.items():
            for arm, one in arms.items():
                if arm == "gain" or (not arm.startswith("gain_") and find_arm(arm).synthetic):
                    ends = {"value": one["value"], "interval": (one["low"], one["high"])}
                    yield f"{task}, {train}: {arm}", ends | {"sign": 1, "version": None}
    for name, one in version["quality"].items():
        above = one["value"] >= one["floor"] or name.startswith("ks_")
        less = one["bad"] == "high" if "bad" in one else above
        ends = {"value": one["value"], "interval": one["interval"]}
        yield name, ends | {"sign": -1 if less else 1, "version": one.get("version")}


def _change(name: str, a: Record, b: Record) -> dict[str, Any]:
    (low_a, high_a), (low_b, high_b) = a["interval"], b["interval"]
    difference = b["value"] - a["value"]
    low = difference - hypot(b["value"] - low_b, high_a - a["value"])
    high = difference + hypot(high_b - b["value"], a["value"] - low_a)
    better, worse = (low > 0, high < 0) if a["sign"] > 0 else (high < 0, low > 0)
    verdict = "better" if better else "worse" if worse else SAME
    record = {"score": name, "values": [a["value"], b["value"]], "difference": difference}
    return record | {"interval": [low, high], "verdict": verdict}
