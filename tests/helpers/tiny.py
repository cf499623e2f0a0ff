"""A tiny folder of real data that no patient gave, and answers without a browser."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.io import dumps, encode_png
from busgen.reader_study.records import ANSWERS, seal
from busgen.real.cohort import FILE, assign_split, find_tables, make_cohort
from busgen.similarity.registration import make_thumbnail

Record = dict[str, object]


def scan(seed: int, shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Return speckle, no two seeds alike."""
    rng = np.random.default_rng(seed)
    fine, coarse = (cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), s) for s in (2, 8))
    generated = 110 + 25 * fine / fine.std() + 25 * coarse / coarse.std()
    return np.clip(generated, 6, 255).astype(np.uint8)


def lesion(shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Return the mask of an ellipse in the middle, 0 and 255."""
    mask = np.zeros(shape, np.uint8)
    cv2.ellipse(mask, (shape[1] // 2, shape[0] // 2), (24, 14), 0, 0, 360, 255, -1)
    return mask


def image(pixels: np.ndarray) -> Record:
    """Return pixels as an image of a table."""
    return {"bytes": encode_png(pixels), "path": "x.png"}


def row(number: int, patient: str, pathology: str, **other: object) -> Record:
    """Return a canonical row."""
    pixels = scan(number)
    blank = dict.fromkeys(field.name for field in schema.arrow_schema("real"))
    return blank | {
        "sample_id": f"busi-{number}",
        "dataset": "busi",
        "source_file": f"{number}.png",
        "patient_id": patient,
        "pathology": pathology,
        "shape": "oval",
        "margin": ["indistinct", "angular"],
        "image": image(pixels),
        "mask": image(lesion()),
        "signature": make_thumbnail(pixels),
        "flags": [],
        "notes": [],
        **other,
    }


def patients(split: str, count: int) -> list[str]:
    """Return names of patients whom the split takes."""
    names = (f"busi-p{number}" for number in range(10_000))
    return [name for name in names if assign_split(name) == split][:count]


def write_real(
    folder: Path, rows: list[Record], *, may_show: bool = True, dataset: str = "busi"
) -> Path:
    """Write a folder of real data with one dataset and its cohort."""
    (folder / dataset).mkdir(parents=True)
    (folder / "cohort").mkdir()
    table = pa.Table.from_pylist(rows, schema=schema.arrow_schema("real"))
    pq.write_table(table, folder / dataset / "table.parquet", row_group_size=8)
    info = {"name": dataset, "pixels_may_show": may_show, "weights_may_ship": True}
    (folder / dataset / "info.json").write_text(dumps(info), encoding="utf-8")
    pq.write_table(make_cohort(find_tables(folder)), folder / "cohort" / FILE)
    return folder


def answered(key: Record, reader: str, rate: Callable[[Record, int], int]) -> Record:
    """Return what the page exports for a reader who rates by `rate(image, its number)`."""
    answers = {
        name: {"rating": rate(one, place), "ms": 1000 * (place + 1), "place": place + 1, "said": {}}
        for place, (name, one) in enumerate(sorted(key["images"].items()))
    }
    result = {"format": ANSWERS, "study": key["study"], "reader": reader, "years": ""}
    return seal(result | {"answers": answers})
