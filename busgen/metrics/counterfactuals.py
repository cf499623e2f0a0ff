"""Counterfactual families as measured: whether the right thing moves, and the rest stays.

In: images of families (one seed and mask, one field with each of its terms) and a measure of what
the field is seen by. Out: shares of families with their 95 % intervals. The measures are those that
read real images; nothing here knows an engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from busgen.arrays import Bools, Pixels
from busgen.errors import UserError
from busgen.imaging.surroundings import dilate, erode
from busgen.stats.proportions import wilson_interval

# Terms by what their measure should say, the lowest first; the others have no place in an order.
RISING = {
    "posterior": ("shadowing", "none", "enhancement"),  # the band below the lesion
    "echo_pattern": ("anechoic", "hypoechoic", "isoechoic", "hyperechoic"),  # inside the lesion
    "halo": ("no", "yes"),  # its rim
}
REACH = 0.08  # of the side, beyond the outline: how far what varies may show
NEAR = 0.02  # of the side, within the outline
KEPT = 0.5  # of the difference of two independent images: what stays differs by less

Measure = Callable[[Pixels, Pixels], float]  # of image and mask, (H, W) each; NaN: not seen
Score = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Families:
    """F families of T members: `images` (F, T, H, W) uint8, `masks` (F, H, W) uint8 {0, 1}.

    Masks are of all members together where they differ. `field` is what varies, one of
    `busgen.schema.VARIED`, `terms` (T,) its terms in the order of the members.
    """

    images: Pixels
    masks: Pixels
    field: str
    terms: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = self.images.shape
        if shape[1:2] != (len(self.terms),) or shape[:1] + shape[2:] != self.masks.shape:
            rule = "images must be (F, T, H, W) with T terms, masks (F, H, W)"
            got = f"{shape}, {len(self.terms)} terms, {self.masks.shape}"
            raise UserError(rule, got, "stack the members of each family")


def share_moved(families: Families, measure: Measure) -> dict[str, Score]:
    """Return in what share of families the measure moves as the terms say.

    `families` of a field in `RISING`; `measure` `measure(image, mask)`, rising in the order of
    `RISING`. As members share all else, the grey level of a region serves; one minus what lies
    beside it loses what spreads there (a halo). Raises `UserError` if the field has no order, or
    fewer than two of the ordered terms are there.

    Returns ``"none < enhancement"`` and so on for neighbours in the order, ``"order"`` for all of
    them at once: each ``value`` (share), ``n`` (families where it can be measured), ``interval``.
    """
    order = [term for term in RISING.get(families.field, ()) if term in families.terms]
    if len(order) < 2:
        rule = f"what varies must have two terms in an order ({', '.join(RISING)})"
        raise UserError(rule, f"{families.field}: {', '.join(families.terms)}", "vary another")
    places = [families.terms.index(term) for term in order]
    pairs = zip(families.images, families.masks, strict=True)
    measured = [[measure(images[place], mask) for place in places] for images, mask in pairs]
    levels = np.array(measured).reshape(-1, len(order))
    rises, seen = np.diff(levels, axis=1) > 0, np.isfinite(levels)
    found = {
        f"{low} < {high}": _share(rises[:, k], seen[:, k] & seen[:, k + 1])
        for k, (low, high) in enumerate(pairwise(order))
    }
    return found | {"order": _share(np.all(rises, axis=1), np.all(seen, axis=1))}


def share_unchanged(families: Families) -> Score:
    """Return in what share of families the rest of the image stays.

    The mean absolute grey difference of two members where the field should not show, over all
    pairs, against that of two independent images there: each member and the same term of the next
    family. The rest stays where it is less than `KEPT` of it. Raises `UserError` if there are fewer
    than two families, or two members.

    Returns ``value`` (share), ``n``, ``interval``; ``grey`` and ``independent``: the medians of the
    two differences, in grey levels.
    """
    if len(families.images) < 2 or len(families.terms) < 2:
        got = families.images.shape[:2]
        raise UserError("families must be two or more, of two members or more", got, "make more")
    pairs = list(combinations(range(len(families.terms)), 2))
    following = np.roll(families.images, -1, axis=0)
    own, other = [], []
    for images, mask, strange in zip(families.images, families.masks, following, strict=True):
        rest = unchanged_region(mask, families.field)
        own.append(_difference(images[[a for a, _ in pairs]], images[[b for _, b in pairs]], rest))
        other.append(_difference(images, strange, rest))
    one, two = np.array(own), np.array(other)
    seen = np.isfinite(one)
    if not seen.any():
        raise UserError("lesions must leave something of the image", "nothing", "make others")
    return _share(one < KEPT * two, seen) | {
        "grey": round(float(np.median(one[seen])), 3),
        "independent": round(float(np.median(two[seen])), 3),
    }


def _difference(a: Pixels, b: Pixels, where: Bools) -> float:
    """Return the mean absolute difference of (N, H, W) images; NaN where there is no pixel."""
    if not where.any():
        return float("nan")
    return float(np.abs(a[:, where].astype(np.int16) - b[:, where]).mean())


def _share(held: Bools, seen: Bools) -> Score:
    count, total = int((held & seen).sum()), int(seen.sum())
    ends = [round(end, 4) for end in wilson_interval(count, total)]
    return {"value": round(count / max(total, 1), 4), "n": total, "interval": ends}


def unchanged_region(mask: Pixels, field: str) -> Bools:
    """Return where in the image (H, W) another term of `field` should change nothing.

    Posterior features show below the lesion, echo pattern inside and close by (what is not darker
    than fat lies in fat), a halo around the outline, calcifications inside, beside and, by their
    shadows, below; the tissue everywhere but inside. `mask` (H, W) uint8 {0, 1}, with a lesion.
    """
    near, reach = (max(1, round(share * len(mask))) for share in (NEAR, REACH))
    core = erode(mask, near)
    if field == "tissue":
        return core
    if field == "posterior":
        return ~_below(dilate(mask, reach), int(np.flatnonzero(mask.any(axis=1))[0]))
    if field == "halo":
        return core | ~dilate(mask, reach)
    if field == "calcification":
        around = dilate(mask, 2 * reach)
        return ~_below(around, int(np.flatnonzero(around.any(axis=1))[0]))
    return ~dilate(mask, reach)


def _below(region: Bools, top: int) -> Bools:
    """Return the columns that hold some of `region`, from row `top` down."""
    rows = np.arange(len(region))[:, None] >= top
    return np.asarray(rows & region.any(axis=0))
