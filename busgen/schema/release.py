"""Columns of a release: verdicts, and how a sample came to be."""

import pyarrow as pa

from busgen.schema.column import ALL, INT, MADE, TEXT, Column

VERDICT = (
    Column("image_dhash", INT, "64-bit difference hash of the image", "image", MADE),
    Column("image_sha256", TEXT, "hash of the decoded pixels", "image", MADE),
    Column("attempt", INT, "0 for the first try at this finding", "gate", MADE, range=(0, 1000)),
    Column("accepted", pa.bool_(), "verdict", "gate", MADE),
    Column(
        "reason",
        TEXT,
        "gate that rejected it, or `family`: it passed, another member of its family did not; null "
        "where accepted",
        "gate",
        MADE,
        nullable=True,
    ),
    Column(
        "flags",
        pa.list_(pa.string()),
        "gates that only flag and did; of a real image, what cleaning found in it",
        "gate",
        ALL,
    ),
    Column(
        "duplicate_of",
        TEXT,
        "sample that duplicate_distance is measured to",
        "gate",
        MADE,
        nullable=True,
    ),
    Column("mask_engine", TEXT, "mask engine", "release", MADE),
    Column(
        "mask_engine_sha256", TEXT, "all that decides the mask engine's output", "release", MADE
    ),
    Column("engine", TEXT, "image engine", "release", MADE),
    Column("engine_sha256", TEXT, "all that decides the image engine's output", "release", MADE),
    Column("prior_sha256", TEXT, "hash of the clinical prior", "release", MADE),
    Column("code_version", TEXT, "version and hash of the sources that made it", "release", MADE),
    Column(
        "split",
        TEXT,
        "train, validation or test; null where rejected",
        "release",
        MADE,
        values=("train", "validation", "test"),
        nullable=True,
    ),
)
