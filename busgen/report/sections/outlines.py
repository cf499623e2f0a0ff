"""The plate of outlines: masks by margin and class, chosen by rule and not by looks.

In: `Evidence`. Out: `Row`s with SVG paths, each lesion grown to the same frame.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen import io, schema
from busgen.report.charts.images import outline_path
from busgen.report.evidence import Evidence, read_released
from busgen.report.sections.gallery import make_key, select

Row = tuple[str, dict[str, tuple[int, tuple[str, ...]]]]  # term, by class: how many, some paths
CLASSES = ("benign", "malignant")
FRAME_PX, ROOM = 192, 1.15  # side of the frame, and over the lesion's longer side


def make_section(evidence: Evidence, size: int) -> tuple[Row, ...]:
    """Return at most `size` outlines of each margin term and class, in the lexicon's order.

    A lesion with several terms stands with the last of them in the lexicon, spiculated the gravest.
    """
    lesions = evidence.accepted_rows[evidence.accepted_rows["pathology"] != "normal"]
    gravest = lesions["margin"].map(_gravest)
    groups = {
        (term, label): lesions[(gravest == term) & (lesions["pathology"] == label)]
        for term in schema.MARGINS
        for label in CLASSES
    }
    chosen = {name: select(rows, size) for name, rows in groups.items() if len(rows)}
    keys = [make_key(row) for rows in chosen.values() for row in rows]
    found = read_released(evidence.sources, keys)
    masks = {key: io.decode_png(mask, "mask") for key, (_, mask) in found.items()}
    drawn: dict[Any, tuple[str, ...]] = {
        name: tuple(outline_path(frame(masks[make_key(row)])) for row in rows)
        for name, rows in chosen.items()
    }
    return tuple(
        (term, {c: (len(groups[term, c]), drawn.get((term, c), ())) for c in CLASSES})
        for term in schema.MARGINS
        if any(len(groups[term, label]) for label in CLASSES)
    )


def _gravest(margin: object) -> str | None:
    if not isinstance(margin, list | tuple | np.ndarray):
        return None
    return str(max(margin, key=schema.MARGINS.index))


def frame(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the lesion in the middle of a frame (FRAME_PX, FRAME_PX), its longer side fitted."""
    left, top, width, height = cv2.boundingRect(mask)
    scale = FRAME_PX / (ROOM * max(width, height))
    middle = (FRAME_PX - 1) / 2
    shift = (middle - scale * (left + (width - 1) / 2), middle - scale * (top + (height - 1) / 2))
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    grown = cv2.warpAffine((mask > 0).astype(np.uint8) * 255, matrix, (FRAME_PX, FRAME_PX))
    return np.asarray(grown > 127, np.uint8)
