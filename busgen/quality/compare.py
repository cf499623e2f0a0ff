"""A release beside real images: how far apart their distributions are, class by class.

In: a release folder and reference statistics (`busgen.quality.reference`). Out: scores with n,
interval and floor. Names say the feature space: `ks_<statistic>.<class>` is the
Kolmogorov-Smirnov distance of one statistic, `ks_<group>.<class>` the mean over a group.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from busgen.errors import DataError
from busgen.io import decode_png
from busgen.quality.descriptors import descriptor_auc
from busgen.quality.distances import Distance, distance, score
from busgen.quality.measures import GROUPS, group_of
from busgen.quality.reference import quantiles_of, statistics_of
from busgen.seeds import rng

MIN_N = 20  # fewer images on either side say nothing about a distribution
CLASSES = ("benign", "malignant")
ABOUT = (
    "KS distance in [0, 1] between release and held-out real images; floor: the same between two "
    "samples of these sizes drawn from the real quantiles; interval: 95 % bootstrap"
)
BLOB_COLUMNS = ["image", "mask", "pathology", "pixel_mm", "echo_pattern"]
DESCRIPTORS = [
    "pathology", "shape", "margin", "echo_pattern", "posterior", "halo", "calcification",
]  # fmt: skip


def compare(release: Path, reference: Mapping[str, Any], max_samples: int = 1000) -> dict[str, Any]:
    """Return the distances between a release and a reference.

    Parameters
    ----------
    release
        Release folder; its ``data/*.parquet`` is read row group by row group.
    reference
        As `busgen.quality.reference.reference_of` returns it.
    max_samples
        Images to measure; of a larger release, whole row groups are picked at random, always
        the same ones.

    Returns
    -------
    dict
        ``headline`` and ``scores``, each {name: {value, n, n_real, interval, floor}}; a score
        has its ``group`` and the release's ``quantiles`` too, at ``levels``, the reference's;
        ``skipped`` {name: reason} for what has fewer than 20 images on a side; ``about``,
        ``reference`` (sources, n) and ``n_measured``.

    Raises
    ------
    DataError
        If the release has no readable samples, or the reference is no reference.
    """
    if not {"by_class", "levels", "size_px"} <= reference.keys():
        raise DataError(
            "a reference must hold by_class, levels and size_px", [*reference], "remake"
        )
    table, rows = _measure(release, int(reference["size_px"]), max_samples)
    levels, found = reference["levels"], dict[str, Distance]()
    shown: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    for term in CLASSES:
        of_term = [statistics for name, statistics in rows if name == term]
        for name, real in reference["by_class"][term]["statistics"].items():
            values = np.array([one[name] for one in of_term if name in one])
            if min(values.size, real["n"]) < MIN_N:
                skipped[f"ks_{name}.{term}"] = f"n {values.size}, n_real {real['n']}: below {MIN_N}"
                continue
            pick = rng(0, f"compare/{term}")  # the same draws for each: they go into one mean
            key = f"ks_{name}.{term}"
            found[key] = distance(values, levels, real["quantiles"], real["n"], pick)
            shown[key] = {"group": group_of(name), "quantiles": quantiles_of(values, levels)}
    return {
        "about": ABOUT,
        "n_measured": len(rows),
        "reference": {
            "sources": reference.get("sources", []),
            "n": {term: reference["by_class"][term]["n"] for term in CLASSES},
        },
        "headline": _headline(found) | _descriptors(table, reference),
        "levels": levels,
        "scores": {name: score([one]) | shown[name] for name, one in found.items()},
        "skipped": skipped,
    }


def _headline(found: Mapping[str, Distance]) -> dict[str, Any]:
    """Return the mean distance of each group of statistics, by class."""
    means = {}
    for term in CLASSES:
        for group, names in GROUPS.items():
            members = [found[key] for name in names if (key := f"ks_{name}.{term}") in found]
            if members:
                means[f"ks_{group}.{term}"] = score(members)
    return means


def _descriptors(table: pa.Table, reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return the AUC of the class from the descriptors; its floor is real data's."""
    ours, real = descriptor_auc(table), reference.get("descriptor_auc")
    if ours is None or real is None:
        return {}
    return {"descriptor_auc": ours | {"n_real": real["n"], "floor": real["value"]}}


def _measure(
    release: Path, size_px: int, max_samples: int
) -> tuple[pa.Table, list[tuple[str, dict[str, float]]]]:
    """Return the descriptors of the chosen rows, and (pathology, statistics) of each."""
    described, rows = [], []
    for file, group in _chosen(release, max_samples):
        part = _read(file, group)
        described.append(part.select(DESCRIPTORS))
        for batch in part.select(BLOB_COLUMNS).to_batches(max_chunksize=16):
            rows += [(row["pathology"], _measured(row, size_px)) for row in batch.to_pylist()]
    return pa.concat_tables(described), rows[:max_samples]


def _read(file: pq.ParquetFile, group: int) -> pa.Table:
    try:
        part = file.read_row_group(group, columns=sorted({*BLOB_COLUMNS, *DESCRIPTORS}))
        return part.select(sorted({*BLOB_COLUMNS, *DESCRIPTORS}))
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise DataError("a release's rows must be readable", error, "run busgen verify") from error


def _chosen(release: Path, max_samples: int) -> Iterator[tuple[pq.ParquetFile, int]]:
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


def _measured(row: Mapping[str, Any], size_px: int) -> dict[str, float]:
    image = decode_png(row["image"]["bytes"], row["image"]["path"] or "image")
    mask = decode_png(row["mask"]["bytes"], "mask") if row["mask"] else 0 * image
    pixel_mm = row["pixel_mm"]
    if image.shape[0] != size_px:
        pixel_mm = pixel_mm and pixel_mm * image.shape[0] / size_px
        image, mask = (_resized(pixels, size_px) for pixels in (image, mask))
        mask = (mask > 127).astype(np.uint8)
    return statistics_of(image, mask, pixel_mm, row["echo_pattern"])


def _resized(pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    method = cv2.INTER_AREA if pixels.shape[0] > size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (size_px, size_px), interpolation=method), np.uint8)
