"""What an image shows inside and around a lesion: band behind it, echo level, rim.

In: a square (H, W) uint8 image and its (H, W) uint8 {0, 1} mask. Out: differences of grey level
in units of the surroundings' own spread, so that a scanner's gain and speckle matter little.
Real images are read and generated ones are scored by the same functions. Widths are in pixels
of an image of 256 pixels a side.
"""

from dataclasses import dataclass
from math import log, nan

import cv2
import numpy as np

from busgen.arrays import Bools, Pixels
from busgen.imaging.square import find_field

RIM_PX = 2  # of both sides of an outline: readers do not outline more exactly
CENTRAL = 0.7  # share of the width behind which the band lies: edges cast shadows of their own
STRIP = 0.5  # width of the strips beside the band, in widths of the lesion
LEAST_PX = 12  # of the band's depth and the strips' width: less is a glimpse, often of a dark edge
FEWEST = 40  # pixels of which a mean is taken
ROWS = 0.3  # share of the band's rows that must have something beside them
RING_PX = 10  # surroundings beside a lesion: the ring of this width outside a gap
GAP_PX = 4  # halo and blurred transition are neither inside nor surroundings
HALO_PX = 6  # width of the rim in which a halo is sought, outside the outline's own blur
FAR_PX = (12, 24)  # from the outline: what a rim is compared with
FAT_QUANTILE = 0.25  # of the grey levels beside a lesion: fat is the darker tissue
NOISE = 8.0  # grey levels: what a ratio of darker ones would show is noise
PATCH_PX = 4.0  # sd of the smoothing that takes away speckle
PATCHES_END_PX = 20  # what is farther away has no weight in it
FLAT = 1.0  # grey levels: the least spread, or flat surroundings would make much of nothing


@dataclass(frozen=True)
class Reading:
    """How bright a lesion is inside, against what is beside it.

    `level` mean inside minus mean beside, in spreads (sd) of the surroundings; `over_fat` the
    same against their darker quarter, as echogenicity is read against fat; `to_fat` the logarithm
    of their ratio, each `NOISE` brighter; `darkness` mean inside / mean beside, 0 where nothing
    echoes; `patches` sd of inside without its speckle, in spreads of the surroundings. All NaN
    where there is no lesion, or nothing beside it.
    """

    level: float
    over_fat: float
    to_fat: float
    darkness: float
    patches: float


def posterior_band(image: Pixels, mask: Pixels, field: Bools | None = None) -> float:
    """Return how much brighter the band behind a lesion is than the strips beside the band.

    The band lies below the lower outline, column by column, in the central `CENTRAL` of the
    lesion's width, from `RIM_PX` down to one height of the lesion or the end of the field. The
    strips lie left and right of the lesion's box. Means are compared row by row, so that only
    the same depths are compared, and averaged with the band's pixels as weights.

    `image`: (H, W) uint8; `mask`: (H, W) uint8 {0, 1}; `field`: (H, W) bool, `find_field(image)`
    where it is known.

    In sd of the strips: enhancement > 0, shadowing < 0; NaN where there is no lesion or no room.
    """
    left, _, width, height = cv2.boundingRect(mask)
    if width == 0:
        return nan
    shown = (find_field(image) if field is None else field) & ~dilate(mask, RIM_PX)
    band = band_behind(mask) & shown
    wide, end = max(round(STRIP * width), LEAST_PX), left + width + RIM_PX
    strips = np.zeros(mask.shape, bool)  # columns beside the lesion's box
    strips[:, max(left - RIM_PX - wide, 0) : max(left - RIM_PX, 0)] = True
    strips[:, end : end + wide] = True
    strips &= shown
    in_band, in_strips = band.sum(axis=1), strips.sum(axis=1)
    rows = (in_band > 0) & (in_strips >= LEAST_PX)
    strips &= rows[:, None]
    enough = min(in_band[rows].sum(), strips.sum()) >= FEWEST
    if not enough or rows.sum() < ROWS * max(height, LEAST_PX):
        return nan
    grey = image.astype(float)
    behind = (grey * band).sum(axis=1)[rows] / in_band[rows]
    reference = (grey * strips).sum(axis=1)[rows] / in_strips[rows]
    difference = float(np.average(behind - reference, weights=in_band[rows]))
    return difference / max(float(grey[strips].std()), FLAT)


def echo_level(image: Pixels, mask: Pixels, field: Bools | None = None) -> Reading:
    """Return how bright a lesion is inside, `RIM_PX` away from its outline.

    It is compared with a ring beside the lesion only: above and below it, depth and posterior
    features decide the grey level. Parameters are those of `posterior_band`.
    """
    inside = erode(mask, RIM_PX)
    ring = dilate(mask, GAP_PX + RING_PX) & ~dilate(mask, GAP_PX)
    reference = (
        ring & mask.any(axis=1, keepdims=True) & (find_field(image) if field is None else field)
    )
    if inside.sum() < FEWEST or reference.sum() < FEWEST:
        return Reading(nan, nan, nan, nan, nan)
    around = image[reference].astype(float)
    mean, spread = float(image[inside].mean()), max(float(around.std()), FLAT)
    fat = float(np.quantile(around, FAT_QUANTILE))
    return Reading(
        level=(mean - float(around.mean())) / spread,
        over_fat=(mean - fat) / spread,
        to_fat=log((mean + NOISE) / (fat + NOISE)),
        darkness=mean / max(float(around.mean()), FLAT),
        patches=_patches(image, inside) / spread,
    )


def rim_level(image: Pixels, mask: Pixels, field: Bools | None = None) -> float:
    """Return how much brighter a thin rim outside a lesion is than what lies farther outside.

    Both are taken above and beside the lesion: below it, posterior features decide. On BrEaST it
    does not tell which lesions have a halo in readers' eyes (AUC .45, 177 training patients).
    Parameters are those of `posterior_band`; in sd of the surroundings, > 0 for a bright rim, NaN
    where there is no lesion or nothing beside it.
    """
    near, far = FAR_PX
    shown = (find_field(image) if field is None else field) & _down_to(mask)
    rim = rim_around(mask) & shown
    outside = dilate(mask, far) & ~dilate(mask, near) & shown
    if rim.sum() < FEWEST or outside.sum() < FEWEST:
        return nan
    around = image[outside].astype(float)
    return float(image[rim].mean() - around.mean()) / max(float(around.std()), FLAT)


def band_behind(mask: Pixels) -> Bools:
    """Return the band (H, W) below the lower outline in the lesion's central columns.

    It is as deep as the lesion is high, `LEAST_PX` at the least.
    """
    rows, cols = mask.shape
    depth = max(cv2.boundingRect(mask)[3], LEAST_PX)
    columns = np.flatnonzero(mask.any(axis=0))
    aside = round((1 - CENTRAL) / 2 * (columns[-1] + 1 - columns[0]))
    central = np.zeros(cols, bool)
    central[columns[0] + aside : columns[-1] + 1 - aside] = True
    lowest = rows - 1 - mask[::-1].argmax(axis=0)
    below = np.arange(rows)[:, None] - lowest - RIM_PX
    return np.asarray((below > 0) & (below <= depth) & central & mask.any(axis=0))


def rim_around(mask: Pixels) -> Bools:
    """Return the rim (H, W) in which a halo is sought: outside the outline, not below it."""
    return dilate(mask, RIM_PX + HALO_PX) & ~dilate(mask, RIM_PX) & _down_to(mask)


def _down_to(mask: Pixels) -> Bools:
    """Return the rows (H, 1) down to the lesion's lowest, all where there is no lesion."""
    lowest = len(mask) - mask[::-1].any(axis=1).argmax()
    return np.arange(len(mask))[:, None] < lowest


def _patches(image: Pixels, inside: Bools) -> float:
    """Return the sd of the grey levels inside, smoothed without a look outside."""
    near = _near(inside.astype(np.uint8), PATCHES_END_PX)
    own = inside[near]
    weight, smooth = (
        cv2.GaussianBlur(values, (0, 0), PATCH_PX)
        for values in (own.astype(np.float64), image[near] * own.astype(np.float64))
    )
    return float((smooth[own] / weight[own]).std())


def dilate(mask: Pixels, radius: int) -> Bools:
    """Return a mask (H, W) uint8 {0, 1} grown by `radius` px."""
    near = _near(mask, radius)
    grown = np.zeros(mask.shape, np.bool_)
    grown[near] = cv2.dilate(np.ascontiguousarray(mask[near]), _disc(radius)) > 0
    return grown


def _near(mask: Pixels, reach: int) -> tuple[slice, slice]:
    """Return the box of a mask and `reach` px around it; of an empty one, a corner."""
    left, top, width, height = cv2.boundingRect(mask)
    rows = slice(max(top - reach, 0), top + height + reach)
    return rows, slice(max(left - reach, 0), left + width + reach)


def erode(mask: Pixels, radius: int) -> Bools:
    """Return a mask (H, W) uint8 {0, 1} shrunk by `radius` px."""
    return np.asarray(cv2.erode(mask, _disc(radius)) > 0)


def _disc(radius: int) -> Pixels:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
