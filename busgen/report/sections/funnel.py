"""The funnel: from requested findings to accepted samples, and what was lost on the way, and why.

In: `Evidence`. Out: counts, acceptance by stratum, each gate with its bound, rejects and examples.
"""

from math import isnan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from busgen.factory.verdicts import FAMILY
from busgen.params.gates import Gate
from busgen.release.rows import find_files
from busgen.report import words
from busgen.report.charts.images import Image, make_image
from busgen.report.evidence import Evidence, read_pixels
from busgen.report.sections import gallery
from busgen.report.sections.gallery import describe, group_rows, make_key, make_tags, select
from busgen.stats.proportions import wilson_interval

REPEATS = "duplicate_distance"  # the one gate that judges the whole set, after the others
EXAMPLES = 4
PERCENTILES = (0.05, 0.5, 0.95)


class Row(NamedTuple):
    """Acceptance in one stratum with its 95 % interval."""

    name: str
    attempts: int
    accepted: int
    low: float
    high: float
    unfilled: int
    commonest: str


class _Gate(NamedTuple):
    """One gate: its bound, how its score spreads over all attempts, whom it stopped."""

    name: str
    action: str
    bound: str
    scores: tuple[float, ...]
    rejected: int
    flagged: int
    examples: tuple[Image, ...]


def make_section(evidence: Evidence) -> tuple[tuple[str, str, int], ...]:
    """Return the funnel's steps, in order: name, what it is, how many pass it."""
    rows = evidence.attempts
    retried = len(rows) - len(evidence.first_attempts)
    passed = rows["accepted"] | rows["reason"].isin((REPEATS, FAMILY))
    request, together = "drawn once from the prior", "and repeat no other image"
    if field := evidence.plan.request.vary:
        count = evidence.first_attempts["family_id"].nunique()
        request = f"{count} {request}, each with every term of {words.name_field(field).lower()}"
        together += ", as did the whole family"
    gates = evidence.plan.request.gates
    alone = [words.ASKED[n] for n in words.ASKED if n in gates and gates[n].action == "reject"]
    return (
        ("Findings requested", request, len(evidence.first_attempts)),
        ("Attempts made", f"{retried} of them tried again with the same finding", len(rows)),
        ("Passed on their own", ", ".join(alone) or "nothing was asked", int(passed.sum())),
        ("Accepted", together, len(evidence.accepted_rows)),
        ("Left unfilled", "out of attempts, listed by name", len(evidence.unfilled)),
    )


def make_rows(evidence: Evidence) -> tuple[Row, ...]:
    """Return acceptance by pathology and shape."""
    found = []
    for name, rows in group_rows(evidence.attempts):
        accepted, n = int(rows["accepted"].sum()), len(rows)
        low, high = wilson_interval(accepted, n)
        unfilled = len(set(evidence.unfilled) & set(rows["family_id"]))
        reasons = rows["reason"].dropna().value_counts().sort_index().sort_values(kind="stable")
        commonest = words.name_gate(str(reasons.index[-1]))[0] if len(reasons) else ""
        found.append(Row(", ".join(name), n, accepted, low, high, unfilled, commonest))
    return tuple(found)


def make_gates(evidence: Evidence) -> tuple[_Gate, ...]:
    """Return all gates of the plan, in the order in which they are asked."""
    order = [name for name in words.GATES if name in evidence.plan.request.gates]
    rest = sorted(set(evidence.plan.request.gates) - set(order))
    found, rows = [], evidence.attempts
    for name in (*order, *rest):
        gate, scores = evidence.plan.request.gates[name], rows[name].dropna()
        stopped, bound = rows[rows["reason"] == name], format_interval(name, gate)
        spread = tuple(scores.quantile(list(PERCENTILES)).tolist()) if len(scores) else ()
        flagged = sum(name in flags for flags in rows["flags"])
        examples = _examples(name, gate, stopped, evidence)
        found.append(_Gate(name, gate.action, bound, spread, len(stopped), flagged, examples))
    return tuple(found)


def format_interval(name: str, gate: Gate) -> str:
    """Return a gate's bounds in words, with their unit."""
    unit = words.name_gate(name)[2]
    low = f"at least {words.format_value(gate.min, unit)}" if gate.min is not None else ""
    high = f"at most {words.format_value(gate.max, unit)}" if gate.max is not None else ""
    return f"{' and '.join(filter(None, (low, high)))} {unit}".strip() if low or high else "none"


def make_bounds(evidence: Evidence) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return (gate, bound that real images set, bound in use, record of real images).

    Of the gates of the plan that the reference knows.
    """
    known = evidence.reference.get("calibrated", {}).get("gates", {})
    found = []
    for name, gate in sorted(evidence.plan.request.gates.items()):
        if one := known.get(name):
            bound = format_interval(name, Gate(min=one.get("min"), max=one.get("max")))
            found.append((name, bound, format_interval(name, gate), one))
    return found


def _examples(
    name: str, gate: Gate, stopped: pd.DataFrame, evidence: Evidence
) -> tuple[Image, ...]:
    """Return some rejected attempts, from the worst score to the one nearest to its bound.

    Those whose score could not be measured stand first.
    """
    low = -np.inf if gate.min is None else gate.min
    high = np.inf if gate.max is None else gate.max
    beyond = pd.Series(np.maximum(low - stopped[name], stopped[name] - high), stopped.index)
    order = beyond.fillna(np.inf).sort_values(ascending=False, kind="stable").index
    chosen = select(stopped.loc[order], EXAMPLES)
    candidates = evidence.sources.candidates  # which alone hold their pixels
    keys = [make_key(row) for row in chosen]
    found = read_pixels(find_files(candidates), keys) if keys and candidates else {}
    return tuple(_example(name, gate, row, *found[make_key(row)]) for row in chosen if found)


def _example(name: str, gate: Gate, row: gallery.Row, image: bytes, mask: bytes) -> Image:
    unit, score = words.name_gate(name)[2], float(row[name])
    got = "not measurable" if isnan(score) else f"{words.format_value(score, unit)} {unit}".strip()
    verdict = f"Scored {got}, must be {format_interval(name, gate)}"
    if name == REPEATS and pd.notna(row["duplicate_of"]):
        verdict += f"; repeats {row['duplicate_of']}"
    assessed, scanner, sample = describe(row)
    again = f"{sample}, attempt {row['attempt'] + 1}"
    alt = f"Rejected synthetic image {again}: {row['text']}"
    caption = (verdict, str(row["text"]), assessed, scanner, again)
    return make_image(image, mask, float(row["pixel_mm"]), alt, caption, make_tags(row))


def count(evidence: Evidence) -> tuple[tuple[int, int], ...]:
    """Return (attempt, accepted at it), counting from 1."""
    attempts, counts = np.unique(evidence.accepted_rows["attempt"].to_numpy(), return_counts=True)
    return tuple(zip((attempts + 1).tolist(), counts.tolist(), strict=True))
