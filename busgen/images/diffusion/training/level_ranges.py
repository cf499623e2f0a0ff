"""Ranges of the levels that each term stands for, from captions of training images.

In: captions, levels (N, LEVELS). Out: `Ranges`.
"""

from collections.abc import Sequence

import numpy as np

from busgen.arrays import Floats32
from busgen.images.diffusion.conditions import SLOTS, slot_bounds
from busgen.images.diffusion.levels import FEWEST, FIELDS, HALO, Ranges
from busgen.images.training.examples import Caption

WORDS = {True: "yes", False: "no", None: ""}


def fit(captions: Sequence[Caption], values: Floats32) -> Ranges:
    """Return the ranges of the terms that `captions` state, levels (N, LEVELS) as `measured`.

    All terms of a field have the spread of the levels about their own terms' means: some are
    stated of 7 images.
    """
    made: Ranges = Ranges()
    slots = dict(SLOTS)
    columns = dict(zip(slots, (first for first, _ in slot_bounds()), strict=True))
    for level, name in enumerate(FIELDS):
        terms = [getattr(caption, name) for caption in captions]
        stated = np.array([WORDS.get(term, str(term)) for term in terms])
        seen = np.isfinite(values[:, level])
        rest = []
        for column, term in enumerate(slots[name], columns[name]):
            own = values[seen & (stated == term), level]
            if len(own) >= FEWEST:
                made.known[column, level], made.means[column, level] = 1.0, float(own.mean())
                rest.append(own - own.mean())
        if rest:
            made.spread[level] = float(np.concatenate(rest).std())
    rim = FIELDS.index("halo")
    yes, no = (columns["halo"] + slots["halo"].index(term) for term in ("yes", "no"))
    made.known[yes, rim] = made.known[no, rim]
    made.means[yes, rim] = made.means[no, rim] + made.known[no, rim] * HALO * made.spread[rim]
    return made
