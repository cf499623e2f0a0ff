"""Two sets told apart by a small CNN, beside what it says of a set that is known to be bad.

In: two sets. Out: records of the areas under its ROC curve: of the sets' images in pairs of the
same stratum, one of each family of the first (or folds could not keep families and patients
together), overlays blacked in both, and of the real images against themselves with other
speckle. Where it does not tell those, it says nothing of the others.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Pixels
from busgen.code import hash_code
from busgen.image_sets.source import Source, read_squares
from busgen.metrics import two_sample as testing
from busgen.metrics.matching import find_overlays, match_pairs
from busgen.metrics.spaces.registry import HASH_CHARS
from busgen.metrics.spaces.us64.degradations import respeckle
from busgen.metrics.two_sample import Pairs, Recipe, cross_validate
from busgen.real.crops import Crops
from busgen.seeds import rng

SEED = 0
PAIRS = 600
SURE = 0.8  # AUC of the known-bad set from which the classifier knows what it is asked

Names = NDArray[np.str_]


def two_sample(
    sets: tuple[Source, Source],
    groups: tuple[Names, Names],
    by: Sequence[str],
    size_px: int,
    recipe: Recipe | None = None,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return `cross_validate` and `two_sample_known_bad`, and a note where the latter is too low.

    Parameters
    ----------
    sets
        Images in question, and real ones.
    groups
        What those of each stem from, (N,) and (M,).
    by
        Columns in which both images of a pair agree.
    size_px
        Side at which both are looked at, 96 px or more.
    recipe
        How the classifier learns.

    Raises
    ------
    UserError
        If patients are too few for its folds, or no stratum has images of both.
    """
    pick = rng(SEED, "score/pairs")
    first, second = (_to_text(s, g, by) for s, g in zip(sets, groups, strict=True))
    rows = match_pairs(first, second, pick)
    order = pick.permutation(len(rows[0]))
    first_of = np.unique(groups[0][rows[0][order]], return_index=True)[1]
    few = order[np.sort(first_of)[:PAIRS]]
    own, other = (r[few] for r in rows)
    made, real = _pixels(sets[0], own, size_px), _pixels(sets[1], other, size_px)
    bad = np.stack([respeckle(x, rng(SEED, f"score/bad {k}")) for k, x in enumerate(real)])
    hide = find_overlays(made) | find_overlays(real)
    scores = {
        "two_sample": Pairs(made, real, hide, groups[0][own], groups[1][other]),
        "two_sample_known_bad": Pairs(bad, real, hide, groups[1][other], groups[1][other]),
    }
    stated = {
        "bad": "high",
        "space": "pixels",
        "version": hash_code(testing.__name__)[:HASH_CHARS],
    }
    told = {n: asdict(cross_validate(pairs, SEED, recipe)) | stated for n, pairs in scores.items()}
    known = told["two_sample_known_bad"]["value"]
    note = f"two_sample: a known-bad set gets {known:.2f}, below {SURE}, so the other says nothing"
    return told, (note,) if known < SURE else ()


def _to_text(source: Source, groups: Names, by: Sequence[str]) -> Crops:
    """Return what pairs are matched by, without pixels."""
    columns = [source.values(name) for name in by]
    labels = [" / ".join(words) for words in zip(*columns, strict=True)] or [""] * len(source)
    nothing = np.zeros((len(source), 0, 0), np.uint8)
    same = np.full(len(source), "")
    return Crops(nothing, nothing, nothing, same, same, np.array(labels, np.str_), groups)


def _pixels(source: Source, rows: NDArray[np.intp], size_px: int) -> Pixels:
    """Return the images of rows in any order, (n, S, S)."""
    order = np.argsort(rows)
    stacked = [part.images for part in read_squares(source, rows[order].tolist(), size_px)]
    return np.asarray(np.concatenate(stacked)[np.argsort(order)], np.uint8)
