"""The galleries: accepted pictures chosen by rule and not by looks.

In: `Evidence`. Out: `Stratum`s of pathology and shape, `Ranked` ones: at random, best and worst by
each score, all with `Picture`s.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from busgen import schema, seeds
from busgen.report import words
from busgen.report.charts.images import Picture, Tags, make_picture
from busgen.report.evidence import Evidence, Key, released_pixels

NO_SHAPE = "no lesion"
Row = dict[Hashable, Any]
FILTERS = ("pathology", "birads", "posterior")  # fields by which a reader may filter pictures
RANKS = {"mask_agreement": True, "label_confidence": True, "strangeness": False}  # more is better


@dataclass(frozen=True)
class Stratum:
    """Accepted samples of one pathology and shape: how many there are, and some of them."""

    pathology: str
    shape: str
    count: int
    pictures: tuple[Picture, ...]


def make_gallery(evidence: Evidence, size: int) -> tuple[Stratum, ...]:
    """Return at most `size` pictures of each pathology and shape, in the lexicon's order."""
    groups = strata(evidence.accepted)
    chosen = {name: spread(rows, size) for name, rows in groups}
    found = released_pixels(
        evidence.sources, [key_of(row) for rows in chosen.values() for row in rows]
    )
    return tuple(
        Stratum(
            *name,
            len(rows),
            tuple(_picture(row, *found[key_of(row)]) for row in chosen[name]),
        )
        for name, rows in groups
    )


@dataclass(frozen=True)
class Ranked:
    """Accepted pictures with the best or the worst of a score; with none, some at random."""

    name: str
    about: str
    count: int
    pictures: tuple[Picture, ...]


def make_ranked(evidence: Evidence, size: int) -> tuple[Ranked, ...]:
    """Return `size` pictures drawn at random, then the best and worst by each score of `RANKS`.

    Scores that no picture has are left out; where several are equal the first sample comes first.
    """
    rows = evidence.accepted
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
        about = words.gate(name)[1]
        groups.append(("Best", about, name, len(scored), best))
        groups.append(("Worst", about, name, len(scored), worst))
    found = released_pixels(
        evidence.sources, [key_of(row) for *_, own in groups for row in own.to_dict("records")]
    )
    return tuple(_ranked(*group, found) for group in groups)


def _ranked(
    name: str,
    about: str,
    score: str,
    count: int,
    rows: pd.DataFrame,
    found: dict[Key, tuple[bytes, bytes]],
) -> Ranked:
    pictures = []
    for row in rows.to_dict("records"):
        unit = words.gate(score)[2] if score else ""
        told = f"Scored {words.value(float(row[score]), unit)} {unit}".strip() if score else ""
        pictures.append(_picture(row, *found[key_of(row)], first=told))
    return Ranked(name, about, count, tuple(pictures))


def tags(row: Row) -> Tags:
    """Return what filters know a picture by."""
    return tuple((name, str(row[name])) for name in FILTERS if isinstance(row[name], str))


def filters(pictures: Sequence[Picture]) -> dict[str, tuple[str, ...]]:
    """Return for each field of `FILTERS` the terms that pictures show, in the lexicon's order."""
    shown = {tag for picture in pictures for tag in picture.tags}
    found = {
        name: tuple(t for t in schema.BY_NAME[name].values or () if (name, t) in shown)
        for name in FILTERS
    }
    return {name: terms for name, terms in found.items() if len(terms) > 1}


def strata(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Return the rows of each (pathology, shape) that occurs, in the lexicon's order."""
    shape = rows["shape"].fillna(NO_SHAPE)
    found = []
    for pathology in schema.PATHOLOGIES:
        for name in (*schema.SHAPES, NO_SHAPE):
            part = rows[(rows["pathology"] == pathology) & (shape == name)]
            if len(part):
                found.append(((pathology, name), part))
    return found


def spread(rows: pd.DataFrame, size: int) -> list[Row]:
    """Return `size` rows at equal steps through all, in order of sample: no look decides."""
    count = min(size, len(rows))
    places = [(2 * k + 1) * len(rows) // (2 * count) for k in range(count)]
    return rows.iloc[places].to_dict("records")


def key_of(row: Row) -> Key:
    """Return what finds an attempt's pixels."""
    return str(row["sample_id"]), int(row["attempt"])


def _picture(row: Row, image: bytes, mask: bytes, first: str = "") -> Picture:
    text = str(row["text"])
    alt = f"Synthetic B-mode picture {row['sample_id']}: {text}"
    caption = (*filter(None, (first,)), text, *details(row))
    return make_picture(image, mask, float(row["pixel_mm"]), alt, caption, tags(row))


def details(row: Row) -> tuple[str, str]:
    """Return what stands below a picture and its text: size and assessment, then its identity."""
    assessed = f"BI\u2011RADS\u00a0{row['birads']}"  # never broken over lines
    if row["pathology"] != "normal":
        assessed = f"{row['width_mm']:.1f} × {row['height_mm']:.1f} mm · {assessed}"
    return assessed, str(row["sample_id"])
