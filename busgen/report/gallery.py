"""The gallery: accepted pictures of each stratum, chosen by rule and not by looks.

In: `Evidence`. Out: `Stratum`s with `Picture`s.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from busgen import schema
from busgen.report.evidence import Evidence, Key, released_pixels
from busgen.report.pictures import Picture, make_picture

NO_SHAPE = "no lesion"
Row = dict[Hashable, Any]


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


def _picture(row: Row, image: bytes, mask: bytes) -> Picture:
    text = str(row["text"])
    alt = f"Synthetic B-mode picture {row['sample_id']}: {text}"
    return make_picture(image, mask, float(row["pixel_mm"]), alt, (text, *details(row)))


def details(row: Row) -> tuple[str, str]:
    """Return what stands below a picture and its text: size and assessment, then its identity."""
    assessed = f"BI\u2011RADS\u00a0{row['birads']}"  # never broken over lines
    if row["pathology"] != "normal":
        assessed = f"{row['width_mm']:.1f} × {row['height_mm']:.1f} mm · {assessed}"
    return assessed, str(row["sample_id"])
