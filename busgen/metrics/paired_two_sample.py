"""Two sets distinguished by a small CNN, beside what it says of a set that is known to be bad.

In: two sets. Out: records of the areas under its ROC curve: of the sets' images in pairs of the
same stratum, one of each family of the first (or folds could not keep families and patients
together), overlays blacked in both, and of the real images against themselves with other
speckle. Where it does not tell those, it says nothing of the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from busgen.arrays import Bools, Indices, Names, Pixels
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.image_sets.source import Source, read_squares
from busgen.imaging.overlays import find
from busgen.metrics import two_sample as testing
from busgen.metrics.spaces.registry import HASH_CHARS
from busgen.metrics.spaces.us64.training import respeckle
from busgen.metrics.two_sample import Pairs, Recipe, cross_validate
from busgen.real.crops import Crops
from busgen.seeds import Rng, rng

SEED = 0
PAIRS = 600
SURE = 0.8  # AUC of the known-bad set from which the classifier knows what it is asked


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


def two_sample(
    sets: tuple[Source, Source],
    groups: tuple[Names, Names],
    by: Sequence[str],
    size_px: int,
    recipe: Recipe | None = None,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return `cross_validate` and `two_sample_known_bad`, and a note where the latter is too low.

    `sets` are the images in question and real ones, `groups` what they stem from, (N,) and (M,).
    Both images of a pair agree in the columns `by`, and are seen at `size_px`, 96 px or more.
    Raises `UserError` if patients are too few for the folds, or no stratum has images of both.
    """
    pick = rng(SEED, "score/pairs")
    first, second = (_to_text(s, g, by) for s, g in zip(sets, groups, strict=True))
    rows = match_pairs(first, second, pick)
    order = pick.permutation(len(rows[0]))
    first_of = np.unique(groups[0][rows[0][order]], return_index=True)[1]
    few = order[np.sort(first_of)[:PAIRS]]
    own, other = (r[few] for r in rows)
    generated, real = _pixels(sets[0], own, size_px), _pixels(sets[1], other, size_px)
    bad = np.stack([respeckle(x, rng(SEED, f"score/bad {k}")) for k, x in enumerate(real)])
    hide = find_overlays(generated) | find_overlays(real)
    scores = {
        "two_sample": Pairs(generated, real, hide, groups[0][own], groups[1][other]),
        "two_sample_known_bad": Pairs(bad, real, hide, groups[1][other], groups[1][other]),
    }
    stated = {"bad": "high", "space": "pixels", "version": hash_code(testing.__name__)[:HASH_CHARS]}
    record = {
        n: asdict(cross_validate(pairs, SEED, recipe)) | stated for n, pairs in scores.items()
    }
    known = record["two_sample_known_bad"]["value"]
    note = f"two_sample: a known-bad set gets {known:.2f}, below {SURE}, so the other says nothing"
    return record, (note,) if known < SURE else ()


def _to_text(source: Source, groups: Names, by: Sequence[str]) -> Crops:
    """Return what pairs are matched by, without pixels."""
    columns = [source.values(name) for name in by]
    labels = [" / ".join(words) for words in zip(*columns, strict=True)] or [""] * len(source)
    nothing = np.zeros((len(source), 0, 0), np.uint8)
    same = np.full(len(source), "")
    return Crops(nothing, nothing, nothing, same, same, np.array(labels, np.str_), groups)


def _pixels(source: Source, rows: Indices, size_px: int) -> Pixels:
    """Return the images of rows in any order, (n, S, S)."""
    order = np.argsort(rows)
    stacked = [part.images for part in read_squares(source, rows[order].tolist(), size_px)]
    return np.asarray(np.concatenate(stacked)[np.argsort(order)], np.uint8)
