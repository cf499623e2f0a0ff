"""Two versions of a dataset: which scores got better or worse beyond noise.

In: quality scores and utility of both, each with its 95 % interval. Out: a record a score. The
interval of the difference follows from both (Zou and Donner 2008, doi:10.1002/sim.3095), taken as
independent. Both versions are tried on the same patients, so it is too wide rather than too narrow.
"""

from collections.abc import Iterator, Mapping
from math import hypot
from typing import Any

from busgen.downstream.arms import find_arm

ABOUT = (
    "second minus first, 95 % interval from both versions' own, taken as independent (cautious: "
    "the patients are the same); one in twenty scores moves so by chance"
)
NOTHING = "neither quality nor utility is known of both: what got better cannot be told"
SAME = "no difference"
INTERVAL = "{:+.3f} ({:+.3f} to {:+.3f})"
Record = dict[str, Any]


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Record]:
    """Return how scores of version `b` differ from those of version `a`.

    Both hold ``quality`` {name: {value, interval, floor}}, of some ``bad, version`` too, and
    ``downstream`` (`busgen.downstream.results.headline`).

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


def to_rows(found: list[Record]) -> list[Record]:
    """Return changes as rows of a table."""
    return [
        {
            "score": one["score"],
            "first": one["values"][0],
            "second": one["values"][1],
            "difference": INTERVAL.format(one["difference"], *one["interval"]),
            "verdict": one["verdict"],
        }
        for one in found
    ]


def _scores(version: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
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


def _change(name: str, a: Record, b: Record) -> Record:
    (low_a, high_a), (low_b, high_b) = a["interval"], b["interval"]
    difference = b["value"] - a["value"]
    low = difference - hypot(b["value"] - low_b, high_a - a["value"])
    high = difference + hypot(high_b - b["value"], a["value"] - low_a)
    better, worse = (low > 0, high < 0) if a["sign"] > 0 else (high < 0, low > 0)
    return {
        "score": name,
        "values": [a["value"], b["value"]],
        "difference": difference,
        "interval": [low, high],
        "verdict": "better" if better else "worse" if worse else SAME,
    }
