"""What was learned from: public datasets, and what cleaning found in them.

In: the reference's sources and the cohort's counts (`busgen.real.prepare`), which it carries.
Out: datasets, what was found with counts by dataset, images of each split.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from busgen import schema
from busgen.report import words

SPLITS = ("train", "validation", "test")
LEFT_OUT, UNUSED, FLAGGED = "Left out", "Read, but kept out of learning", "Flagged"
NOT_LEARNT = ("near_duplicate", "label_conflict", "colour_doppler", "no_mask", "empty_mask")
UNSTATED = dict.fromkeys(("citation", "doi", "licence"), "not stated")
Record = Mapping[str, Any]
Counts = tuple[int, ...]
Row = tuple[str, str, Counts]


class Section(NamedTuple):
    """All of it; `clusters` of one patient's images or copies, `across` several datasets.

    `datasets` as published and as cleaning counted them; `rows` by kind of find: its name, what it
    means, images of each dataset; `groups` by dataset: a class, its images in each of `SPLITS`.
    """

    datasets: tuple[Record, ...]
    rows: tuple[tuple[str, tuple[Row, ...]], ...]
    groups: tuple[tuple[str, tuple[tuple[str, Counts], ...]], ...]
    read: int
    patients: int
    clusters: int
    across: int

    @property
    def most(self) -> int:
        """The largest count of a reason or flag, at least 1."""
        return max((sum(counts) for _, part in self.rows for *_, counts in part), default=1)


def make_section(reference: Record) -> Section | None:
    """Return what a reference's facts tell of the data behind it, None where they are silent."""
    record, infos = reference.get("cleaning", {}), reference.get("sources", [])
    parts: Record = record.get("datasets", {})
    if not parts:
        return None
    known = {info["name"]: info for info in infos}
    whole = record["all"]
    return Section(
        tuple(_dataset(name, part, known.get(name, {})) for name, part in parts.items()),
        _found(list(parts.values())),
        tuple((name, _split(part["splits"])) for name, part in parts.items()),
        *(int(whole[key]) for key in ("read", "patients", "clusters", "across")),
    )


def _dataset(name: str, part: Record, info: Record) -> Record:
    left_out, may_ship = sum(part["left_out"].values()), info.get("weights_may_ship", False)
    stated = {**UNSTATED, **info, **part}
    return stated | {"name": name, "left_out": left_out, "may_ship": may_ship}


def _found(parts: Sequence[Record]) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Return what was found by kind, reasons in the order of their number."""
    reasons = {reason: 0 for part in parts for reason in part["left_out"]}
    lost = [(reason, _counts(parts, "left_out", reason)) for reason in reasons]
    lost.sort(key=lambda one: (-sum(one[1]), one[0]))
    rows = [(f"{r[:1].upper()}{r[1:]}", "", c) for r, c in lost]
    groups: dict[str, list[Row]] = {LEFT_OUT: rows, UNUSED: [], FLAGGED: []}
    for flag in schema.FLAGS:
        counts = _counts(parts, "flags", flag)
        if sum(counts):
            kind = UNUSED if flag in NOT_LEARNT else FLAGGED
            groups[kind].append((*words.FLAGS[flag], counts))
    return tuple((kind, tuple(ones)) for kind, ones in groups.items() if ones)


def _counts(parts: Sequence[Record], key: str, name: str) -> Counts:
    return tuple(int(part[key].get(name, 0)) for part in parts)


def _split(splits: Mapping[str, Mapping[str, int]]) -> tuple[tuple[str, Counts], ...]:
    classes = (*schema.PATHOLOGIES, "unknown")
    groups = ((c, tuple(int(splits[s].get(c, 0)) for s in SPLITS)) for c in classes)
    return tuple((name, counts) for name, counts in groups if sum(counts))
