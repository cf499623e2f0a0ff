"""Findings: one row that holds everything random about a lesion, drawn before a pixel exists.

In: terms of the BI-RADS lexicon and sizes in mm. Out: validated, immutable `Finding`s.
"""

from dataclasses import dataclass

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


def check_terms(terms: dict[str, object]) -> None:
    """Raise `FindingError` naming the first of `terms` (field: value) outside the lexicon."""
    for name, value in terms.items():
        column = schema.BY_NAME.get(name)
        if column is None or column.source != "finding":
            known = ", ".join(c.name for c in schema.COLUMNS if c.source == "finding")
            raise FindingError("a term's field must be one of a finding's", name, known)
        if column.values is None or value is None:
            continue
        for term in value if isinstance(value, list | tuple) else (value,):
            if term not in column.values:
                raise FindingError(
                    f"{name} must be one of the lexicon's terms",
                    repr(term),
                    f"choose from {', '.join(column.values)}",
                )
