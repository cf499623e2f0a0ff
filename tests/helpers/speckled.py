"""Real data in canonical form that no patient gave: speckle with a box as its lesion."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import ndimage

from busgen import schema
from busgen.io import dumps, encode_png, write_text
from busgen.real import cohort
from busgen.seeds import rng

SIDE = 64


def image(k, brightness=100):
    """Return speckle (SIDE, SIDE) uint8 and a mask {0, 255}, of sample number k."""
    pick = rng(k, "row")
    noise = ndimage.gaussian_filter(pick.normal(size=(SIDE, SIDE)), (1, 2))
    image = np.clip(brightness + pick.normal(0, 5) + 20 * noise / noise.std(), 10, 255)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20 : 30 + pick.integers(10), 10 : 40 + pick.integers(10)] = 255
    return image.astype(np.uint8), mask


def canonical_row(k, **changes):
    """Return a canonical row, joined with the cohort, of patient k // 2; every second malignant."""
    pixels, mask = image(k)
    return {
        "sample_id": f"breast-{k}",
        "dataset": "breast",
        "source_file": f"{k} é.png",
        "scanner": None,
        "cluster_id": f"breast-{k // 2}",
        "split": "test" if k // 2 % 2 else "validation",
        "flags": [],
        "pathology": "malignant" if k % 2 else "benign",
        "echo_pattern": "hypoechoic",
        "posterior": "shadowing",
        "pixel_mm": 0.4,
        "image": {"bytes": encode_png(pixels), "path": f"{k}.png"},
        "mask": {"bytes": encode_png(mask), "path": f"{k}.png"},
        "ignore": None,
    } | changes


def write_real(folder, splits):
    """Write real data in canonical form: image k is of patient k // 2, in the split splits[k]."""
    rows = [
        canonical_row(k) | {"patient_id": f"p{k // 2}", "split": split, "notes": []}
        for k, split in enumerate(splits)
    ]
    names = schema.arrow_schema("real").names
    filled = [{name: row.get(name) for name in names} | {"signature": b""} for row in rows]
    (folder / "breast").mkdir(parents=True)
    (folder / "cohort").mkdir()
    table = pa.Table.from_pylist(filled, schema.arrow_schema("real"))
    pq.write_table(table, folder / "breast" / "table.parquet")
    write_text(folder / "breast" / "info.json", dumps({}))
    pq.write_table(pa.Table.from_pylist(rows, cohort.SCHEMA), folder / "cohort" / cohort.FILE)
    return folder
