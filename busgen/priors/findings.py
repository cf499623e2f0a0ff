"""Findings: one row that holds everything random about a lesion, drawn before a pixel exists.

In: terms of the BI-RADS lexicon and sizes in mm. Out: validated, immutable `Finding`s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from busgen import schema
from busgen.errors import FindingError

LESION_FIELDS = tuple(c.name for c in schema.COLUMNS if c.lesion and c.source == "finding")


@dataclass(frozen=True)
class Finding:
    """One requested image; lesion fields are None where `pathology` is ``"normal"``.

    Sizes are in mm, centres are fractions of the image (x from the left, y from the skin),
    `pixel_mm` is the side of a square pixel in mm. Terms: `busgen.schema`.
    """

    sample_id: str
    seed: int
    family_id: str
    pathology: str
    birads: str
    tissue: str
    shape: str | None
    orientation: str | None
    margin: tuple[str, ...] | None
    echo_pattern: str | None
    posterior: str | None
    halo: bool | None
    calcification: str | None
    width_mm: float | None
    height_mm: float | None
    center_x: float | None
    center_y: float | None
    pixel_mm: float
    scanner: str
    text: str

    @property
    def has_lesion(self) -> bool:
        """Whether a lesion is to be drawn."""
        return self.pathology != "normal"


FIELDS = tuple(field.name for field in fields(Finding))


def check(finding: Finding, size_px: int) -> Finding:
    """Return `finding` if an image of `size_px` can show it, else raise `FindingError`.

    Terms must be the lexicon's, a margin admissible, orientation must agree with the sizes, the
    box must lie inside the image, and a finding without a lesion must have null lesion fields.
    """
    for column in schema.COLUMNS:
        if column.source != "finding" or not column.values:
            continue
        value = getattr(finding, column.name)
        for term in value if isinstance(value, list | tuple) else (value,):
            if term is not None and term not in column.values:
                rule = f"{column.name} must be one of the lexicon's terms"
                raise FindingError(rule, repr(term), f"choose from {', '.join(column.values)}")
    given = [name for name in LESION_FIELDS if getattr(finding, name) is not None]
    if not finding.has_lesion:
        if given:
            raise FindingError("normal must have null lesion fields", given, "leave them out")
        return finding
    missing = sorted(set(LESION_FIELDS) - set(given))
    if missing:
        raise FindingError("a lesion must have all its fields", f"no {missing}", "give them")
    check_margin(finding.margin or ())
    _check_box(finding, size_px)
    return finding


def check_margin(margin: tuple[str, ...]) -> None:
    """Raise `FindingError` unless `margin` is circumscribed alone or others in lexicon order."""
    if margin != tuple(term for term in schema.MARGINS if term in margin) or not margin:
        raise FindingError("margin terms must be in lexicon order, each once", margin, "sort them")
    if "circumscribed" in margin and len(margin) > 1:
        raise FindingError("circumscribed must stand alone", margin, "drop it or the other terms")


def _check_box(finding: Finding, size_px: int) -> None:
    """Raise `FindingError` for sizes against the orientation or a box outside the image."""
    width, height = finding.width_mm or 0.0, finding.height_mm or 0.0
    if not (width > 0 and height > 0 and finding.pixel_mm > 0):
        raise FindingError("sizes must be > 0 mm", (width, height, finding.pixel_mm), "give mm")
    if (height > width) != (finding.orientation == "not_parallel"):
        rule = "not_parallel means height_mm > width_mm, parallel the rest"
        got = f"{finding.orientation} with {width:g} x {height:g} mm (width x height)"
        raise FindingError(rule, got, "change the orientation or the sizes")
    field_mm = finding.pixel_mm * size_px
    for name, center, size in (
        ("center_x", finding.center_x or 0.0, width / field_mm),
        ("center_y", finding.center_y or 0.0, height / field_mm),
    ):
        if not size / 2 <= center <= 1 - size / 2:
            rule = "the lesion's box must lie inside the image"
            got = f"{name} {center:.3g} with {size:.3g} of the image's side"
            raise FindingError(rule, got, "move or shrink the lesion, or enlarge the field of view")


def to_row(finding: Finding) -> dict[str, object]:
    """Return the finding as a table's row: column -> value, the margin as a list."""
    row = {name: getattr(finding, name) for name in FIELDS}
    return row | {"margin": None if finding.margin is None else list(finding.margin)}


def from_row(row: Mapping[str, Any]) -> Finding:
    """Return the finding in a table's row; other columns are ignored."""
    margin = row["margin"]
    values = {name: row[name] for name in FIELDS}
    return Finding(**values | {"margin": None if margin is None else tuple(margin)})
