"""The images that the generator learns from: square crops of patients, each with its caption.

In: canonical tables and the cohort. Out: `Crops` and `Caption`s by split, kept in a work folder. A
caption is what is known of an image, and nothing invented: what the publisher states is taken from
the row. What it is silent on is measured from image and mask where measures agree with readers
(`busgen.masks.semantic_curvature.training.descriptor_bounds`), else it stays None.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from busgen.arrays import Floats, Pixels
from busgen.errors import UserError
from busgen.io import dumps, read_json, write_text
from busgen.masks.semantic_curvature.training import descriptor_bounds
from busgen.masks.semantic_curvature.training.descriptor_bounds import READ, Bounds, read_lesion
from busgen.real.cohort import IMAGES, has_usable_pixels, read_rows
from busgen.real.crops import Crops, crop_all, load_crops, save_crops, weights_may_ship
from busgen.seeds import Rng

MEASURED = ("orientation", "shape", "margin", "echo_pattern", "posterior")
CHOSEN = ("tissue", "echo_pattern", "posterior", "halo", "calcification")  # one term each
MOST = 4.0  # how much more often the rarest are drawn
SPLITS = ("train", "validation")
CAPTIONS, BOUNDS = "captions.json", "bounds.json"


@dataclass(frozen=True)
class Caption:
    """What is stated of an image; None is not stated. Terms: `busgen.schema`."""

    pathology: str | None = None
    birads: str | None = None
    tissue: str | None = None
    shape: str | None = None
    orientation: str | None = None
    margin: tuple[str, ...] | None = None
    echo_pattern: str | None = None
    posterior: str | None = None
    halo: bool | None = None
    calcification: str | None = None
    width_mm: float | None = None
    height_mm: float | None = None

    @property
    def has_lesion(self) -> bool:
        """Whether a lesion is described."""
        return self.pathology != "normal"


FIELDS = tuple(field.name for field in fields(Caption))


def make_caption(row: Mapping[str, Any], image: Pixels, mask: Pixels, bounds: Bounds) -> Caption:
    """Return what is known of a real image.

    Pathology and assessment of images whose copies are labelled otherwise are not stated. `row`
    canonical row with the cohort's `flags`; `image`, `mask` (H, W) uint8 crops as
    `busgen.real.crops.crop` makes them, the mask {0, 1}; `bounds` as
    `busgen.masks.semantic_curvature.training.descriptor_bounds.fit_bounds` fits them to BrEaST's
    training patients.
    """
    margin = row["margin"]
    stated = {name: row[name] for name in FIELDS} | {"margin": margin and tuple(margin)}
    caption = Caption(**stated)
    if "label_conflict" in row["flags"]:
        caption = replace(caption, pathology=None, birads=None)
    reading = read_lesion(image, mask)
    if row["dataset"] in READ or not caption.has_lesion or reading is None:
        return caption
    # no publisher states orientation: what the row has is the box's, to its last pixel
    caption = replace(caption, orientation=None)
    terms: dict[str, Any] = {name: bounds.term(name, reading) for name in MEASURED}
    terms |= {"margin": terms["margin"] and (terms["margin"],)}
    unstated = {name: term for name, term in terms.items() if getattr(caption, name) is None}
    return replace(caption, **unstated)


def thin_caption(caption: Caption, rng: Rng, keep: float) -> Caption:
    """Return a caption of which each stated field is kept with probability `keep`.

    That an image is normal is always kept: what is left would be a mass.
    """
    stays = dict(zip(FIELDS, (rng.random(len(FIELDS)) < keep).tolist(), strict=True))
    stays["height_mm"] = stays["width_mm"]
    stays["pathology"] |= not caption.has_lesion
    return replace(caption, **{name: None for name in FIELDS if not stays[name]})


def weigh(captions: Sequence[Caption]) -> Floats:
    """Return how much more often each image is to be drawn, (N,) in [1, MOST].

    The root of how much rarer its rarest stated term is than the field's most common one: a term
    that few captions state, anechoic among them, is else hardly heard.
    """
    weights = np.ones(len(captions))
    for name in CHOSEN:
        stated = [getattr(caption, name) for caption in captions]
        counts = Counter(term for term in stated if term is not None)
        for number, term in enumerate(stated):
            if term is not None:
                ratio = max(counts.values()) / counts[term]
                weights[number] = max(weights[number], min(MOST, np.sqrt(ratio)))
    return weights


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
        write_text(work / BOUNDS, dumps(asdict(bounds)))
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
    crops = crop_all(rows)
    return descriptor_bounds.fit_bounds(rows, list(map(read_lesion, crops.images, crops.masks)))


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
    conditions = (
        c | {"margin": None if c["margin"] is None else tuple(c["margin"])} for c in captions
    )
    return ImageSet(load_crops(folder), tuple(Caption(**c) for c in conditions))
