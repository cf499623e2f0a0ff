"""The galleries: accepted images chosen by rule and not by looks.

In: `Evidence`. Out: groups of `Image`s: by pathology and shape, at random, best and worst by each
score.
"""

from collections.abc import Hashable, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd

from busgen import schema, seeds
from busgen.report import words
from busgen.report.charts.images import Image, Tags, make_image
from busgen.report.evidence import Evidence, Key, read_released

NO_SHAPE = "no lesion"
Row = dict[Hashable, Any]
Group = tuple[str, str, int, tuple[Image, ...]]
FILTERS = ("pathology", "scanner", "echo_pattern", "birads", "posterior")  # of a reader
FURTHER = ("shape", "margin", "orientation", "calcification")  # where the gallery is all there is
PLATE = 12  # images that a reader sees first
RANKS = {"mask_agreement": True, "label_confidence": True, "anomaly": False}  # more is better


def make_section(evidence: Evidence, size: int) -> tuple[Group, ...]:
    """Return (pathology, shape, how many, at most `size` images), in the lexicon's order."""
    groups = [(*name, len(rows), select(rows, size))
              for name, rows in group_rows(evidence.accepted_rows)]  # fmt: skip
    found = read_released(evidence.sources, [make_key(row) for *_, rows in groups for row in rows])
    return tuple(
        (pathology, shape, n, tuple(make_shot(row, *found[make_key(row)]) for row in rows))
        for pathology, shape, n, rows in groups
    )


def make_plate(evidence: Evidence) -> tuple[Image, ...]:
    """Return the images that the page begins with, drawn with the release's seed."""
    rows = _shuffle(evidence).head(PLATE).to_dict("records")
    found = read_released(evidence.sources, [make_key(row) for row in rows])
    return tuple(make_shot(row, *found[make_key(row)]) for row in rows)


def _shuffle(evidence: Evidence) -> pd.DataFrame:
    """Return the accepted rows in an order that the release's seed decides."""
    rows = evidence.accepted_rows
    order = seeds.rng(evidence.plan.request.seed, "report/random").permutation(len(rows))
    return rows.iloc[order]


def make_rows(evidence: Evidence, size: int) -> tuple[Group, ...]:
    """Return (title, what it is by, how many, `size` images): some at random, then by rank.

    These are the best and the worst by each score of `RANKS`. Scores that no image has are left
    out; where several are equal the first sample comes first.
    """
    rows = evidence.accepted_rows
    chosen = _shuffle(evidence).tail(size)  # the first ones stand at the head of the page
    groups = [("At random", "drawn with the release’s seed", "", len(rows), chosen)]
    for name, more_is_better in RANKS.items():
        scored = rows.dropna(subset=[name]).sort_values(name, kind="stable")
        if scored.empty:
            continue
        low, high = scored.head(size), scored.tail(size).iloc[::-1]
        best, worst = (high, low) if more_is_better else (low, high)
        about = words.name_gate(name)[1]
        groups.append(("Best", about, name, len(scored), best))
        groups.append(("Worst", about, name, len(scored), worst))
    keys = [make_key(row) for *_, own in groups for row in own.to_dict("records")]
    found, ranked = read_released(evidence.sources, keys), []
    for title, about, score, count, own in groups:
        unit, images = words.name_gate(score)[2] if score else "", []
        for row in own.to_dict("records"):
            value = words.format_value(float(row[score]), unit) if score else ""
            first = f"Scored {value} {unit}".strip() if score else ""
            images.append(make_shot(row, *found[make_key(row)], first))
        ranked.append((title, about, count, tuple(images)))
    return tuple(ranked)


def make_tags(row: Row) -> Tags:
    """Return what filters know an image by: pairs of a field and a term of it."""
    tags = []
    for name in (*FILTERS, *FURTHER):
        value = row[name]
        terms = [value] if isinstance(value, str) else value if np.iterable(value) else []
        tags += [(name, str(term)) for term in terms]
    return tuple(tags)


def make_filters(
    images: Sequence[Image], fields: Sequence[str] = FILTERS
) -> dict[str, tuple[str, ...]]:
    """Return for each of `fields` the terms that images show, in the lexicon's order."""
    shown = {tag for image in images for tag in image.tags}
    found = {
        name: tuple(t for t in _list_terms(name, shown) if (name, t) in shown) for name in fields
    }
    return {name: terms for name, terms in found.items() if len(terms) > 1}


def _list_terms(field: str, shown: Set[tuple[str, str]]) -> Sequence[str]:
    """Return the terms of a field in the lexicon's order; of one that has none, as shown."""
    return schema.BY_NAME[field].values or sorted(term for name, term in shown if name == field)


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


def make_shot(row: Row, image: bytes, mask: bytes, first: str = "") -> Image:
    """Return the image of a released row, PNGs of image and mask, with what stands below it."""
    text = str(row["text"])
    alt = f"Synthetic B-mode image {row['sample_id']}: {text}"
    caption = (*filter(None, (first,)), text, *describe(row))
    return make_image(image, mask, float(row["pixel_mm"]), alt, caption, make_tags(row))


def describe(row: Row) -> tuple[str, str, str]:
    """Return what stands below an image and its text: size, assessment; scanner; its identity."""
    assessed = f"BI\u2011RADS\u00a0{row['birads']}"  # never broken over lines
    if row["pathology"] != "normal":
        assessed = f"{row['width_mm']:.1f} × {row['height_mm']:.1f} mm · {assessed}"
    return assessed, words.name_term(str(row["scanner"])), str(row["sample_id"])
