"""Grey levels of a lesion's regions: are they a lesion's at all, and those that were asked for.

In: an image, its mask, the terms that it is to show. Out: two scores. What training patients show
(`busgen.gates.calibration.fit`) ships as `assets/gates/lesions.json`: means and covariances, no
image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import log, nan

import cv2
import numpy as np

from busgen.arrays import Floats, Pixels
from busgen.gates.image_checks import DIGITS, GATES, SIDE, SMALLEST, Scores
from busgen.imaging import surroundings
from busgen.imaging.square import resize
from busgen.imaging.surroundings import FAT_QUANTILE, FEWEST, GAP_PX, NOISE, band_behind, dilate
from busgen.io import read_json

LESIONS = "lesions.json"
FAR_PX = GAP_PX + surroundings.RING_PX  # from the outline to the end of what is beside
REGIONS = ("inside", "front", "behind", "beside")
LEVELS = tuple(f"{region}_{kind}" for region in REGIONS for kind in ("level", "spread"))
NUMBERS = (*LEVELS, "to_fat", "band")
SHOWN: Mapping[str, tuple[str, ...]] = {  # which numbers show a field's terms
    "echo_pattern": ("to_fat", "inside_level", "inside_spread"),
    "posterior": ("band", "behind_level"),
}


@dataclass(frozen=True)
class Standard:
    """`LEVELS` of `n` real lesions: their `centre` (8,) and `covariance` (8, 8)."""

    n: int
    centre: Floats
    covariance: Floats

    def distance(self, levels: Floats) -> float:
        """Return the Mahalanobis distance of levels (8,) from the centre, a dimension.

        About 1 is usual. Regions that are not seen (NaN) are left out; NaN where none is.
        """
        seen = np.isfinite(levels)
        if not seen.any():
            return nan
        off = (levels - self.centre)[seen]
        return float(np.sqrt(off @ np.linalg.solve(self.covariance[np.ix_(seen, seen)], off)
                             / off.size))  # fmt: skip


@dataclass(frozen=True)
class TermLevels:
    """What D numbers of `SHOWN` are where a term is stated: `n` and `centres` (D,) by term.

    All terms have one `covariance` (D, D): some are stated of seven lesions.
    """

    n: Mapping[str, int]
    centres: Mapping[str, Floats]
    covariance: Floats

    def log_odds(self, numbers: Floats, term: str) -> float | None:
        """Return how much likelier numbers (D,) are under a term than under the mean other one.

        A natural logarithm; None for a term that too few lesions taught, and for numbers that are
        not seen (NaN).
        """
        if term not in self.centres or not np.isfinite(numbers).all():
            return None
        off = np.array([numbers - centre for centre in self.centres.values()])
        powers = -0.5 * np.einsum("td,td->t", off, np.linalg.solve(self.covariance, off.T).T)
        own = np.array([name == term for name in self.centres])
        return float(powers[own][0] - np.logaddexp.reduce(powers[~own]) + log((~own).sum()))


@cache
def load_shipped() -> tuple[Standard, Mapping[str, TermLevels]]:
    """Return what comes with the package: regions of any lesion, terms by field."""
    stored = read_json(GATES / LESIONS)
    one, terms = stored["intensity"], {}
    regions = Standard(one["n"], np.array(one["centre"]), np.array(one["covariance"]))
    for name, own in stored["terms"].items():
        centres = {term: np.array(centre) for term, centre in own["centres"].items()}
        terms[name] = TermLevels(own["n"], centres, np.array(own["covariance"]))
    return regions, terms


def score_lesion(image: Pixels, mask: Pixels, stated: Mapping[str, str | None]) -> Scores:
    """Return `intensity` and `descriptor_agreement` of a lesion.

    `intensity` is how far the grey levels inside, in front of, behind and beside it, in sd of the
    image about its mean, are from those of real lesions. `descriptor_agreement` is the least log
    likelihood ratio of the stated terms against the others of their field. BrEaST alone states
    them, seven of its training lesions as hyperechoic, and its readers' hypoechoic and
    heterogeneous overlap: too little to reject by, so by default this gate flags. `image`, `mask`
    (S, S) uint8, mask {0, 1}; `stated` field of `SHOWN` -> term, None where it is not stated.
    Scores are NaN for an empty mask. Both are None below `SMALLEST` px a side; the latter where no
    term is stated, known and seen.
    """
    if min(image.shape) < SMALLEST:
        return {"intensity": None, "descriptor_agreement": None}
    if not mask.any():
        return {"intensity": nan, "descriptor_agreement": nan}
    regions, terms = load_shipped()
    found = measure(image, mask)
    named = [(field, term) for field, term in stated.items() if term]
    ratios = [terms[field].log_odds(select(found, field), term) for field, term in named]
    least = min((round(ratio, DIGITS) for ratio in ratios if ratio is not None), default=None)
    distance = round(regions.distance(found[: len(LEVELS)]), DIGITS)
    return {"intensity": distance, "descriptor_agreement": least}


def select(numbers: Floats, field: str) -> Floats:
    """Return those of `NUMBERS` (..., 10) that show a field's terms."""
    return numbers[..., [NUMBERS.index(name) for name in SHOWN[field]]]


def measure(image: Pixels, mask: Pixels) -> Floats:
    """Return `NUMBERS` (10,) of a lesion, NaN where a region is not seen.

    Of each region mean and log sd, against those of the image; how much brighter the inside is than
    fat (log), the band behind than what is beside it (`posterior_band`). `image`, `mask` (S, S)
    uint8, a mask {0, 1} that is not empty.
    """
    seen = resize(image, SIDE)
    own = np.asarray(cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST), np.uint8)
    mean, sd = _measure(seen, seen)  # of what is not black: no border
    left, _, width, _ = cv2.boundingRect(own)
    cols = slice(max(left - FAR_PX, 0), left + width + FAR_PX)  # all regions lie there
    part, regions = seen[:, cols], _regions(own[:, cols])
    regions[-1][part == 0] = 0  # black is a border: nothing is there
    record = [_measure(part, region) for region in regions]
    levels = [((m - mean) / max(sd, surroundings.FLAT), log((s + 1) / (sd + 1))) for m, s in record]
    around = part[regions[-1] > 0]
    fat = float(np.quantile(around, FAT_QUANTILE)) if around.size >= FEWEST else nan
    to_fat = log((record[0][0] + NOISE) / (fat + NOISE))
    return np.array([*np.ravel(levels), to_fat, surroundings.posterior_band(seen, own)], np.float64)


def _regions(mask: Pixels) -> tuple[Pixels, ...]:
    """Return `REGIONS` of a mask (H, W) {0, 1}."""
    inside = surroundings.erode(mask, surroundings.RIM_PX)
    front, behind = band_behind(mask[::-1])[::-1], band_behind(mask)
    return *(x.astype(np.uint8) for x in (inside, front, behind)), _beside(mask)


def _beside(mask: Pixels) -> Pixels:
    """Return a ring {0, 1} around a mask (H, W) {0, 1}, cut off above and below the lesion."""
    _, top, _, height = cv2.boundingRect(mask)
    rows, ring = slice(top, top + height), np.zeros_like(mask)
    ring[rows] = dilate(mask[rows], FAR_PX) & ~dilate(mask[rows], GAP_PX)
    return ring


def _measure(image: Pixels, region: Pixels) -> tuple[float, float]:
    """Return mean and sd of the grey levels in a region, NaN of fewer than `FEWEST`."""
    if cv2.countNonZero(region) < FEWEST:
        return nan, nan
    mean, sd = cv2.meanStdDev(image, mask=region)
    return float(mean[0, 0]), float(sd[0, 0])
