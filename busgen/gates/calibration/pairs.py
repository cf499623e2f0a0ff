"""Pairs of real images and masks, as faults are planted into: clean square crops.

In: canonical tables with their cohort. Out: pairs of held-out or of training patients.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from busgen.arrays import Pixels
from busgen.gates.calibration.faults import Pair
from busgen.gates.calibration.real_samples import is_tissue
from busgen.real.cohort import has_usable_label, has_usable_pixels, read_rows
from busgen.real.crops import crop
from busgen.similarity.known_images import describe_texture


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
    if not is_tissue(row["flags"], float(hidden.mean())):
        return None
    claimed = row["pathology"] == "malignant" if mask.any() else None
    return Pair(image, mask, claimed, row["echo_pattern"], row["posterior"])
