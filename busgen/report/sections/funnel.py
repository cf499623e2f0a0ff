"""The funnel: from requested findings to accepted samples, and what was lost on the way, and why.

In: `Evidence`. Out: counts, acceptance by stratum, each gate with its bound, rejects and examples.
"""

from dataclasses import dataclass
from math import isnan

import numpy as np
import pandas as pd

from busgen.factory.verdicts import FAMILY
from busgen.params.gates import Gate
from busgen.report import words
from busgen.report.charts.images import Picture, make_picture
from busgen.report.evidence import Evidence, rejected_pixels
from busgen.report.sections.gallery import Row, details, key_of, spread, strata, tags
from busgen.stats.proportions import wilson

REPEATS = "duplicate_distance"  # the one gate that judges the whole set, after the others
EXAMPLES = 4
PERCENTILES = (0.05, 0.5, 0.95)
SHORT = {  # what a gate of one pair by itself asks for
    "mask_error": "mask",
    "grey_sd": "exposure",
    "saturated": "gain",
    "sharpness": "sharpness",
    "overlay": "burned-in marks",
    "strangeness": "the look",
    "upright": "orientation",
    "contrast": "contrast",
    "intensity": "grey levels",
    "descriptor_agreement": "the description",
    "mask_agreement": "the segmenter",
    "boundary_distance": "the outline's place",
    "mask_fit": "the outline",
    "label_confidence": "the classifier",
    "copy_similarity": "copies",
}


@dataclass(frozen=True)
class Step:
    """One step of the funnel."""

    name: str
    about: str
    count: int


@dataclass(frozen=True)
class Rate:
    """Acceptance in one stratum with its 95 % interval."""

    name: str
    attempts: int
    accepted: int
    low: float
    high: float
    unfilled: int
    commonest: str


@dataclass(frozen=True)
class GateReport:
    """One gate: its bound, how its score spreads over all attempts, whom it stopped."""

    name: str
    action: str
    bound: str
    scores: tuple[float, ...]
    rejected: int
    flagged: int
    examples: tuple[Picture, ...]


@dataclass(frozen=True)
class RealBound:
    """The bound that real images set a gate, and how many of other patients' it would refuse."""

    name: str
    bound: str
    used: str
    n: int
    refused: int
    n_test: int


def make_steps(evidence: Evidence) -> tuple[Step, ...]:
    """Return the funnel's steps, in order."""
    rows = evidence.attempts
    retried = len(rows) - len(evidence.requested)
    passed = rows["accepted"] | rows["reason"].isin((REPEATS, FAMILY))
    asked = "drawn once from the prior"
    if evidence.plan.request.vary:
        field, count = (
            words.field(evidence.plan.request.vary),
            evidence.requested["family_id"].nunique(),
        )
        asked = f"{count} drawn once from the prior, each with every term of {field.lower()}"
    return (
        Step("Findings requested", asked, len(evidence.requested)),
        Step("Attempts made", f"{retried} of them tried again with the same finding", len(rows)),
        Step("Passed on their own", _asked_alone(evidence), int(passed.sum())),
        Step("Accepted", _together(evidence), len(evidence.accepted)),
        Step("Left unfilled", "out of attempts, listed by name", len(evidence.unfilled)),
    )


def _together(evidence: Evidence) -> str:
    """Return what an attempt is rejected for beside others."""
    whole = ", as did the whole family" if evidence.plan.request.vary else ""
    return f"and repeat no other picture{whole}"


def _asked_alone(evidence: Evidence) -> str:
    """Return what an attempt is rejected for whatever the others look like."""
    asked = [name for name, gate in evidence.plan.request.gates.items() if gate.action == "reject"]
    names = [SHORT[name] for name in SHORT if name in asked]
    return ", ".join(names) or "nothing was asked"


def make_rates(evidence: Evidence) -> tuple[Rate, ...]:
    """Return acceptance by pathology and shape."""
    return tuple(_rate(", ".join(name), rows, evidence) for name, rows in strata(evidence.attempts))


def _rate(name: str, rows: pd.DataFrame, evidence: Evidence) -> Rate:
    accepted = int(rows["accepted"].sum())
    reasons = rows["reason"].dropna().value_counts().sort_index().sort_values(kind="stable")
    return Rate(
        name,
        len(rows),
        accepted,
        *wilson(accepted, len(rows)),
        unfilled=len(set(evidence.unfilled) & set(rows["family_id"])),
        commonest=words.gate(str(reasons.index[-1]))[0] if len(reasons) else "",
    )


def make_gates(evidence: Evidence) -> tuple[GateReport, ...]:
    """Return all gates of the plan, in the order in which they are asked."""
    order = [name for name in words.GATES if name in evidence.plan.request.gates]
    rest = sorted(set(evidence.plan.request.gates) - set(order))
    return tuple(_gate(name, evidence) for name in (*order, *rest))


def _gate(name: str, evidence: Evidence) -> GateReport:
    gate, rows = evidence.plan.request.gates[name], evidence.attempts
    stopped = rows[rows["reason"] == name]
    scores = rows[name].dropna()
    return GateReport(
        name,
        gate.action,
        bound_of(name, gate),
        tuple(scores.quantile(list(PERCENTILES)).tolist()) if len(scores) else (),
        len(stopped),
        int(rows["flags"].map(lambda flags: name in flags).sum()),
        _examples(name, gate, stopped, evidence),
    )


def bound_of(name: str, gate: Gate) -> str:
    """Return a gate's bounds in words, with their unit."""
    unit = words.gate(name)[2]
    low = f"at least {words.value(gate.min, unit)}" if gate.min is not None else ""
    high = f"at most {words.value(gate.max, unit)}" if gate.max is not None else ""
    return f"{' and '.join(filter(None, (low, high)))} {unit}".strip() if low or high else "none"


def make_bounds(evidence: Evidence) -> tuple[RealBound, ...]:
    """Return what real images say of the gates of the plan, where the reference tells it."""
    known = evidence.reference.get("calibrated", {}).get("gates", {})
    return tuple(
        RealBound(
            name,
            bound_of(name, Gate(min=known[name].get("min"), max=known[name].get("max"))),
            bound_of(name, gate),
            int(known[name]["n"]),
            int(known[name]["refused_test"]),
            int(known[name]["n_test"]),
        )
        for name, gate in sorted(evidence.plan.request.gates.items())
        if name in known
    )


def _examples(
    name: str, gate: Gate, stopped: pd.DataFrame, evidence: Evidence
) -> tuple[Picture, ...]:
    """Return some rejected attempts, from the worst score to the one nearest to its bound.

    Those whose score could not be measured stand first.
    """
    low, high = (
        -np.inf if gate.min is None else gate.min,
        np.inf if gate.max is None else gate.max,
    )
    beyond = pd.Series(np.maximum(low - stopped[name], stopped[name] - high), stopped.index)
    order = beyond.fillna(np.inf).sort_values(ascending=False, kind="stable").index
    chosen = spread(stopped.loc[order], EXAMPLES)
    found = rejected_pixels(evidence.sources, [key_of(row) for row in chosen])
    return tuple(_example(name, gate, row, *found[key_of(row)]) for row in chosen if found)


def _example(name: str, gate: Gate, row: Row, image: bytes, mask: bytes) -> Picture:
    unit, score = words.gate(name)[2], float(row[name])
    got = "not measurable" if isnan(score) else f"{words.value(score, unit)} {unit}".strip()
    verdict = f"Scored {got}, must be {bound_of(name, gate)}"
    if name == REPEATS and pd.notna(row["duplicate_of"]):
        verdict += f"; repeats {row['duplicate_of']}"
    assessed, sample = details(row)
    again = f"{sample}, attempt {row['attempt'] + 1}"
    alt = f"Rejected synthetic picture {again}: {row['text']}"
    caption = (verdict, str(row["text"]), assessed, again)
    return make_picture(image, mask, float(row["pixel_mm"]), alt, caption, tags(row))


def tries(evidence: Evidence) -> tuple[tuple[int, int], ...]:
    """Return (attempt, accepted at it), counting from 1."""
    attempts, counts = np.unique(evidence.accepted["attempt"].to_numpy(), return_counts=True)
    return tuple(zip((attempts + 1).tolist(), counts.tolist(), strict=True))
