"""A release's images as rows of numbers, as `busgen.gates.calibration.real_samples` has real ones.

In: a release folder. Out: the descriptors of chosen rows, and what is measured on each.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from busgen.compute.cores import on_all_cores
from busgen.errors import DataError
from busgen.imaging.resize import resize
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

    Raises `DataError` if the release has no readable samples.

    Parameters
    ----------
    release
        Release folder; its ``data/*.parquet`` is read row group by row group.
    size_px
        Side at which the images are measured.
    max_samples
        Images to measure; of a larger release, whole row groups are picked at random, always
        the same ones.
    """
    described, rows = [], []
    for file, group in _pick(release, max_samples):
        part = _read(file, group)
        described.append(part.select(DESCRIPTORS))
        for batch in part.select(BLOB_COLUMNS).to_batches(max_chunksize=16):
            rows += [(row["pathology"], _measure(row, size_px)) for row in batch.to_pylist()]
    return pa.concat_tables(described), rows[:max_samples]


def _read(file: pq.ParquetFile, group: int) -> pa.Table:
    try:
        part = file.read_row_group(group, columns=sorted({*BLOB_COLUMNS, *DESCRIPTORS}))
        return part.select(sorted({*BLOB_COLUMNS, *DESCRIPTORS}))
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise DataError("a release's rows must be readable", error, "run busgen verify") from error


def _pick(release: Path, max_samples: int) -> Iterator[tuple[pq.ParquetFile, int]]:
    """Yield row groups, in an order of their own drawing, until they hold `max_samples`."""
    paths = sorted((release / "data").glob("*.parquet"))
    try:
        files = [pq.ParquetFile(path) for path in paths]
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            "a release's Parquet must be readable", error, "run busgen verify"
        ) from error
    groups = [(file, k) for file in files for k in range(file.num_row_groups)]
    if sum(file.metadata.num_rows for file in files) == 0:
        raise DataError("a release must hold samples in data/*.parquet", release, "check the path")
    seen = 0
    for place in rng(0, "compare/rows").permutation(len(groups)):
        file, k = groups[place]
        if seen < max_samples:
            yield file, k
        seen += file.metadata.row_group(k).num_rows


def read_images(
    release: Path, most: int, read: Callable[[NDArray[np.uint8]], Read]
) -> Iterator[tuple[str, str, Read]]:
    """Yield sample, family and what `read` says of its image, of `most` samples.

    Some kilobytes an image stay in memory; always the same samples (`_pick`).

    Raises `DataError` if the release has no readable samples.
    """

    def of_cell(cell: dict[str, Any]) -> Read:
        return read(decode_png(cell["bytes"], cell["path"] or "image"))

    left = most
    with on_all_cores() as pool:
        for file, group in _pick(release, most):
            try:
                table = file.read_row_group(group, columns=["sample_id", "family_id", "image"])
                names = [table[name].to_pylist() for name in ("sample_id", "family_id")]
            except (OSError, KeyError, pa.ArrowInvalid) as error:
                rule = "a release's images must be readable"
                raise DataError(rule, error, "run busgen verify") from error
            cells = table["image"].to_pylist()[:left]
            yield from zip(*names, pool.map(of_cell, cells), strict=False)
            left -= len(cells)


def _measure(row: Mapping[str, Any], size_px: int) -> dict[str, float]:
    image = decode_png(row["image"]["bytes"], row["image"]["path"] or "image")
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
