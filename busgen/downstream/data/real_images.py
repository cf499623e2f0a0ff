"""Real patients, by data set and split, as square crops that can be named and measured in mm.

In: what `busgen real --out` wrote. Out: `ImageSet`, of which no pixel is decoded yet and whose
fingerprint decides whether a run must be repeated; `Cases` in memory, or in a folder that other
processes map.

A data set whose test patients are too few (BrEaST's) is cross-validated in folds of patients. Each
fold is tested once; the next one chooses when a training stops and scales its chances, the others
are learned from. All arms see the same folds, so arms without made images are tested on every
patient.

An arm with made images must not be tested on patients that their generator learned from: with a
generator that saw any (or when nobody said), it is tested in each fold on validation and test
patients alone, and what it gains over the base is counted on those, from base models of the same
folds. Weights, priors and masks were fitted on training patients only. Validation patients did
decide when fits stopped and how the judges' chances are scaled, so the gain on the test patients
alone stands beside, `gain.strict`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from busgen.arrays import Bools, Floats, Indices, Names
from busgen.code import hash_code
from busgen.errors import DataError
from busgen.folders import write_folder
from busgen.io import sha256_bytes
from busgen.real import crops
from busgen.real.cohort import IMAGES, find_cohort, find_tables, load_cohort, read_rows
from busgen.real.crops import Crops, crop_square, is_undisputed
from busgen.schema import scanner_of
from busgen.seeds import rng

COLUMNS = (*IMAGES, "source_file", "scanner", "pixel_mm")
KEPT = ("sample_id", "dataset", "scanner", "pathology", "cluster_id", "pixel_mm")
ARRAYS = ("sha256", "labels", "groups", "lesions", "numbers")  # of an `ImageSet`, one row an image
UNDRAWN = {"no_mask", "empty_mask"}  # flags of lesions without outline
FOLDED = ("breast",)
HELD_OUT = ("validation", "test")
UNSEEN = "validation and test"
FOLD = "fold {}"  # its name among the splits
SEED = 20261126


@dataclass(frozen=True)
class Cases:
    """Crops with `ids` (N,) text and `pixel_mm` (N,), side of a crop's pixel, NaN if unknown."""

    crops: Crops
    ids: Names
    pixel_mm: Floats

    def __len__(self) -> int:
        return len(self.crops)

    def pick(self, chosen: Bools | Indices) -> "Cases":
        """Return the chosen rows, by a mask or by numbers."""
        return Cases(self.crops.pick(chosen), self.ids[chosen], self.pixel_mm[chosen])


@dataclass(frozen=True)
class ImageSet:
    """A set as it lies on disk, nothing decoded.

    `sha256` (N,) of each image's bytes and of all that is told of it; `labels` and `groups` (N,)
    as in `Crops`; `lesions` (N,) whether it is an outlined lesion; `numbers` (N,) by which `read`
    finds them.
    """

    sha256: Names
    labels: Names
    groups: Names
    lesions: Bools
    numbers: Indices
    read: Callable[[Indices], Cases]

    def __len__(self) -> int:
        return len(self.sha256)

    def pick(self, chosen: Bools | Indices) -> "ImageSet":
        """Return the chosen ones, by a mask (N,) or by numbers in rising order."""
        return replace(self, **{name: vars(self)[name][chosen] for name in ARRAYS})

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of bytes, labels, patients, names, and of the code that reads them."""
        return sha256_bytes("\n".join([hash_code(__name__), *self.sha256]).encode())

    def select(self, task: str) -> "ImageSet":
        """Return those that a task is tested on: lesions, for classification of known class."""
        known = np.isin(self.labels, ["benign", "malignant"]) | (task == "segmentation")
        return self.pick(np.asarray(self.lesions & known, np.bool_))

    def load(self) -> Cases:
        """Return them with their pixels."""
        return self.read(self.numbers)


@dataclass(frozen=True)
class RealData:
    """A folder of real data: its canonical tables, and the file of their cohort."""

    tables: tuple[Path, ...]
    cohort: Path

    @property
    def names(self) -> list[str]:
        """Names of the data sets."""
        return [table.parent.name for table in self.tables]


def join(parts: Sequence[ImageSet]) -> ImageSet:
    """Return several sets of images as one."""
    ends = np.cumsum([len(part) for part in parts])

    def load(numbers: Indices) -> Cases:
        of = np.searchsorted(ends, numbers, side="right")
        few = (part.pick(numbers[of == k] - ends[k] + len(part)) for k, part in enumerate(parts))
        cases = [one.load() for one in few if len(one)]
        rows = ([vars(one)[name] for one in cases] for name in ("ids", "pixel_mm"))
        return Cases(crops.join([one.crops for one in cases]), *(np.concatenate(r) for r in rows))

    columns = (np.concatenate([vars(part)[name] for part in parts]) for name in ARRAYS[:-1])
    sha256s, labels, groups, lesions = columns
    return ImageSet(sha256s, labels, groups, lesions, np.arange(ends[-1]), load)


def open_set(folder: Path) -> RealData:
    """Return what `busgen real --out` wrote; `UserError` if the folder holds no real data."""
    return RealData(tuple(find_tables(folder)), find_cohort(folder))


def read_images(real: RealData) -> dict[str, dict[str, ImageSet]]:
    """Return the images of each data set by split; a split that is empty is left out.

    No near-duplicate, no Doppler, no disputed label. Bytes are read and hashed, not decoded.
    """
    cohort = load_cohort(real.cohort)
    found: dict[str, dict[str, ImageSet]] = {}
    for table in real.tables:
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in read_rows([table], cohort, columns=COLUMNS, usable=is_undisputed):
            rows[row["split"]].append(_slim(row))
        own = {split: _images(few, table, real.cohort) for split, few in rows.items()}
        found[table.parent.name] = own
    return found


def _slim(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a canonical row: who it is, and the hash of its bytes and words."""
    digest = sha256(repr([row[name] for name in KEPT]).encode())
    for name in IMAGES:
        digest.update(b"\0" if row[name] is None else sha256(row[name]["bytes"]).digest())
    words = {"id": row["sample_id"], "label": row["pathology"] or "", "group": row["cluster_id"]}
    lesion = row["pathology"] != "normal" and not UNDRAWN.intersection(row["flags"])
    return words | {"sha256": digest.hexdigest(), "lesion": lesion}


def _images(rows: Sequence[Mapping[str, Any]], table: Path, cohort: Path) -> ImageSet:
    ids = np.array([row["id"] for row in rows], np.str_)

    def load(numbers: Indices) -> Cases:
        wanted = set(ids[numbers].tolist())
        rows = read_rows(
            [table], cohort, columns=COLUMNS, usable=lambda r: r["sample_id"] in wanted
        )
        with ThreadPoolExecutor() as pool:  # decoders and cv2 release the lock
            return gather(pool.map(_crop, rows))

    sha256s, labels, groups = (
        np.array([row[name] for row in rows], np.str_) for name in ("sha256", "label", "group")
    )
    lesions = np.array([row["lesion"] for row in rows], np.bool_)
    return ImageSet(sha256s, labels, groups, lesions, np.arange(len(rows)), load)


def gather(rows: Iterable[Mapping[str, Any]]) -> Cases:
    """Return rows with `pixels` (image, mask, ignore), `words` (see `Crops`), id, mm as cases."""
    rows = list(rows)
    if not rows:
        raise DataError("a set must hold images", "none", "check its folder")
    pixels = (np.stack(stack) for stack in zip(*(row["pixels"] for row in rows), strict=True))
    words = np.array([row["words"] for row in rows], np.str_).T
    ids = np.array([row["id"] for row in rows], np.str_)
    return Cases(Crops(*pixels, *words), ids, np.array([row["mm"] for row in rows], np.float64))


def save_examples(cases: Cases, folder: Path) -> None:
    """Write cases for processes that map them."""
    with write_folder(folder, "cases") as partial:
        crops.save_crops(cases.crops, partial / "crops")
        np.savez(partial / "rows.npz", ids=cases.ids, pixel_mm=cases.pixel_mm)


def load_examples(folder: Path) -> Cases:
    """Return what `save_examples` wrote; pixels stay in their file until they are examined."""
    with np.load(folder / "rows.npz") as rows:
        return Cases(crops.load_crops(folder / "crops"), rows["ids"], rows["pixel_mm"])


def _crop(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical row's crop; its pixel is larger than the published one by the scale."""
    known = row["pixel_mm"] is not None and row["mask"] is not None
    scanner = scanner_of(row["scanner"], row["dataset"])
    words = (row["dataset"], scanner, row["pathology"] or "", row["cluster_id"])
    mm = row["pixel_mm"] * crop_square(row).scale if known else nan
    return {"pixels": crops.crop(row), "words": words, "id": row["sample_id"], "mm": mm}


def add_folds(own: Mapping[str, ImageSet], count: int) -> dict[str, ImageSet]:
    """Return images by split, and by ``fold 0`` ... and ``fold 0 unseen`` ..., where any are."""
    whole = join(list(own.values()))
    split = np.concatenate([np.full(len(one), name) for name, one in own.items()])
    of = assign_folds(whole, count)
    found = dict(own) | {UNSEEN: whole.pick(np.isin(split, HELD_OUT))}
    for fold in range(count):
        inside = of == fold
        unseen = inside & np.isin(split, HELD_OUT)
        for suffix, chosen in (("", inside), (" unseen", unseen)):
            if chosen.any():
                found[FOLD.format(fold) + suffix] = whole.pick(chosen)
    return found


def assign_folds(images: ImageSet, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return each image's fold: patients are kept whole, each class is dealt out evenly."""
    groups, labels = images.groups, images.labels
    placed: dict[str, int] = {}
    for label in sorted(set(labels.tolist()), reverse=True):
        patients = [name for name in np.unique(groups[labels == label]) if name not in placed]
        for name in rng(SEED, f"folds {label}").permutation(np.array(patients, np.str_)):
            placed[str(name)] = len(placed) % count
    return np.array([placed[str(name)] for name in groups], np.int64)
