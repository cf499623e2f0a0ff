"""Tiny canonical folders: speckle with copies, conflicts and flags."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.io import dumps, encode_png
from busgen.real.cohort import find_tables
from busgen.similarity.registration import make_thumbnail

Image = tuple[str, str, int, str | None]  # name, patient, seed of the image, pathology


def scan(seed: int) -> np.ndarray:
    """Return speckle of 120 x 160 pixels; a negative seed mirrors and crops the positive's."""
    rng = np.random.default_rng(abs(seed))
    fine, coarse = (
        cv2.GaussianBlur(rng.standard_normal((120, 160)), (0, 0), width) for width in (2, 8)
    )
    generated = 110 + 25 * fine / fine.std() + 25 * coarse / coarse.std()
    image = np.clip(generated, 6, 255).astype(np.uint8)
    return image if seed >= 0 else np.ascontiguousarray(image[8:112, 12:150][:, ::-1])


def row(dataset: str, image: Image, flags: tuple[str, ...] = ()) -> dict[str, object]:
    """Return a canonical row."""
    name, patient, seed, pathology = image
    pixels = scan(seed)
    blank = dict.fromkeys(field.name for field in schema.arrow_schema("real"))
    return blank | {
        "sample_id": f"{dataset}-{name}",
        "dataset": dataset,
        "source_file": f"{name}.png",
        "patient_id": f"{dataset}-{patient}",
        "pathology": pathology,
        "image": {"bytes": encode_png(pixels), "path": f"{name}.png"},
        "signature": make_thumbnail(pixels),
        "flags": list(flags),
        "notes": [],
    }


BUSI = [
    row("busi", ("a10", "p10", 1, "benign")),
    row("busi", ("a9", "p9", -1, "malignant"), ("overlay",)),  # a copy of a10 under another label
    row("busi", ("b1", "q", 2, "benign"), ("overlay",)),
    row("busi", ("b2", "q", 3, "benign")),
    row("busi", ("c", "c", -2, None)),  # copies b1, which shares its patient with b2
    row("busi", ("d", "d", 4, "normal"), ("no_mask",)),
]
BUS_BRA = [
    row("bus_bra", ("0001", "1", 5, "benign")),
    row("bus_bra", ("0002", "2", -3, "benign")),  # copies b2 of the other dataset
    row("bus_bra", ("0003", "3", 6, "malignant"), ("colour_doppler",)),
    row("bus_bra", ("0004", "4", 7, "malignant"), ("no_mask",)),
]


def write_tables(folder: Path, datasets: Mapping[str, list[dict[str, object]]]) -> list[Path]:
    """Write canonical folders below `folder`, two rows a group; return all tables there."""
    result = {"left_out": [["x.png", "broken, got 3"], ["y.png", "broken, got 4"]]}
    for name, rows in datasets.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(rows, schema=schema.arrow_schema("real"))
        pq.write_table(table, folder / name / "table.parquet", row_group_size=2)
        info = {"name": name, "summary": result}
        (folder / name / "info.json").write_text(dumps(info), encoding="utf-8")
    return find_tables(folder)
