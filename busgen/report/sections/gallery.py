"""The galleries: accepted images chosen by rule and not by looks.

In: `Evidence`. Out: `Group`s of pathology and shape, `_Ranked` ones: at random, best and worst by
each score, all with `Image`s.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from busgen import schema, seeds
from busgen.report import words
from busgen.report.charts.images import Image, Tags, make_image
from busgen.report.evidence import Evidence, Key, read_released

NO_SHAPE = "no lesion"
Row = dict[Hashable, Any]
FILTERS = ("pathology", "birads", "posterior")  # fields by which a reader may filter images
RANKS = {"mask_agreement": True, "label_confidence": True, "anomaly": False}  # more is better


@dataclass(frozen=True)
class Group:
    """Accepted samples of one pathology and shape: how many there are, and some of them."""

    pathology: str
    shape: str
    count: int
    images: tuple[Image, ...]


def make_section(evidence: Evidence, size: int) -> tuple[Group, ...]:
    """Return at most `size` images of each pathology and shape, in the lexicon's order."""
    groups = group_rows(evidence.accepted_rows)
    chosen = {name: select(rows, size) for name, rows in groups}
    found = read_released(
        evidence.sources, [make_key(row) for rows in chosen.values() for row in rows]
    )
    return tuple(
        Group(*name, len(rows), tuple(_image(row, *found[make_key(row)]) for row in chosen[name]))
        for name, rows in groups
    )


@dataclass(frozen=True)
class _Ranked:
    """Accepted images with the best or the worst of a score; with none, some at random."""

    name: str
    about: str
    count: int
    images: tuple[Image, ...]


def make_rows(evidence: Evidence, size: int) -> tuple[_Ranked, ...]:
    """Return `size` images drawn at random, then the best and worst by each score of `RANKS`.

    Scores that no image has are left out; where several are equal the first sample comes first.
    """
    rows = evidence.accepted_rows
    order = seeds.rng(evidence.plan.request.seed, "report/random").permutation(len(rows))
    groups = [
        ("At random", "drawn with the release’s seed", "", len(rows), rows.iloc[order[:size]])
    ]
    for name, more_is_better in RANKS.items():
        scored = rows.dropna(subset=[name]).sort_values(name, kind="stable")
        if scored.empty:
            continue
        low, high = scored.head(size), scored.tail(size).iloc[::-1]
        best, worst = (high, low) if more_is_better else (low, high)
        about = words.name_gate(name)[1]
        groups.append(("Best", about, name, len(scored), best))
        groups.append(("Worst", about, name, len(scored), worst))
    found = read_released(
        evidence.sources, [make_key(row) for *_, own in groups for row in own.to_dict("records")]
    )
    return tuple(_rank(*group, found) for group in groups)


def _rank(
    name: str,
    about: str,
    score: str,
    count: int,
    rows: pd.DataFrame,
    found: dict[Key, tuple[bytes, bytes]],
) -> _Ranked:
    images = []
    for row in rows.to_dict("records"):
        unit = words.name_gate(score)[2] if score else ""
        told = (
            f"Scored {words.format_value(float(row[score]), unit)} {unit}".strip() if score else ""
        )
        images.append(_image(row, *found[make_key(row)], first=told))
    return _Ranked(name, about, count, tuple(images))


def make_tags(row: Row) -> Tags:
    """Return what filters know an image by."""
    return tuple((name, str(row[name])) for name in FILTERS if isinstance(row[name], str))


def make_filters(images: Sequence[Image]) -> dict[str, tuple[str, ...]]:
    """Return for each field of `FILTERS` the terms that images show, in the lexicon's order."""
    shown = {tag for image in images for tag in image.tags}
    found = {
        name: tuple(t for t in schema.BY_NAME[name].values or () if (name, t) in shown)
        for name in FILTERS
    }
    return {name: terms for name, terms in found.items() if len(terms) > 1}


def group_rows(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Return the rows of each (pathology, shape) that occurs, in the lexicon's order."""
    shape = rows["shape"].fillna(NO_SHAPE)
    found = []
    for pathology in schema.PATHOLOGIES:
        for name in (*schema.SHAPES, NO_SHAPE):
            part = rows[(rows["pathology"] == pathology) & (shape == name)]
            if len(part):
                found.append(((pathology, name), part))
    return found


def select(rows: pd.DataFrame, size: int) -> list[Row]:
    """Return `size` rows at equal steps through all, in order of sample: no look decides."""
    count = min(size, len(rows))
    places = [(2 * k + 1) * len(rows) // (2 * count) for k in range(count)]
    return rows.iloc[places].to_dict("records")


def make_key(row: Row) -> Key:
    """Return what finds an attempt's pixels."""
    return str(row["sample_id"]), int(row["attempt"])


def _image(row: Row, image: bytes, mask: bytes, first: str = "") -> Image:
    text = str(row["text"])
    alt = f"Synthetic B-mode image {row['sample_id']}: {text}"
    caption = (*filter(None, (first,)), text, *describe(row))
    return make_image(image, mask, float(row["pixel_mm"]), alt, caption, make_tags(row))


def describe(row: Row) -> tuple[str, str]:
    """Return what stands below an image and its text: size and assessment, then its identity."""
    assessed = f"BI\u2011RADS\u00a0{row['birads']}"  # never broken over lines
    if row["pathology"] != "normal":
        assessed = f"{row['width_mm']:.1f} × {row['height_mm']:.1f} mm · {assessed}"
    return assessed, str(row["sample_id"])
