"""A question and its answer; those that a release's limits give, and what they say of it all.

In: the record of `busgen.evaluation.limits.check`, what was counted. Out: `Answer`s, a clause.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from busgen.evaluation import limits
from busgen.report import words
from busgen.stats.proportions import wilson_interval

YES, PARTLY, NO, UNKNOWN = "yes", "partly", "no", "not known"
LIMIT = "limit "  # before the name of the score

Record = Mapping[str, Any]


class Answer(NamedTuple):
    """One question and its answer; `interval` (95 %) and `floor` in the words of the page.

    `floor` is what real images show; empty where none is meant.
    """

    name: str
    question: str
    answer: str
    why: str
    n: str = ""
    interval: str = ""
    floor: str = ""


def format_share(count: int, total: int) -> str:
    """Return the 95 % interval of a share in words."""
    low, high = wilson_interval(count, total)
    return format_interval(low, high)


def format_interval(low: float, high: float) -> str:
    """Return an interval of shares in words."""
    return f"{words.format_percent(low)} to {words.format_percent(high)}"


def make_answers(record: Record | None) -> list[Answer]:
    """Return the limits that the whole set is held to, those that were not measured as one."""
    rows = record["rows"] if record else []
    found = [_answer(row) for row in rows if row["verdict"] != limits.NOT_MEASURED]
    if record and (left := unmeasured_answers(record)):
        why = f"not measured: {'; '.join(left)}"
        found.append(Answer("limits left", "Other limits", UNKNOWN, why))
    return found


def unmeasured_answers(record: Record) -> list[str]:
    """Return the limits of which nothing was measured, those of one reason together."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in record["rows"]:
        if row["verdict"] == limits.NOT_MEASURED:
            found[row["reason"]].append(words.name_score(row["name"]))
    return [f"{', '.join(names)}: {reason}" for reason, names in found.items()]


def to_words(record: Record | None) -> str:
    """Return what the limits say of the release, a clause; empty where it has none."""
    rows = record["rows"] if record else []
    if not record or not rows:
        return ""
    total = f"its {len(rows)} limits"
    failed, left = (len(limits.names(record, one)) for one in (limits.FAILS, limits.NOT_MEASURED))
    return {
        limits.FAILING: f"fails {failed} of {total}",
        limits.PASSING: f"keeps all of {total}",
        limits.OPEN: f"keeps its limits where they were measured ({left} of {len(rows)} were not)",
    }[record["verdict"]]


def _answer(row: Mapping[str, Any]) -> Answer:
    failed = row["verdict"] == limits.FAILS
    kept = "beyond its limit" if failed else "within its limit"
    title = words.name_score(row["name"])
    why = f"{title} {words.format_number(row['value'])}, {kept}: {_bound(row)}"
    ends = " to ".join(words.format_number(end) for end in row.get("interval") or ())
    floor = words.format_number(row["floor"]) if row.get("floor") is not None else ""
    name, answer = LIMIT + row["name"], NO if failed else YES
    return Answer(name, f"Limit: {title}", answer, why, f"{row.get('n', '')}", ends, floor)


def _bound(row: Mapping[str, Any]) -> str:
    """Return what a limit allows; one of real images as a multiple of theirs."""
    most = row["max"] is not None
    given, bound = (row["max"], row["high"]) if most else (row["min"], row["low"])
    told = f"at {'most' if most else 'least'} {words.format_number(bound)}"
    if row["of"] != "floor_limit":
        return told
    times = "" if given == 1 else f"{words.format_number(given)} times "
    return f"{told}, {times}the limit of real images against real ones"
