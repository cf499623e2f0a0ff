"""Who judged: how well segmenter and classifier judge real patients whom they never saw.

In: the judges' scores (`busgen.quality.judges`) and the plan. Out: scores by dataset, calibration,
what their checks decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from busgen.factory.plan import Plan
from busgen.report import words
from busgen.report.sections.funnel import format_interval
from busgen.schema import JUDGED

ALL = "all"
ECE = "ece_5_bins"


@dataclass(frozen=True)
class Score:
    """One score on the held-out patients of one dataset, 95 % interval; `aside` is one more."""

    dataset: str
    value: float
    low: float
    high: float
    n: int
    patients: int
    aside: float
    strange: bool


@dataclass(frozen=True)
class Estimate:
    """Expected calibration error, and what exact probabilities show at this n by chance."""

    low: float
    high: float
    value: float
    n: int
    floor: float
    floor_95: float


@dataclass(frozen=True)
class Check:
    """What a judge's score decides."""

    name: str
    action: str
    bound: str


@dataclass(frozen=True)
class Section:
    """The judges: Dice and AUC by dataset, normals left empty (share, n), calibration, checks."""

    in_use: bool
    checks: tuple[Check, ...]
    segmenter: tuple[Score, ...]
    classifier: tuple[Score, ...]
    normals: tuple[float, int] | None
    calibration: Estimate | None


def make_section(scores: Mapping[str, Any] | None, plan: Plan) -> Section | None:
    """Return what is known of the judges, None where they have no scores on held-out patients."""
    if not scores or "test" not in scores:
        return None
    test = scores["test"]
    others = scores.get("other", {})
    empty = test["segmenter"].get("normals_left_empty")
    error = test["classifier"].get("calibration", {}).get(ECE)
    names = ("value", "n", "floor", "floor_95")
    return Section(
        plan.resolution.judges_sha256 is not None,
        tuple(
            Check(words.name_gate(name)[0], gate.action, format_interval(name, gate))
            for name in JUDGED
            if (gate := plan.request.gates.get(name))
        ),
        _score(test["segmenter"], {n: one["segmenter"] for n, one in others.items()}, "missed"),
        _score(
            test["classifier"].get("auc", {}),
            {n: one["classifier"].get("auc", {}) for n, one in others.items()},
            "area_alone",
        ),
        (empty["value"], int(empty["n"])) if empty else None,
        Estimate(*error["interval"], *(error[name] for name in names)) if error else None,
    )


def _score(
    own: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]], aside: str
) -> tuple[Score, ...]:
    """Return the scores by dataset, all together last, then datasets that were not trained on."""
    records = [(name, one, False) for name, one in own.items() if aside in one]
    records.sort(key=lambda record: (record[0] == ALL, -record[1]["n"]))
    for name, part in others.items():
        records += [(name, one, True) for key, one in part.items() if key == name and aside in one]
    found = []
    for name, one, strange in records:
        (low, high), counts = one["interval"], (one["n"], one["patients"])
        found.append(Score(name, one["value"], low, high, *counts, one[aside], strange))
    return tuple(found)
