"""The images that the generator learns from: square crops of patients, each with its caption.

In: canonical tables and the cohort. Out: `Crops` and `Caption`s by split, kept in a work folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from busgen.errors import UserError
from busgen.images.training.captions import FIELDS, Caption, make_caption
from busgen.io import dumps, read_json, write_text
from busgen.masks.semantic_curvature.training import descriptor_bounds
from busgen.masks.semantic_curvature.training.descriptor_bounds import Bounds, read_lesion
from busgen.real.cohort import IMAGES, has_usable_pixels, read_rows
from busgen.real.crops import Crops, crop_all, load_crops, save_crops, weights_may_ship

SPLITS = ("train", "validation")
CAPTIONS, BOUNDS = "captions.json", "bounds.json"
COLUMNS = (*IMAGES, *(name for name in FIELDS), "birads_category", "scanner", "source_file")


@dataclass(frozen=True)
class ImageSet:
    """Crops and their captions, in one order."""

    crops: Crops
    captions: tuple[Caption, ...]


def prepare(tables: Sequence[Path], cohort: Path, work: Path) -> dict[str, ImageSet]:
    """Return the images of the splits `SPLITS`, read from canonical tables unless in `work`.

    Bounds of what captions say of measured images are fitted to BrEaST's training patients, the
    only ones whose readers describe every lesion. Raises `UserError` if no dataset lets weights
    ship, or BrEaST is missing; `DataError` if a split has no image.
    """
    if not all((work / split / CAPTIONS).is_file() for split in SPLITS):
        ours = [path for path in tables if weights_may_ship(path)]
        bounds = fit_bounds(ours, cohort)
        write_text(work / BOUNDS, dumps({"bounds": bounds.to_json()}))
        for split in SPLITS:
            save_examples(read_images(ours, cohort, split, bounds), work / split)
    return {split: load_examples(work / split) for split in SPLITS}


def fit_bounds(tables: Sequence[Path], cohort: Path) -> Bounds:
    """Return the bounds that terms of BrEaST's readers of training patients give.

    Raises `UserError` if it is not among `tables`.
    """
    readers = [path for path in tables if path.parent.name == "breast"]
    if not readers:
        rule = "captions need BrEaST, whose readers describe what is measured elsewhere"
        raise UserError(rule, sorted(path.parent.name for path in tables), "add breast")
    rows = [row for row in _rows(readers, cohort, "train") if row["mask"] is not None]
    crops, known, readings = crop_all(rows), [], []
    for row, image, mask in zip(rows, crops.images, crops.masks, strict=True):
        if (reading := read_lesion(image, mask)) is not None:
            known.append(row)
            readings.append(reading)
    return descriptor_bounds.fit_bounds(known, readings)


def read_images(tables: Sequence[Path], cohort: Path, split: str, bounds: Bounds) -> ImageSet:
    """Return the images of one split: no copy, no Doppler; disputed labels are not stated."""
    rows = _rows(tables, cohort, split)
    crops = crop_all(rows)
    each = zip(rows, crops.images, crops.masks, strict=True)
    return ImageSet(crops, tuple(make_caption(*one, bounds) for one in each))


def _rows(tables: Sequence[Path], cohort: Path, split: str) -> list[Mapping[str, Any]]:
    usable = has_usable_pixels
    return list(read_rows(tables, cohort, splits=(split,), columns=COLUMNS, usable=usable))


def save_examples(images: ImageSet, folder: Path) -> None:
    """Write crops and captions to `folder`, the captions last."""
    save_crops(images.crops, folder)
    captions = [asdict(caption) for caption in images.captions]
    write_text(folder / CAPTIONS, dumps({"captions": captions}))


def load_examples(folder: Path) -> ImageSet:
    """Return what `save_examples` wrote."""
    captions: list[dict[str, Any]] = read_json(folder / CAPTIONS)["captions"]
    told = (c | {"margin": None if c["margin"] is None else tuple(c["margin"])} for c in captions)
    return ImageSet(load_crops(folder), tuple(Caption(**c) for c in told))
