"""What was learned from: public datasets, and what cleaning found in them.

In: the reference's sources and the cohort's counts (`busgen.real.prepare`), which it carries.
Out: datasets, what was found with counts by dataset, images of each split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from busgen import schema
from busgen.report import words

SPLITS = ("train", "validation", "test")
LEFT_OUT, UNUSED, FLAGGED = "Left out", "Read, but kept out of learning", "Flagged"
NOT_LEARNT = ("near_duplicate", "label_conflict", "colour_doppler", "no_mask", "empty_mask")


@dataclass(frozen=True)
class Dataset:
    """One public dataset: who published it, what its licence allows, images and patients."""

    name: str
    citation: str
    doi: str
    licence: str
    may_ship: bool
    published: int
    read: int
    left_out: int
    copies: int
    conflicts: int
    patients: int


@dataclass(frozen=True)
class Row:
    """One reason or flag: images of each dataset, in the order of the datasets."""

    name: str
    about: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Images of one class in each of `SPLITS`."""

    pathology: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """All of it; `clusters` of one patient's images or copies, `across` several datasets."""

    datasets: tuple[Dataset, ...]
    rows: tuple[tuple[str, tuple[Row, ...]], ...]
    groups: tuple[tuple[str, tuple[Group, ...]], ...]
    read: int
    patients: int
    clusters: int
    across: int

    @property
    def most(self) -> int:
        """The largest count of a reason or flag, at least 1."""
        return max((sum(one.counts) for _, part in self.rows for one in part), default=1)


def make_section(reference: Mapping[str, Any]) -> Section | None:
    """Return what a reference's facts tell of the data behind it, None where they are silent."""
    record, infos = reference.get("cleaning", {}), reference.get("sources", [])
    parts: Mapping[str, Any] = record.get("datasets", {})
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


def _dataset(name: str, part: Mapping[str, Any], info: Mapping[str, Any]) -> Dataset:
    citation, doi, licence = (
        str(info.get(k, "not stated")) for k in ("citation", "doi", "licence")
    )
    published, read, copies, conflicts, patients = (
        int(part[key]) for key in ("published", "read", "redundant", "conflicts", "patients")
    )
    left_out = sum(part["left_out"].values())
    counts = (published, read, left_out, copies, conflicts, patients)
    may_ship = bool(info.get("weights_may_ship", False))
    return Dataset(name, citation, doi, licence, may_ship, *counts)


def _found(parts: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Return what was found by kind, reasons in the order of their number."""
    reasons = {reason: 0 for part in parts for reason in part["left_out"]}
    lost = [(reason, _counts(parts, "left_out", reason)) for reason in reasons]
    lost.sort(key=lambda one: (-sum(one[1]), one[0]))
    rows = [Row(f"{r[:1].upper()}{r[1:]}", "", c) for r, c in lost]
    groups: dict[str, list[Row]] = {LEFT_OUT: rows, UNUSED: [], FLAGGED: []}
    for flag in schema.FLAGS:
        counts = _counts(parts, "flags", flag)
        if sum(counts):
            kind = UNUSED if flag in NOT_LEARNT else FLAGGED
            groups[kind].append(Row(*words.FLAGS[flag], counts))
    return tuple((kind, tuple(ones)) for kind, ones in groups.items() if ones)


def _counts(parts: Sequence[Mapping[str, Any]], key: str, name: str) -> tuple[int, ...]:
    return tuple(int(part[key].get(name, 0)) for part in parts)


def _split(splits: Mapping[str, Mapping[str, int]]) -> tuple[Group, ...]:
    classes = (*schema.PATHOLOGIES, "unknown")
    groups = (Group(c, tuple(int(splits[s].get(c, 0)) for s in SPLITS)) for c in classes)
    return tuple(group for group in groups if sum(group.counts))
