"""A release's limits: what was measured, and what the parameters allow.

In: limits of `quality.limits`, scores by name. Out: a record for JSON, and the error that
refuses a release. What was not measured never passes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from busgen.errors import UserError
from busgen.params.quality import Limit

PASSES, FAILS, NOT_MEASURED = "passes", "fails", "not measured"
PASSING, FAILING, OPEN = "passing", "failing", "not all measured"  # a whole release
SHOWN = ("value", "n", "interval", "floor")

Record = dict[str, Any]
Score = Mapping[str, Any]
Reasons = Mapping[str, str]


def check(limits: Mapping[str, Limit], scores: Mapping[str, Score], reasons: Reasons) -> Record:
    """Return what scores say of limits.

    All three by the name of the score: `limits` (those that are off are left out), `scores`
    {value, n, interval, floor, floor_limit}, the last two where they are known, and `reasons` why
    there is none.

    It holds ``verdict`` of the release: ``failing`` if any limit fails, else ``not all measured``
    or ``passing``; ``refused`` whether one that fails refuses it; ``rows``, each with ``name,
    action, of, min, max`` (as given), ``low, high`` (in the score's unit), ``value, n, interval,
    floor`` and ``verdict``, or ``reason`` where nothing was measured.
    """
    rows = [
        _row(name, limit, scores.get(name), reasons)
        for name, limit in limits.items()
        if limit.action != "off"
    ]
    found = [row["verdict"] for row in rows]
    verdict = FAILING if FAILS in found else OPEN if NOT_MEASURED in found else PASSING
    refused = any(row["verdict"] == FAILS and row["action"] == "refuse" for row in rows)
    return {"verdict": verdict, "refused": refused, "rows": rows}


def require_release(record: Mapping[str, Any], evidence: Path) -> None:
    """Raise `UserError` if a limit refuses the release; `evidence` is where its scores stand."""
    broken = [row for row in record["rows"] if row["verdict"] == FAILS]
    if record["refused"]:
        raise UserError(
            "a release must keep its limits (quality.limits)",
            "; ".join(f"{row['name']} {row['value']:.4g} ({to_words(row)})" for row in broken),
            f"see {evidence}; make it better, or mark it as failing (action: mark)",
        )


def names(record: Mapping[str, Any], verdict: str) -> Sequence[str]:
    """Return the names of the limits of a verdict."""
    return [row["name"] for row in record["rows"] if row["verdict"] == verdict]


def to_words(row: Mapping[str, Any]) -> str:
    """Return the bounds of a row, e.g. ``<= 0.3``, ``<= 2 x limit of real (0.01)``."""
    found = []
    for sign, given, bound in ((">=", "min", "low"), ("<=", "max", "high")):
        if row[given] is not None:
            known = f" ({row[bound]:.3g})" if row.get(bound) is not None else ""
            unit = "" if row["of"] == "value" else f" x limit of real{known}"
            found.append(f"{sign} {row[given]:.4g}{unit}")
    return ", ".join(found)


def _row(name: str, limit: Limit, score: Score | None, reasons: Reasons) -> Record:
    record: Record = {"name": name, **limit.model_dump()}
    if score is None:
        why = reasons.get(name, "nothing that it is measured on was given")
        return record | {"verdict": NOT_MEASURED, "reason": why}
    unit = score["floor_limit"] if limit.of == "floor_limit" else 1.0
    low, high = (None if bound is None else bound * unit for bound in (limit.min, limit.max))
    within = limit.model_copy(update={"min": low, "max": high}).passes(score["value"])
    shown = {key: score[key] for key in SHOWN if key in score}
    return record | shown | {"low": low, "high": high, "verdict": PASSES if within else FAILS}
