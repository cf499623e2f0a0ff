"""Strata of lesions, by what every data set knows of them: class, orientation, size.

In: crops. Out: a name for each, and which made images top up those that are rare among real
training patients.
"""

import numpy as np
from numpy.typing import NDArray

from busgen.imaging.decode import bounding_box
from busgen.real.crops import Crops
from busgen.seeds import rng

RARE = 0.5  # of the mean number in a stratum: fewer are rare
SIZES = ("small", "middle", "large")  # terciles of the training lesions' share of the image
SEED = 20261126


def strata(crops: Crops, cuts: NDArray[np.float64]) -> NDArray[np.str_]:
    """Return each crop's stratum, empty where it has no lesion of known class.

    `cuts` are the two borders of size, `terciles` of the training patients.
    """
    sizes = np.searchsorted(cuts, crops.masks.mean(axis=(1, 2)))
    names = []
    for k, known in enumerate(crops.is_labelled):
        box = bounding_box(np.asarray(crops.masks[k])) if known else None
        tall = "" if box is None else "tall" if box.height > box.width else "wide"
        names.append(f"{crops.labels[k]} {tall} {SIZES[sizes[k]]}" if tall else "")
    return np.array(names, np.str_)


def terciles(crops: Crops) -> NDArray[np.float64]:
    """Return the terciles of the lesions' shares of the image."""
    shares = crops.pick(crops.is_labelled).masks.mean(axis=(1, 2))
    return np.asarray(np.quantile(shares, [1 / 3, 2 / 3]), np.float64)


def balance(real: Crops, made: Crops) -> NDArray[np.intp]:
    """Return which made crops bring every rare stratum up to the mean one, as far as they go.

    Strata are counted in images of training patients; one that no image is of is rare too.
    """
    cuts = terciles(real)
    own, other = strata(real, cuts), strata(made, cuts)
    names = sorted({f"{c} {o} {s}" for c in ("benign", "malignant") for o in ("tall", "wide")
                    for s in SIZES})  # fmt: skip
    counts = {name: int((own == name).sum()) for name in names}
    mean = sum(counts.values()) / len(names)
    taken: list[int] = []
    for name, count in counts.items():
        if count < RARE * mean:
            order = rng(SEED, f"top up {name}").permutation(np.flatnonzero(other == name))
            taken += order[: round(mean) - count].tolist()
    return np.array(sorted(taken), np.intp)
