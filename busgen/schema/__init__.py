"""One schema: each column of every table once, with type, unit, range, meaning and source.

The Arrow schemas, the Great Expectations suite and the data dictionary derive from `COLUMNS`.
Terms are the BI-RADS ultrasound lexicon's (ACR, 5th edition), lower case, snake_case; the same in
command line, params, Parquet and code. Null means unknown or not applicable, `none` means absent.
"""

import pyarrow as pa

from busgen.schema.column import (
    IMAGE as IMAGE,
    INT as INT,
    REALS as REALS,
    TEXT as TEXT,
    Column as Column,
)
from busgen.schema.findings import finding_columns
from busgen.schema.masks import mask_columns
from busgen.schema.real import REAL_COLUMNS
from busgen.schema.release import VERDICT
from busgen.schema.scores import score_columns
from busgen.schema.terms import (
    BIRADS as BIRADS,
    BIRADS_CATEGORIES as BIRADS_CATEGORIES,
    CALCIFICATIONS as CALCIFICATIONS,
    DATASETS as DATASETS,
    DEVICES as DEVICES,
    ECHO_PATTERNS as ECHO_PATTERNS,
    FLAGS as FLAGS,
    MARGINS as MARGINS,
    ORIENTATIONS as ORIENTATIONS,
    PATHOLOGIES as PATHOLOGIES,
    POSTERIORS as POSTERIORS,
    SCANNERS as SCANNERS,
    SHAPES as SHAPES,
    SHARING as SHARING,
    TISSUES as TISSUES,
    VARIED as VARIED,
    scanner_of as scanner_of,
)

COLUMNS: tuple[Column, ...] = (
    *finding_columns(),
    *mask_columns(),
    *score_columns(),
    *VERDICT,
    *REAL_COLUMNS,
)

BY_NAME = {column.name: column for column in COLUMNS}
JUDGED = tuple(column.name for column in COLUMNS if column.judged)  # scores that judges give


def columns(table: str) -> tuple[Column, ...]:
    """Return the columns of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return tuple(column for column in COLUMNS if table in column.tables)


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return pa.schema(
        [
            pa.field(c.name, c.type, c.nullable or (table == "real" and c.unstated))
            for c in columns(table)
        ]
    )
