"""Captions of real images: what is known of each, and nothing invented.

In: canonical rows with their square crops. Out: `Caption`s.
What the publisher states is taken from the row. What it is silent on is measured from image and
mask where measures agree with readers
(`busgen.masks.semantic_curvature.training.descriptor_bounds`), else it stays None.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from busgen.arrays import Floats, Pixels
from busgen.masks.semantic_curvature.training.descriptor_bounds import READ, Bounds, read_lesion
from busgen.seeds import Rng

MEASURED = ("orientation", "shape", "margin", "echo_pattern", "posterior")


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
CHOSEN = ("tissue", "echo_pattern", "posterior", "halo", "calcification")  # one term each
MOST = 4.0  # how much more often the rarest are drawn


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


def kept(caption: Caption, rng: Rng, keep: float) -> Caption:
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
