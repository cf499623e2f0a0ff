"""What an outline is drawn from: proportions and size of its box, pathology, shape, margin.

In: `Lesion`s, of findings or of real rows. Out: conditions (N, CONDITIONS). What is not known is
zero, as it is where it was left out in training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from busgen import schema, seeds
from busgen.arrays import Floats32
from busgen.priors.findings import Finding

PATHOLOGIES = ("benign", "malignant")
# Whose annotators outlined it, and how often each is drawn: as often as they are learned from. One
# data set's outlines are smoother than another's, whatever the terms.
STYLES = {"breast": 0.12, "bus_bra": 0.66, "busi": 0.22}
USUAL_SHARE, USUAL_MM = 0.3, 14.0  # sizes that are told as 0
SLOPE = 2.0  # of logarithms: their sd is about a half
# columns that are known or unknown together, after proportions and size in the image
PARTS = {
    "style": len(STYLES),
    "mm": 2,
    "pathology": len(PATHOLOGIES),
    "shape": len(schema.SHAPES),
    "margin": 1 + len(schema.MARGINS),
}
ALWAYS = 2
CONDITIONS = ALWAYS + sum(PARTS.values())


@dataclass(frozen=True)
class Lesion:
    """What is known of a lesion; None is not known.

    `style` the data set whose annotators outline it; `width`, `height` of its box as fractions of
    the image's side; `size_mm` the root of width times height in mm.
    """

    style: str | None

    width: float
    height: float
    size_mm: float | None
    pathology: str | None
    shape: str | None
    margin: tuple[str, ...] | None


def to_lesion(finding: Finding, size_px: int) -> Lesion:
    """Return what is known of a finding's lesion."""
    assert finding.width_mm is not None
    assert finding.height_mm is not None
    side_mm = finding.pixel_mm * size_px
    rng = seeds.rng(finding.seed, "annotator")
    return Lesion(
        style=str(rng.choice(list(STYLES), p=list(STYLES.values()))),
        width=finding.width_mm / side_mm,
        height=finding.height_mm / side_mm,
        size_mm=(finding.width_mm * finding.height_mm) ** 0.5,
        pathology=finding.pathology,
        shape=finding.shape,
        margin=finding.margin,
    )


def to_conditions(lesions: Sequence[Lesion]) -> Floats32:
    """Return the conditions (N, CONDITIONS) of lesions."""
    return np.array([_row(lesion) for lesion in lesions], np.float32).reshape(-1, CONDITIONS)


def _row(lesion: Lesion) -> list[float]:
    margin, mm = lesion.margin or (), lesion.size_mm
    size = (lesion.width * lesion.height) ** 0.5
    return [
        SLOPE * np.log(lesion.width / lesion.height),
        SLOPE * np.log(size / USUAL_SHARE),
        *(float(lesion.style == name) for name in STYLES),
        *((0.0, 0.0) if mm is None else (1.0, SLOPE * np.log(mm / USUAL_MM))),
        *(float(lesion.pathology == term) for term in PATHOLOGIES),
        *(float(lesion.shape == term) for term in schema.SHAPES),
        float(lesion.margin is not None),
        *(float(term in margin) for term in schema.MARGINS),
    ]


def forget(rows: Floats32, chance: float, rng: np.random.Generator) -> Floats32:
    """Return conditions of which each part is unknown with a `chance`."""
    rows = rows.copy()
    start = ALWAYS
    for width in PARTS.values():
        rows[rng.random(len(rows)) < chance, start : start + width] = 0
        start += width
    return rows
