"""Cross-validation of a data set whose test patients are too few: BrEaST's.

In: its images by split, none decoded. Out: folds of patients.

Each fold is tested once; the next one chooses when a training stops and scales its chances, the
others are learned from. All arms see the same folds, so arms without made images are tested on
every patient.

An arm with made images must not be tested on patients that their generator learned from: with a
generator that saw any (or when nobody said), it is tested in each fold on validation and test
patients alone, and what it gains over the base is counted on those, from base models of the same
folds. Weights, priors and masks were fitted on training patients only. Validation patients did
decide when fits stopped and how the judges' chances are scaled, so the gain on the test patients
alone stands beside, `gain.strict`.
"""

from collections.abc import Mapping

import numpy as np

from busgen.downstream.data.real_images import ImageSet, join
from busgen.seeds import rng

FOLDED = ("breast",)
HELD_OUT = ("validation", "test")
UNSEEN = "validation and test"
FOLD = "fold {}"  # its name among the splits
SEED = 20261126


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
