"""Columns of a finding: what is drawn before a pixel exists, or what a publisher states."""

import pyarrow as pa

from busgen.schema.column import ALL, INT, MADE, REALS, TEXT, Column
from busgen.schema.terms import (
    BIRADS,
    CALCIFICATIONS,
    ECHO_PATTERNS,
    MARGINS,
    ORIENTATIONS,
    PATHOLOGIES,
    POSTERIORS,
    SHAPES,
    TISSUES,
)


def finding_columns() -> tuple[Column, ...]:
    """Return what is drawn before a pixel exists; in real tables, what the publisher states."""
    return (
        Column("sample_id", TEXT, "identity of the sample", "finding", ALL),
        Column("seed", INT, "seed of this attempt", "finding", MADE, range=(0, 2**63 - 1)),
        Column(
            "family_id",
            TEXT,
            "finding that was drawn: a counterfactual family's members share it, their seed, mask "
            "and split, and differ in one field and its words",
            "finding",
            MADE,
        ),
        Column("pathology", TEXT, "class", "finding", ALL, values=PATHOLOGIES, unstated=True),
        Column("birads", TEXT, "assessment", "finding", ALL, values=BIRADS, nullable=True),
        Column("tissue", TEXT, "tissue composition", "finding", ALL, values=TISSUES, nullable=True),
        _term("shape", "shape of the mass", SHAPES),
        _term("orientation", "not_parallel: height_mm > width_mm", ORIENTATIONS),
        Column(
            "margin",
            pa.list_(pa.string()),
            "circumscribed alone, or one or more of the others, in lexicon order",
            "finding",
            ALL,
            values=MARGINS,
            nullable=True,
            lesion=True,
        ),
        _term("echo_pattern", "echogenicity, read against fat", ECHO_PATTERNS),
        _term("posterior", "posterior features", POSTERIORS),
        Column("halo", pa.bool_(), "echogenic halo", "finding", ALL, nullable=True, lesion=True),
        _term("calcification", "calcifications", CALCIFICATIONS),
        _size("width_mm", "box width of the lesion", "mm", (0.5, 120.0)),
        _size("height_mm", "box height (depth extent) of the lesion", "mm", (0.5, 120.0)),
        _size("center_x", "centre of the lesion's box from the left", "fraction", (0.0, 1.0)),
        _size("center_y", "centre of the lesion's box from the skin", "fraction", (0.0, 1.0)),
        Column(
            "pixel_mm",
            REALS,
            "side of a pixel",
            "finding",
            ALL,
            "mm",
            range=(0.01, 3.0),
            nullable=True,
        ),
        Column(
            "scanner",
            TEXT,
            "scanner: a real one's name, or BrEaST or BUSI for the style of a data set that names "
            "none, of the learned engine; a generic array of the phantom",
            "finding",
            ALL,
            nullable=True,
        ),
        Column("text", TEXT, "the finding in words", "finding", MADE),
    )


def _term(name: str, about: str, values: tuple[str, ...]) -> Column:
    return Column(name, TEXT, about, "finding", ALL, values=values, nullable=True, lesion=True)


def _size(name: str, about: str, unit: str, range_: tuple[float, float]) -> Column:
    return Column(
        name, REALS, about, "finding", ALL, unit, range=range_, nullable=True, lesion=True
    )
