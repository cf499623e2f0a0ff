"""Columns of pixels, and those of real tables alone: the crop, the patient, the source."""

import pyarrow as pa

from busgen.schema.column import IMAGE, INT, REAL, REALS, RELEASE, TEXT, Column
from busgen.schema.terms import BIRADS_CATEGORIES, DATASETS


def _crop(name: str, about: str) -> Column:
    return Column(
        name, REALS, about, "mask", REAL, "fraction", range=(0.0, 1.0), nullable=True, lesion=True
    )


REAL_COLUMNS = (
    Column("image", IMAGE, "8-bit grey PNG", "image", RELEASE | REAL),
    Column("mask", IMAGE, "PNG, 0 or 255", "mask", RELEASE | REAL, nullable=True),
    Column(
        "ignore",
        IMAGE,
        "PNG, 255 where text, rulers, calipers or logos are burned in; null where none are",
        "real",
        REAL,
        nullable=True,
    ),
    _crop("crop_width", "box width of the lesion in the square crop"),
    _crop("crop_height", "box height of the lesion in the square crop"),
    _crop("crop_center_x", "centre of the lesion's box from the left of the square crop"),
    _crop("crop_center_y", "centre of the lesion's box from the top of the square crop"),
    Column("dataset", TEXT, "public dataset", "real", REAL, values=DATASETS),
    Column(
        "birads_category",
        TEXT,
        "assessment where 4 is not subdivided too",
        "real",
        REAL,
        values=BIRADS_CATEGORIES,
        nullable=True,
    ),
    Column("patient_id", TEXT, "patient as published, else the image itself", "real", REAL),
    Column("signature", pa.binary(), "what near-duplicates are found by", "real", REAL),
    Column("source_file", TEXT, "file as published", "real", REAL),
    Column("age", INT, "age of the patient", "real", REAL, "year", range=(0, 120), nullable=True),
    Column("diagnosis", TEXT, "histological type as published", "real", REAL, nullable=True),
    Column("notes", pa.list_(pa.string()), "what the reader found odd or changed", "real", REAL),
)
