"""Counterfactual families side by side: one row a family, one column a term.

In: `Evidence` of a release made with `vary`. Out: `Group`s, chosen by rule and not by looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import pandas as pd

from busgen import schema
from busgen.io import decode_png
from busgen.metrics.counterfactuals import unchanged_region
from busgen.report.charts.images import Image, make_image, outline_path
from busgen.report.evidence import Evidence, Key, read_released
from busgen.report.sections.gallery import Row, make_key, select

TERMS = {"halo": (False, True)}
Saying = tuple[str, str, str]  # before the words that change, these, and after them


@dataclass(frozen=True)
class Member:
    """One image of a family: the term that it was made with, and its sentence in three parts.

    `region` is the SVG path, as an image's outline, of where the field should show.
    """

    term: str
    image: Image
    region: str
    saying: Saying


@dataclass(frozen=True)
class Group:
    """One finding with each term of the varied field."""

    name: str
    pathology: str
    shape: str | None
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Section:
    """The field that varies, how many families there are, and some of them."""

    field: str
    count: int
    examples: tuple[Group, ...]


def make_section(evidence: Evidence, size: int) -> Section | None:
    """Return at most `size` families at equal steps through all; None where nothing varies."""
    field = evidence.plan.request.vary
    if field is None:
        return None
    rows = evidence.accepted_rows.dropna(subset=[field])
    names = rows["family_id"].drop_duplicates().sort_values().to_frame()
    if names.empty:
        return None
    chosen = [_members(rows, str(row["family_id"]), field) for row in select(names, size)]
    found = read_released(evidence.sources, [make_key(row) for own in chosen for row in own])
    shown = tuple(_make_group(own, field, found) for own in chosen)
    return Section(field, len(names), shown)


def _members(rows: pd.DataFrame, name: str, field: str) -> list[Row]:
    """Return the rows of a family in the lexicon's order."""
    order = [_term(value) for value in schema.BY_NAME[field].values or TERMS[field]]
    own = rows[rows["family_id"] == name].to_dict("records")
    return sorted(own, key=lambda row: order.index(_term(row[field])))


def _make_group(rows: list[Row], field: str, found: dict[Key, tuple[bytes, bytes]]) -> Group:
    first, members = rows[0], []
    sayings = _split_common([str(row["text"]) for row in rows])
    for row, saying in zip(rows, sayings, strict=True):
        name, (pixels, outlined) = str(row["sample_id"]), found[make_key(row)]
        alt = f"Member of a family, synthetic B-mode image {name}: {row['text']}"
        image = make_image(pixels, outlined, float(row["pixel_mm"]), alt, (name,))
        mask = (decode_png(outlined, f"mask of {name}") > 0).astype(np.uint8)
        changes = ~unchanged_region(mask, field) if mask.any() else mask
        members.append(
            Member(_term(row[field]), image, outline_path(changes.astype(np.uint8)), saying)
        )
    shape: str | None = None if pd.isna(first["shape"]) else str(first["shape"])
    return Group(str(first["family_id"]), str(first["pathology"]), shape, tuple(members))


def _term(value: object) -> str:
    if isinstance(value, list | tuple | np.ndarray):  # margins
        return "+".join(value)
    return {"True": "yes", "False": "no"}.get(str(value), str(value))


def _split_common(texts: Sequence[str]) -> list[Saying]:
    """Return each text as (what all begin with, its own words, what all end with), in words."""
    words = [text.split(" ") for text in texts]
    start = _common(words)
    end = _common([own[start:][::-1] for own in words])
    parts = [(own[:start], own[start : len(own) - end], own[len(own) - end :]) for own in words]
    return [(" ".join(a), " ".join(b), " ".join(c)) for a, b, c in parts]


def _common(words: Sequence[Sequence[str]]) -> int:
    """Return how many leading words all have in common."""
    columns = zip(*words, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
