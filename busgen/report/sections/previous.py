"""A release beside the previous one: figures with intervals, and what changed beyond noise.

In: `Evidence` with a previous release and its scores. Out: `Section`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from math import hypot
from typing import Any, NamedTuple

from busgen import io
from busgen.release.diff import diff
from busgen.report import words
from busgen.report.evidence import SCORES, Evidence
from busgen.report.sections import scores as sections_scores
from busgen.stats.proportions import wilson_interval

BETTER, WORSE, SAME = "better", "worse", "no difference beyond noise"
RARE = 0.01  # p below which a column counts as changed, over the number of columns
AUC = "descriptor_auc"
SHOWN = 30  # differences of provenance
Record = Mapping[str, Any]
Shift = tuple[str, str, float, float]  # column, test, by how much of 1, p


class Row(NamedTuple):
    """One figure of both versions as recorded; `verdict` is `BETTER`, `WORSE` or `SAME`."""

    name: str
    about: str
    before: Record
    now: Record
    verdict: str


class Section(NamedTuple):
    """All of it; `same_reference`: whether both were held against the same real images."""

    title: str
    changes: tuple[Row, ...]
    counts: tuple[tuple[str, int, int], ...]
    columns: int
    shifts: tuple[Shift, ...]
    identical: int
    provenance: tuple[tuple[str, str, str], ...]
    same_reference: bool


def make_section(evidence: Evidence) -> Section | None:
    """Return how the release differs from the previous one, None where none is given.

    Raises `UserError` or `DataError` if that or its scores are missing or damaged.
    """
    previous = evidence.sources.previous
    if previous is None:
        return None
    found = diff(previous / "release", evidence.sources.release)
    old = io.read_json(previous / "quality" / SCORES)
    columns, shifts = _shifts(found)
    provenance = found["provenance"].items()
    return Section(
        str(io.read_json(previous / "release" / "provenance.json")["title"]),
        (*_gates(found), *_scores(old, evidence.scores), *_measure(old, evidence.scores)),
        tuple((name, *pair) for name, pair in found["counts"].items()),
        columns,
        shifts,
        int(found["identical_images"]),
        tuple((n, _shorten(a), _shorten(b)) for n, (a, b) in islice(provenance, SHOWN)),
        old.get("reference") == evidence.scores.get("reference"),
    )


def _gates(found: Record) -> tuple[Row, ...]:
    """Return the shares of attempts accepted and of findings left unfilled."""
    counts = found["counts"]
    families = [a + b for a, b in zip(counts["families"], counts["unfilled"], strict=True)]
    a, b = (_share(*one) for one in zip(counts["n"], counts["attempts"], strict=True))
    left, now = (_share(*one) for one in zip(counts["unfilled"], families, strict=True))
    return (
        Row("Attempts accepted", "share of all attempts", a, b, _judge(a, b, -1.0)),
        Row("Left unfilled", "share of the request", left, now, _judge(left, now)),
    )


def _share(count: int, total: int) -> Record:
    ends = wilson_interval(count, total)
    return {"value": count / max(total, 1), "interval": ends, "n": total}


def _scores(old: Record, new: Record) -> list[Row]:
    """Return the distances to real images that both versions were scored by, and the AUC."""
    changes = []
    for name in sorted(set(old["headline"]) & set(new["headline"])):
        before, now = old["headline"][name], new["headline"][name]
        if name == AUC:  # as hard as in patients is best
            aims = [{**one, "value": abs(one["value"] - one["floor"])} for one in (before, now)]
            title, about = "Class told from descriptors", "AUC; best is that of patients"
            changes.append(Row(title, about, before, now, _judge(aims[0], aims[1])))
            continue
        group, _, pathology = name.removeprefix("ks_").partition(".")
        title = words.GROUPS.get(group, (words.to_words(group).capitalize(),))[0]
        about = f"{pathology}, distance to real images"
        changes.append(Row(title, about, before, now, _judge(before, now)))
    return changes


def _measure(old: Record, new: Record) -> Iterator[Row]:
    """Yield the scores beside real data that both versions have, measured alike."""
    scores = [one.get("beside_real", {}).get("scores", {}) for one in (old, new)]
    for name, record in scores[1].items():
        before = scores[0].get(name)
        if before is None or before["version"] != record["version"]:
            continue
        kind, space = words.parse_score(name)
        title, about = sections_scores.name_kind(kind)
        sign = 1.0 if record["bad"] == "high" else -1.0
        about = f"{words.SPACES.get(space, space)}: {about}"
        yield Row(title, about, before, record, _judge(before, record, sign))


def _judge(before: Record, now: Record, sign: float = 1.0) -> str:
    """Say whether `now` is lower (`sign` 1) or higher (-1) by more than both intervals explain."""
    change = sign * (now["value"] - before["value"])
    noise = hypot(*((high - low) / 2 for low, high in (before["interval"], now["interval"])))
    return SAME if abs(change) <= noise else WORSE if change > 0 else BETTER


def _shifts(found: Record) -> tuple[int, tuple[Shift, ...]]:
    """Return how many columns were compared, and those that changed, the most changed first."""
    tests = [(n, "total variation", t["total_variation"], t["p"])
             for n, t in found["terms"].items()]  # fmt: skip
    tests += [(n, "KS", t["ks"], t["p"]) for n, t in found["numbers"].items() if t]
    kept = [test for test in tests if test[3] < RARE / len(tests)]
    return len(tests), tuple(sorted(kept, key=lambda one: -one[2]))


def _shorten(value: object) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
