"""Synthetic and real images paired: equal numbers of either in every class and scanner.

In: images of both. Out: rows of both, and what hides the overlays of a pair in both images.
"""

from collections.abc import Iterable

import numpy as np

from busgen.arrays import Bools, Indices, Names, Pixels
from busgen.errors import UserError
from busgen.imaging.overlays import find
from busgen.real.crops import Crops
from busgen.seeds import Rng


def match_pairs(synthetic: Crops, real: Crops, rng: Rng) -> tuple[Indices, Indices]:
    """Return rows of synthetic and of real images, pairs of the same class and scanner.

    Where synthetic images are of no scanner that the real ones are of, as the phantom's are,
    classes alone match. What is over of either is left out, chosen at random. Synthetic images in
    the stead of the real ones, one by one, stay with them. Raises `UserError` if nothing matches.
    """
    names = ("labels", "scanners", "groups")
    if all(np.array_equal(getattr(synthetic, n), getattr(real, n)) for n in names):
        return np.arange(len(real)), np.arange(len(real))
    alike = np.isin(synthetic.scanners, real.scanners).any()
    own, other = (_strata(crops, with_scanner=bool(alike)) for crops in (synthetic, real))
    pairs = []
    for stratum in np.intersect1d(own, other):
        rows = [np.flatnonzero(strata == stratum) for strata in (own, other)]
        pairs.append([rng.permutation(each)[: min(map(len, rows))] for each in rows])
    if not pairs:
        got = ", ".join(np.unique(own))
        raise UserError("synthetic and real images must share a class", got, "make others")
    first, second = (np.concatenate(rows) for rows in zip(*pairs, strict=True))
    return first, second


def hide_overlays(synthetic: Crops, real: Crops) -> Bools:
    """Return what to hide in both images of each pair, (N, S, S): overlays of either.

    Of real images those that were found when they were read, of both those that are found now:
    a hole in one image only would tell them apart.
    """
    given = (np.asarray(synthetic.ignore) > 0) | (np.asarray(real.ignore) > 0)
    return given | find_overlays(synthetic.images) | find_overlays(real.images)


def find_overlays(images: Iterable[Pixels]) -> Bools:
    """Return the overlays found in images, (N, S, S)."""
    return np.stack([find.find_overlays(np.asarray(image)) for image in images])


def _strata(crops: Crops, *, with_scanner: bool) -> Names:
    if not with_scanner:
        return crops.labels
    pairs = zip(crops.labels, crops.scanners, strict=True)
    return np.array([f"{label} / {scanner}" for label, scanner in pairs])
