"""Real images as rows of numbers: statistics and gate scores of their square crops, no pixels.

In: canonical rows joined with the cohort. Out: a table (`SCHEMA`) with one row an image, burned-in
overlays filled in before anything is measured; clean square crops as pairs of image and mask, which
faults are planted into.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from busgen.arrays import Indices, Pixels
from busgen.compute.cores import on_all_cores
from busgen.errors import DataError
from busgen.gates.calibration.fault_injection import score
from busgen.gates.calibration.faults import Pair
from busgen.gates.judged_scores import Judges
from busgen.imaging.overlays.find import remove_overlays
from busgen.imaging.square import find_field, square_crop
from busgen.imaging.statistics import MEASURED, measure_image
from busgen.io import decode_png
from busgen.params.gates import DEFAULT_GATES
from busgen.real.cohort import has_usable_label, has_usable_pixels, read_rows
from busgen.real.crops import crop
from busgen.schema import scanner_of
from busgen.similarity.known_images import KnownImages, describe_texture
from busgen.similarity.search import hash_image

AT_ONCE = 32
REPEATS = "duplicate_distance"
UNMARRED = frozenset({"black_border", "sector_field", "no_mask", "empty_mask", "overlay"})
HIDDEN = 0.01  # of a clean crop at most this share was burned over; without any there are too few
SCORES = tuple(name for name in DEFAULT_GATES if name != "mask_error")  # a real mask is the truth
WORDS = ("dataset", "scanner", "pathology", "echo_pattern", "split")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in WORDS),
        ("patient", pa.int32()),
        ("hidden", pa.float32()),
        ("clean", pa.bool_()),
        *((name, pa.float32()) for name in MEASURED),
        *((f"gate_{name}", pa.float32()) for name in SCORES),
    ]
)


def measure(
    rows: Iterable[Mapping[str, Any]],
    judges: Judges | None,
    size_px: int = 256,
    known: KnownImages | None = None,
) -> pa.Table:
    """Return what is measured on real images, canonical rows with `cluster_id` and `split`.

    Without `judges` their scores are null, without `known` training images the similarity to them.
    In the table of `SCHEMA`, `patient` numbers the clusters, `scanner` is the dataset's style where
    no scanner is stated, `hidden` the share of the crop that was burned over, `clean` that it is at
    most `HIDDEN` and no flag but those of `UNMARRED` is set; statistics are
    `busgen.imaging.statistics`', `gate_<name>` the scores that gates ask. Raises `DataError` if
    there are no rows or an image in them is corrupt.
    """
    records: list[dict[str, Any]] = []
    hashes: list[int] = []
    with on_all_cores() as pool:
        left = iter(rows)
        while part := list(islice(left, AT_ONCE)):  # some at a time: decoded images are large
            crops = list(pool.map(partial(_measure, size_px=size_px), part))
            scored = score([pair for _, pair in crops], judges, known)
            for (record, pair), scores in zip(crops, scored, strict=True):
                if record["pathology"] is None:
                    scores["label_confidence"] = None
                records.append(record | {f"gate_{name}": x for name, x in scores.items()})
                hashes.append(hash_image(pair.image))
    if not records:
        raise DataError("a reference needs real images", "none", "read a dataset first")
    names = {name: k for k, name in enumerate(sorted({row["patient"] for row in records}))}
    patients = np.array([names[row["patient"]] for row in records])
    distances = _near(np.array(hashes, np.int64), patients)
    for row, patient, distance in zip(records, patients.tolist(), distances, strict=True):
        row |= {"patient": patient, f"gate_{REPEATS}": distance}
    return pa.Table.from_pylist(records, schema=SCHEMA)


def _is_tissue(flags: Iterable[str], hidden: float) -> bool:
    """Return whether a crop shows tissue alone: cleaning's flags, the share burned over."""
    return hidden <= HIDDEN and not set(flags) - UNMARRED


def _measure(row: Mapping[str, Any], size_px: int) -> tuple[dict[str, Any], Pair]:
    """Return what is measured of a row's crop, and the crop as a pair for the gates."""
    image = decode_png(row["image"]["bytes"], row["source_file"])
    mask = decode_png(row["mask"]["bytes"], row["source_file"]) if row["mask"] else 0 * image
    field, hidden = find_field(image), 0.0
    if row["ignore"]:
        overlay = decode_png(row["ignore"]["bytes"], row["source_file"])
        hidden = float(np.mean(square_crop(overlay, mask, size_px, field=field).image > 0))
        image = remove_overlays(image, overlay > 0)
    square = square_crop(image, mask, size_px, field=field)
    pixel_mm = row["pixel_mm"] and row["pixel_mm"] * square.scale
    malignant = row["pathology"] == "malignant"
    pair = Pair(square.image, square.mask, malignant, row["echo_pattern"], row["posterior"])
    record = {
        **{name: row[name] for name in WORDS},
        "scanner": scanner_of(row["scanner"], row["dataset"]),
        "patient": row["cluster_id"],
        "hidden": hidden,
        "clean": _is_tissue(row["flags"], hidden),
        **measure_image(square.image, square.mask, pixel_mm),
    }
    return record, pair


def _near(hashes: NDArray[np.int64], patients: Indices) -> list[float | None]:
    """Return the bits between each image's hash and the nearest of another patient's."""
    bits = np.bitwise_count(hashes.view(np.uint64)[:, None] ^ hashes.view(np.uint64)[None, :])
    other = patients[:, None] != patients[None, :]
    if not other.any(axis=1).all():
        return [None] * len(hashes)
    return [float(d) for d in np.where(other, bits, 64).min(axis=1)]


def read_pairs(tables: Sequence[Path], cohort: Path, split: str) -> Iterator[Pair]:
    """Yield the pairs of a split's clean crops whose class is known."""
    for row in read_rows(tables, cohort, splits=(split,), usable=has_usable_label):
        pair = make_pair(row, *crop(row))
        if pair is not None:
            yield pair


def read_training(tables: Sequence[Path], cohort: Path) -> tuple[list[Pair], Pixels]:
    """Return the clean pairs of training patients, and textures (N, 96, 96) of all their crops.

    The textures are of all images that a generator may learn from
    (`busgen.similarity.known_images`).
    """
    pairs, textures = [], []
    for row in read_rows(tables, cohort, splits=("train",), usable=has_usable_pixels):
        image, mask, hidden = crop(row)
        textures.append(describe_texture(image))
        pair = make_pair(row, image, mask, hidden) if has_usable_label(row) else None
        if pair is not None:
            pairs.append(pair)
    return pairs, np.array(textures, np.uint8)


def make_pair(row: Mapping[str, Any], image: Pixels, mask: Pixels, hidden: Pixels) -> Pair | None:
    """Return the pair of a canonical row and its crops (`crop`), None where it is not clean."""
    if not _is_tissue(row["flags"], float(hidden.mean())):
        return None
    claimed = row["pathology"] == "malignant" if mask.any() else None
    return Pair(image, mask, claimed, row["echo_pattern"], row["posterior"])
