"""A release's images as rows of numbers, as `busgen.gates.calibration.real_samples` has real ones.

In: a release folder. Out: the descriptors of chosen rows, and what is measured on each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from busgen.compute.cores import on_all_cores
from busgen.errors import DataError
from busgen.imaging.square import resize
from busgen.imaging.statistics import contrast_name, measure_image
from busgen.io import decode_png
from busgen.schema import JUDGED
from busgen.seeds import rng

Read = TypeVar("Read")

BLOB_COLUMNS = ["image", "mask", "pathology", "pixel_mm", "echo_pattern", *JUDGED]
DESCRIPTORS = [
    "family_id", "pathology", "shape", "margin", "echo_pattern", "posterior", "halo",
    "calcification",
]  # fmt: skip


def measure(
    release: Path, size_px: int, max_samples: int
) -> tuple[pa.Table, list[tuple[str, dict[str, float]]]]:
    """Return the descriptors of the chosen rows, and (pathology, statistics) of each.

    At most `max_samples` images are measured, at a side of `size_px`; of a larger release whole
    row groups are picked at random, always the same ones. Raises `DataError` if it has no readable
    samples.
    """
    described, rows = [], []
    for table in _read(release, max_samples, sorted({*BLOB_COLUMNS, *DESCRIPTORS})):
        described.append(table.select(DESCRIPTORS))
        for batch in table.select(BLOB_COLUMNS).to_batches(max_chunksize=16):
            rows += [(row["pathology"], _measure(row, size_px)) for row in batch.to_pylist()]
    return pa.concat_tables(described), rows[:max_samples]


def _read(
    release: Path, most: int, columns: Sequence[str], what: str = "rows"
) -> Iterator[pa.Table]:
    """Yield row groups, in an order drawn at random but always the same, until they hold `most`."""
    paths = sorted((release / "data").glob("*.parquet"))
    try:
        files = [pq.ParquetFile(path) for path in paths]
        if sum(file.metadata.num_rows for file in files) == 0:
            rule = "a release must hold samples in data/*.parquet"
            raise DataError(rule, release, "check the path")
        groups = [(file, k) for file in files for k in range(file.num_row_groups)]
        for place in rng(0, "compare/rows").permutation(len(groups)):
            if most > 0:
                file, k = groups[place]
                yield file.read_row_group(k, columns=columns).select(columns)
            most -= groups[place][0].metadata.row_group(groups[place][1]).num_rows
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise DataError(
            f"a release's {what} must be readable", error, "run busgen verify"
        ) from error


def read_images(
    release: Path, most: int, read: Callable[[NDArray[np.uint8]], Read]
) -> Iterator[tuple[str, str, Read]]:
    """Yield sample, family, and what `read` says of its image, of at most `most` samples."""
    columns = ["sample_id", "family_id", "image"]
    with on_all_cores() as pool:
        for table in _read(release, most, columns, "images"):
            names, families, cells = (table[name].to_pylist() for name in columns)
            parts = pool.map(lambda cell: read(_decode(cell)), cells[:most])
            yield from zip(names, families, parts, strict=False)
            most -= len(cells)


def _decode(cell: Mapping[str, Any]) -> NDArray[np.uint8]:
    return decode_png(cell["bytes"], cell["path"] or "image")


def _measure(row: Mapping[str, Any], size_px: int) -> dict[str, float]:
    image = _decode(row["image"])
    mask = decode_png(row["mask"]["bytes"], "mask") if row["mask"] else 0 * image
    pixel_mm = row["pixel_mm"]
    if image.shape[0] != size_px:
        pixel_mm = pixel_mm and pixel_mm * image.shape[0] / size_px
        image, mask = (resize(pixels, size_px) for pixels in (image, mask))
        mask = (mask > 127).astype(np.uint8)
    found = measure_image(image, mask, pixel_mm)
    if "contrast" in found and row["echo_pattern"]:
        found[contrast_name(row["echo_pattern"])] = found["contrast"]
    return found | {name: row[name] for name in JUDGED if row[name] is not None}
