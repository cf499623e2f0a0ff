"""What rows of real lesions tell a prior: admissible states of each node, boxes, weights.

In: rows of a canonical table, a prior for its terms, frame and ranges. Out: `Lesions`, arrays that
the fit and the likelihood work on. What a row does not state leaves all states of a node
admissible; an assessment whose 4 is undivided leaves 4a, 4b and 4c.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from busgen import schema
from busgen.arrays import Bools, Floats, Indices, Names
from busgen.errors import DataError
from busgen.priors.findings import check_margin
from busgen.priors.network import HIDDEN, LESION_NODES, TERMS, Prior
from busgen.priors.sizes import LESIONS, Sizes

Row = Mapping[str, Any]
# pathology is known, the outline follows from the margin, scanners are named otherwise
TOLD = tuple(name for name in TERMS if name not in {*HIDDEN, "pathology", "scanner"})
COLUMNS = (
    *("sample_id", "dataset", "cluster_id", "pathology", "birads", "birads_category", "tissue"),
    *("shape", "orientation", "margin", "echo_pattern", "posterior", "halo", "calcification"),
    *("crop_width", "crop_height", "crop_center_x", "crop_center_y"),
)
BOX = ("log_area", "log_aspect", "x", "y", "width", "height")
AREA, ASPECT, X, Y, WIDTH, HEIGHT = range(6)
CENTRED = 1 / 256  # a box this near to the crop's middle was put there by cropping
_ON_DIAGONAL = -1e-6


@dataclass(frozen=True, eq=False)
class Lesions:
    """Rows of one pathology each; N rows, P different patterns of evidence.

    `dataset`, `patient` (N,) names; `weight` (N,); `pathology` (N,) index into
    `schema.PATHOLOGIES`; `pattern` (N,) row of each table in `patterns`, node -> (P, states) 1.0
    where the state is admissible; `boxes` (N, 6) as in `BOX`, fractions of the square crop, NaN
    where unknown; `outside` (N,) whether a box was left out for leaving the prior's frame or
    ranges.
    """

    dataset: Names
    patient: Names
    weight: Floats
    pathology: Indices
    pattern: Indices
    patterns: Mapping[str, Floats]
    boxes: Floats
    outside: Bools

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.weight)

    @property
    def has_box(self) -> Bools:
        """Which rows have a box."""
        return ~np.isnan(self.boxes[:, AREA])

    def pick(self, rows: Bools | Indices) -> "Lesions":
        """Return the rows that a mask (N,) or indices choose."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "patterns"}
        return replace(self, **{name: column[rows] for name, column in columns.items()})

    def weigh(self, weights: Mapping[str, float]) -> "Lesions":
        """Return the rows whose dataset weighs anything, weights multiplied (1 where unnamed)."""
        factor = np.array([weights.get(name, 1.0) for name in self.dataset.tolist()])
        return replace(self, weight=self.weight * factor).pick(factor > 0)


def make_lesions(rows: Iterable[Row], prior: Prior) -> Lesions:
    """Return what `rows` (with `COLUMNS`) tell; rows without a pathology are skipped.

    A patient's rows share the weight 1: two views of a lesion are not two lesions. The box counts
    where it lies in the prior's frame and ranges; its place from left to right where cropping did
    not decide it. Raises `DataError` if no row is left, or a term is outside the lexicon.
    """
    kept = [row for row in rows if row["pathology"] is not None]
    if not kept:
        raise DataError("a table to fit must have labelled rows", 0, "check what was left out")
    record = [tuple(_admissible(row, name) for name in TOLD) for row in kept]
    numbers = {evidence: place for place, evidence in enumerate(dict.fromkeys(record))}
    patterns = {}
    for i, name in enumerate(TOLD):
        states = np.arange(len(TERMS[name]) + (name in LESION_NODES))
        patterns[name] = np.array([np.isin(states, e[i]) for e in numbers], np.float64)
    views = Counter(row["cluster_id"] for row in kept)
    pathology = np.array([schema.PATHOLOGIES.index(row["pathology"]) for row in kept])
    boxes = np.array([_box(row) for row in kept])
    index = np.array([numbers[evidence] for evidence in record])
    shapes = patterns["shape"][index][:, : len(schema.SHAPES)]
    inside = passes(prior.sizes, pathology, shapes > 0, boxes)
    known = ~np.isnan(boxes[:, AREA])
    boxes[~inside] = np.nan
    return Lesions(
        np.array([row["dataset"] for row in kept]),
        np.array([row["cluster_id"] for row in kept]),
        np.array([1 / views[row["cluster_id"]] for row in kept]),
        pathology,
        index,
        patterns,
        boxes,
        known & ~inside,
    )


def _admissible(row: Row, name: str) -> tuple[int, ...]:
    """Return the states of a node that a row leaves open; the last is a lesion's null."""
    terms, term = TERMS[name], _term(row, name)
    lesion = row["pathology"] != "normal"
    if name in LESION_NODES and not lesion:
        return (len(terms),)
    if term is None and name == "birads" and row["birads_category"] is not None:
        return tuple(i for i, t in enumerate(terms) if t[0] == row["birads_category"])
    if term is None:
        return tuple(range(len(terms)))
    if term not in terms:
        raise DataError(f"{name} must be one of the lexicon's terms", term, ", ".join(terms))
    return (terms.index(term),)


def _term(row: Row, name: str) -> str | None:
    """Return the node's term in a row, None where it is silent."""
    if name == "halo":
        return None if row["halo"] is None else ("no", "yes")[row["halo"]]
    if name == "margin":
        if not row["margin"]:
            return None
        terms = tuple(term for term in schema.MARGINS if term in row["margin"])
        check_margin(terms)
        return "+".join(terms)
    return None if row[name] is None else str(row[name])


def _box(row: Row) -> tuple[float, ...]:
    """Return the box as in `BOX`; its aspect agrees with the stated orientation."""
    width, height = row["crop_width"], row["crop_height"]
    if not width or not height or row["orientation"] is None or row["pathology"] not in LESIONS:
        return (np.nan,) * len(BOX)
    aspect, x = float(np.log(width / height)), row["crop_center_x"]
    tall = row["orientation"] == "not_parallel"  # of the published mask, finer than the crop's
    aspect = min(aspect, _ON_DIAGONAL) if tall else max(aspect, 0.0)
    x = np.nan if abs(x - 0.5) <= CENTRED else x
    return float(np.log(width * height)), aspect, x, row["crop_center_y"], width, height


def passes(sizes: Sizes, pathology: Indices, shapes: Bools, boxes: Floats) -> Bools:
    """Return which boxes (N, 6) keep to the frame, and to the ranges of an admissible shape.

    `shapes` (N, shapes): which are admissible.
    """
    low, high = place_span(sizes, boxes)
    x = np.where(np.isnan(boxes[:, X]), low[:, 0], boxes[:, X])
    fits = (low <= high).all(1) & (low[:, 0] <= x) & (x <= high[:, 0])
    fits &= (low[:, 1] <= boxes[:, Y]) & (boxes[:, Y] <= high[:, 1])
    p = np.minimum(pathology, len(LESIONS) - 1)
    start, stop = sizes.area[p, 2], sizes.area[p, 3]
    fits &= (start <= boxes[:, AREA]) & (boxes[:, AREA] <= stop)
    start, stop = aspect_span(sizes, pathology, boxes)
    inside = (start <= boxes[:, [ASPECT]]) & (boxes[:, [ASPECT]] <= stop)
    return np.asarray(fits & (inside & shapes).any(1), np.bool_)


def place_span(sizes: Sizes, boxes: Floats) -> tuple[Floats, Floats]:
    """Return the least and largest centre (N, 2: x, y) of boxes (N, 6) in the frame.

    The skin's share is that of the frame alone: real crops do not tell their depth.
    """
    _, top, side, bottom = sizes.frame
    half = boxes[:, [WIDTH, HEIGHT]] / 2
    return half + np.array([side, top]), 1 - half - np.array([side, bottom])


def aspect_span(sizes: Sizes, pathology: Indices, boxes: Floats) -> tuple[Floats, Floats]:
    """Return the range of log aspect (N, shapes) of each shape, cut to boxes that fit the frame."""
    _, top, side, bottom = sizes.frame
    p = np.minimum(pathology, len(LESIONS) - 1)
    bounds = sizes.aspect[p, :, (boxes[:, ASPECT] < 0).astype(np.intp), 2:]
    area = boxes[:, [AREA]]
    tallest, widest = 2 * np.log(1 - top - bottom), 2 * np.log(1 - 2 * side)
    return np.maximum(bounds[..., 0], area - tallest), np.minimum(bounds[..., 1], widest - area)
