"""A release's images: numbers of each, and near-duplicates among them and in earlier releases.

In: release folders. Out: the descriptors of chosen rows, and what is measured on each, as
`busgen.gates.calibration.real_samples` has real ones; the shares of images that look like one of
another family, or of an earlier release, and which. Mirrored, cropped and brighter copies are
found, which the gate `duplicate_distance` (a hash) lets pass.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from busgen.arrays import Pixels
from busgen.compute.cores import on_all_cores
from busgen.errors import DataError
from busgen.image_sets.source import crop
from busgen.imaging.statistics import contrast_name, measure_image
from busgen.io import decode_png
from busgen.params.gates import DEFAULT_GATES
from busgen.schema import JUDGED
from busgen.seeds import rng
from busgen.similarity import registration, search
from busgen.similarity.registration import make_thumbnail
from busgen.similarity.search import nearest
from busgen.stats.patients import number_groups
from busgen.stats.proportions import wilson_interval

Read = TypeVar("Read")
Measured = tuple[str, dict[str, float]]  # pathology, statistics

NAMED = 50  # pairs in the record, the most alike ones
DIGITS = 3  # of a correlation: the last ones depend on the processor
BLOB_COLUMNS = ["image", "mask", "pathology", "pixel_mm", "echo_pattern", *JUDGED]
DESCRIPTORS = [
    "family_id", "pathology", "shape", "margin", "echo_pattern", "posterior", "halo",
    "calcification",
]  # fmt: skip


def measure(release: Path, size_px: int, max_samples: int) -> tuple[pa.Table, list[Measured]]:
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


def _read(release: Path, most: int, columns: list[str], what: str = "rows") -> Iterator[pa.Table]:
    """Yield row groups, in an order drawn at random but always the same, until they hold `most`."""
    paths = sorted((release / "data").glob("*.parquet"))
    try:
        files = [pq.ParquetFile(path) for path in paths]
        if sum(file.metadata.num_rows for file in files) == 0:
            rule = "a release must hold samples in data/*.parquet"
            raise DataError(rule, release, "check the path")
        groups = [(file, k) for file in files for k in range(file.num_row_groups)]
        for place in rng(0, "compare/rows").permutation(len(groups)):
            file, k = groups[place]
            if most > 0:
                yield file.read_row_group(k, columns=columns).select(columns)
            most -= file.metadata.row_group(k).num_rows
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        rule = f"a release's {what} must be readable"
        raise DataError(rule, error, "run busgen verify") from error


def read_images(
    release: Path, most: int, read: Callable[[Pixels], Read]
) -> Iterator[tuple[str, str, Read]]:
    """Yield sample, family, and what `read` says of its image, of at most `most` samples."""
    columns = ["sample_id", "family_id", "image"]
    with on_all_cores() as pool:
        for table in _read(release, most, columns, "images"):
            names, families, cells = (table[name].to_pylist() for name in columns)
            parts = pool.map(lambda cell: read(_decode(cell)), cells[:most])
            yield from zip(names, families, parts, strict=False)
            most -= len(cells)


def _decode(cell: Mapping[str, Any]) -> Pixels:
    return decode_png(cell["bytes"], cell["path"] or "image")


def _measure(row: Mapping[str, Any], size_px: int) -> dict[str, float]:
    image = _decode(row["image"])
    mask = decode_png(row["mask"]["bytes"], "mask") if row["mask"] else 0 * image
    image, mask, side_px = crop(image, mask, size_px)
    found = measure_image(image, mask, row["pixel_mm"] and row["pixel_mm"] * side_px / size_px)
    if "contrast" in found and row["echo_pattern"]:
        found[contrast_name(row["echo_pattern"])] = found["contrast"]
    return found | {name: row[name] for name in JUDGED if row[name] is not None}


def count_duplicates(release: Path) -> dict[str, Any]:
    """Return how many images of a release have a near-duplicate in another family.

    All of its images are compared: among some of a large release few pairs would be whole.
    Images of one family are alike on purpose and do not count. Some kilobytes an image stay in
    memory. Raises `DataError` if the release has no readable samples.

    It holds ``value`` the share, ``n`` all images, ``interval`` (Wilson, 95 %); ``pairs``, the most
    alike first, each with ``first`` and ``second`` (samples) and ``similarity`` (correlation);
    ``more`` how many pairs are not named.
    """
    read = list(read_images(release, sys.maxsize, lambda image: search.describe([image])[0]))
    names, families, parts = zip(*read, strict=True)
    numbers = number_groups(np.array(families))
    links = search.find_duplicates(np.array(parts, np.float32), families=numbers)
    pairs = sorted(
        (-round(link.similarity, DIGITS), *sorted((names[link.first], names[link.second])))
        for link in links
    )
    score = _share({place for link in links for place in (link.first, link.second)}, len(names))
    return score | {
        "pairs": [{"first": a, "second": b, "similarity": -r} for r, a, b in pairs[:NAMED]],
        "more": len(pairs[NAMED:]),
    }


def find_previous(release: Path, previous: Sequence[Path], most: int) -> dict[str, Any]:
    """Return how many images of a release are in earlier ones too, `most` of each as images.

    Raises `DataError` if a folder is no release.

    It holds ``earlier``: a record for each, ``path, n`` (its images) and how many of the release's
    images it holds: ``identical`` (the same pixels), ``same_hash`` (nearer than the gate
    `duplicate_distance` allows within a release) of all, ``near`` of the ``looked_at``. ``score``:
    ``value`` the share of those examined that are near-duplicates of an image of any of them,
    ``n``, ``interval`` (Wilson, 95 %), ``samples`` (which).
    """
    least = DEFAULT_GATES["duplicate_distance"].min or 0.0
    own = _read_hashes(release)
    images = list(read_images(release, most, make_thumbnail))
    near: set[str] = set()
    earlier = []
    for folder in previous:
        other = _read_hashes(folder)
        every = (*images, *read_images(folder, most, make_thumbnail))
        links = registration.find_duplicates([thumbnail for _, _, thumbnail in every])
        found = {every[k.first][0] for k in links if k.first < len(images) <= k.second}
        near |= found
        first, second = (t["image_dhash"].to_numpy().astype(np.int64) for t in (own, other))
        same = pc.is_in(own["image_sha256"], value_set=other["image_sha256"])
        hashed = int((nearest(first, second)[0] < least).sum())
        counts = {"identical": pc.sum(same).as_py(), "same_hash": hashed, "near": len(found)}
        counts |= {"looked_at": min(len(images), most)}
        earlier.append({"path": str(folder), "n": other.num_rows} | counts)
    return {"earlier": earlier, "score": _share(near, len(images)) | {"samples": sorted(near)}}


def _share(found: set[Any], n: int) -> dict[str, Any]:
    return {"value": len(found) / n, "n": n, "interval": wilson_interval(len(found), n)}


def _read_hashes(release: Path) -> pa.Table:
    """Return the hashes of a release's accepted images."""
    index, columns = release / "index.parquet", ["image_sha256", "image_dhash"]
    try:
        return pq.read_table(index, columns=columns, filters=[("accepted", "=", True)])
    except (OSError, pa.ArrowInvalid) as error:
        rule = f"{release} must be a release folder"
        raise DataError(rule, error, "name folders of releases in quality.previous") from error
