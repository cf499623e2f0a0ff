"""Pairs of real pictures and masks, as faults are planted into: clean square crops.

In: canonical tables with their cohort. Out: pairs of held-out or of training patients.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.gates.calibration.faults import Pair, Pixels
from busgen.gates.calibration.real_samples import is_clean
from busgen.real.cohort import real_rows, usable_for_labels, usable_for_pixels
from busgen.real.crops import crop_of
from busgen.similarity.known_images import texture_of


def clean_pairs(tables: Sequence[Path], cohort: Path, split: str) -> Iterator[Pair]:
    """Yield the pairs of a split's clean crops whose class is known."""
    for row in real_rows(tables, cohort, splits=(split,), usable=usable_for_labels):
        pair = clean_pair(row, *crop_of(row))
        if pair is not None:
            yield pair


def training_pairs(tables: Sequence[Path], cohort: Path) -> tuple[list[Pair], NDArray[np.uint8]]:
    """Return the clean pairs of training patients, and textures (N, 96, 96) of all their crops.

    The textures are of all pictures that a generator may learn from
    (`busgen.similarity.known_images`).
    """
    pairs, textures = [], []
    for row in real_rows(tables, cohort, splits=("train",), usable=usable_for_pixels):
        image, mask, hidden = crop_of(row)
        textures.append(texture_of(image))
        pair = clean_pair(row, image, mask, hidden) if usable_for_labels(row) else None
        if pair is not None:
            pairs.append(pair)
    return pairs, np.array(textures, np.uint8)


def clean_pair(row: Mapping[str, Any], image: Pixels, mask: Pixels, hidden: Pixels) -> Pair | None:
    """Return the pair of a canonical row and its crops (`crop_of`), None where it is not clean."""
    if not is_clean(row["flags"], float(hidden.mean())):
        return None
    claimed = row["pathology"] == "malignant" if mask.any() else None
    return Pair(image, mask, claimed, row["echo_pattern"], row["posterior"])
