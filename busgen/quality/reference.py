"""Reference statistics of real images: numbers that stand in for pixels that may not travel.

In: a canonical table. Out: for each class and statistic, 21 quantiles and n. Synthetic releases
are compared with it where no real data is at hand; only patients outside the training split are
used, so that no score is taken against images that a generator was trained on.

`busgen/assets/reference/breast.json` was made from BrEaST (CC BY 4.0) with

    busgen real PATH --dataset breast --out data/real/breast
    python -c "from pathlib import Path; from busgen.quality.reference import write_reference; \
write_reference(Path('data/real/breast'), Path('busgen/assets/reference/breast.json'))"
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from busgen.errors import DataError
from busgen.io import decode_png, dumps, write_text
from busgen.quality.descriptors import descriptor_auc
from busgen.quality.measures import image_statistics
from busgen.real.readers import DATASETS
from busgen.real.splits import split_of
from busgen.real.square import square_crop

LEVELS = tuple(round(k / 20, 2) for k in range(21))
CLASSES = ("all", "benign", "malignant")
DIGITS = 5  # significant ones: quantiles of some 80 images are no better known


def reference_statistics(table: pa.Table, size_px: int = 256) -> dict[str, Any]:
    """Return the statistics of a canonical table's images, by class, without pixels.

    Parameters
    ----------
    table
        Canonical rows (`schema.arrow_schema("real")`) of the patients to be described.
    size_px
        Side of the square crops that are measured.

    Returns
    -------
    dict
        ``size_px``, ``levels`` (the quantiles' levels), ``by_class[class]`` with ``n`` and
        ``statistics[name]`` = ``{"n", "quantiles"}``. Names are those of
        `busgen.quality.measures.GROUPS`, and ``contrast_<echo pattern>``.

    Raises
    ------
    DataError
        If the table is empty or a picture in it is corrupt.
    """
    if table.num_rows == 0:
        raise DataError("a reference needs real images", "an empty table", "read a dataset first")
    rows = [(row["pathology"], _measured(row, size_px)) for row in _rows(table)]
    return {
        "size_px": size_px,
        "levels": list(LEVELS),
        "by_class": {
            name: _summarised([found for term, found in rows if name in ("all", term)])
            for name in CLASSES
        },
    }


def reference_of(table: pa.Table, size_px: int = 256) -> dict[str, Any]:
    """Return what ships as a reference: held-out statistics with source, licence and n.

    The descriptors' AUC is of all rows: no image, and nothing that is trained on them, enters it.
    """
    held_out = pa.array([split_of(name) != "train" for name in table["patient_id"].to_pylist()])
    names = sorted(set(table["dataset"].to_pylist()))
    return {
        "about": "statistics of square crops of real images, patients outside the training split",
        "sources": [asdict(DATASETS[name]) for name in names],
        "splits": ["validation", "test"],
        "n_published": table.num_rows,
        "descriptor_auc": descriptor_auc(table),
        **reference_statistics(table.filter(held_out), size_px),
    }


def write_reference(canonical: Path, out: Path, size_px: int = 256) -> None:
    """Write the reference of a canonical folder (`write_canonical`) to the JSON file `out`."""
    source = canonical / "table.parquet"
    if not source.is_file():
        raise DataError("a canonical folder must hold table.parquet", canonical, "run busgen real")
    write_text(out, dumps(reference_of(pq.read_table(source), size_px)))


def statistics_of(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    pixel_mm: float | None,
    echo_pattern: str | None,
) -> dict[str, float]:
    """Return one image's statistics, its contrast also under its echo pattern's name."""
    found = image_statistics(image, mask, pixel_mm)
    if "contrast" in found and echo_pattern:
        found[f"contrast_{echo_pattern}"] = found["contrast"]
    return found


def quantiles_of(
    values: Sequence[float] | NDArray[np.float64], levels: Sequence[float]
) -> list[float]:
    """Return the quantiles of `values` at `levels`, with `DIGITS` significant digits."""
    return [float(f"{q:.{DIGITS}g}") for q in np.quantile(values, levels)]


def _rows(table: pa.Table) -> Iterable[dict[str, Any]]:
    """Yield rows one by one: decoded pictures are large."""
    columns = ["source_file", "pathology", "echo_pattern", "pixel_mm", "image", "mask"]
    for batch in table.select(columns).to_batches(max_chunksize=16):
        yield from batch.to_pylist()


def _measured(row: dict[str, Any], size_px: int) -> dict[str, float]:
    image = decode_png(row["image"]["bytes"], row["source_file"])
    mask = decode_png(row["mask"]["bytes"], row["source_file"]) if row["mask"] else 0 * image
    square = square_crop(image, mask, size_px)
    pixel_mm = row["pixel_mm"] and row["pixel_mm"] * square.scale
    return statistics_of(square.image, square.mask, pixel_mm, row["echo_pattern"])


def _summarised(found: list[dict[str, float]]) -> dict[str, Any]:
    names = sorted({name for one in found for name in one})
    values = {name: [one[name] for one in found if name in one] for name in names}
    return {
        "n": len(found),
        "statistics": {
            name: {
                "n": len(column),
                "quantiles": quantiles_of(column, LEVELS),
            }
            for name, column in values.items()
        },
    }
