"""What a measured lesion may be said to show: readings, and bounds of the lexicon's terms.

In: images with their masks, and the terms that readers gave BrEaST's training patients.
Out: intervals of measures in which a term is stated; between the terms of a field nothing is.
Terms on which measures and readers hardly agree have no bounds: heterogeneous, isoechoic,
hyperechoic, complex_cystic_solid, margins that are not circumscribed, halo, calcification.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from busgen.arrays import Pixels
from busgen.errors import DataError
from busgen.imaging.geometry import measure
from busgen.imaging.surroundings import echo_level, posterior_band

Row = Mapping[str, Any]

READ = frozenset({"breast"})  # datasets whose readers described every lesion: nothing is measured
AGREED = 0.85  # share of the images in an interval of outlines that readers call the same
AGREED_ECHO = 0.8  # of echo patterns: readers call a fifth heterogeneous at any level
FEWEST = 5  # images in an interval, and from which quantiles are taken
CLEAR = (0.1, 0.9)  # quantiles of the band where readers see none: beyond them it is clear
ABSENT = (0.25, 0.75)  # and between these it is stated that there is none
TALLNESS_GAP = 0.04  # around 1: there the last pixel of an outline decides
OVAL_AXES, ROUND_AXES = 0.8, 0.9  # minor / major axis: at most, at least


@dataclass(frozen=True)
class _Rule:
    """How the interval of a term is sought: readers' terms that count, ends that stay open."""

    field: str
    term: str
    measure: str
    same: tuple[object, ...]
    open_ends: tuple[bool, bool]
    agreed: float


_RULES = (
    _Rule("shape", "oval", "roughness", ("oval", "round"), (True, False), AGREED),
    _Rule("shape", "irregular", "roughness", ("irregular",), (False, True), AGREED),
    _Rule("margin", "circumscribed", "roughness", (["circumscribed"],), (True, False), AGREED),
    _Rule("echo_pattern", "anechoic", "darkness", ("anechoic",), (True, False), AGREED_ECHO),
    _Rule("echo_pattern", "hypoechoic", "darkness", ("hypoechoic",), (False, False), AGREED_ECHO),
)


@dataclass(frozen=True)
class Reading:
    """What is measured of one lesion.

    `tallness` height / width of its box; `axes` minor / major axis; `roughness` of its outline
    (`busgen.imaging.geometry`); `darkness` and `band` as `busgen.imaging.surroundings` has them,
    NaN where the image has no room for them.
    """

    tallness: float
    axes: float
    roughness: float
    darkness: float
    band: float


@dataclass(frozen=True)
class Bound:
    """`term` of `field` needs low <= `measure` <= high; None is no limit."""

    field: str
    term: str
    measure: str
    low: float | None
    high: float | None

    def passes(self, reading: Reading) -> bool:
        """Return whether a reading lies inside; NaN never does."""
        value = getattr(reading, self.measure)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return bool(low <= value <= high)


@dataclass(frozen=True)
class Bounds:
    """Bounds of all terms; a term is shown where all bounds of it hold."""

    bounds: tuple[Bound, ...]

    def term(self, field: str, reading: Reading) -> str | None:
        """Return the term of `field` that a reading shows, None where none is or two are."""
        own = [bound for bound in self.bounds if bound.field == field]
        missed = {bound.term for bound in own if not bound.passes(reading)}
        shown = {bound.term for bound in own} - missed
        return shown.pop() if len(shown) == 1 else None


def bounds_from_json(content: Sequence[Mapping[str, Any]]) -> Bounds:
    """Return bounds as JSON holds `asdict` of each."""
    return Bounds(tuple(Bound(**entry) for entry in content))


def read_lesion(image: Pixels, mask: Pixels) -> Reading | None:
    """Return what is measured of a lesion, None where the mask is empty.

    `image`: (H, W) uint8, square, overlays painted out; `mask`: (H, W) uint8 {0, 1}.
    """
    geometry = measure(mask, 1.0)
    if geometry is None:
        return None
    return Reading(
        tallness=geometry.height_mm / geometry.width_mm,
        axes=geometry.minor_mm / geometry.major_mm,
        roughness=geometry.roughness,
        darkness=echo_level(image, mask).darkness,
        band=posterior_band(image, mask),
    )


def fit_bounds(rows: Sequence[Row], readings: Sequence[Reading | None]) -> Bounds:
    """Fit bounds to readers' terms.

    Of outlines and echo patterns, a term's interval is the one that holds most images while
    readers agree in `AGREED` (`AGREED_ECHO`) of them; a term without such an interval is not
    stated. On posterior features measure and readers agree less: there a statement means a band
    clearer than in nine of ten images in which readers see none, and `none` one in the middle
    of them. Orientation, and round against oval, are definitions: BrEaST has 15 round lesions.

    `rows`: canonical rows of lesions with readers' terms, of training patients only; `readings`:
    (N) what `read_lesion` returned for each; a row where that is None is left out. Raises
    `DataError` if readers see no posterior features in fewer than `FEWEST` of the images.
    """
    cases = [row for row, one in zip(rows, readings, strict=True) if one is not None]
    seen = [one for one in readings if one is not None]
    found = [bound for rule in _RULES if (bound := _interval(rule, cases, seen))]
    smooth = [Bound("shape", "round", b.measure, b.low, b.high) for b in found if b.term == "oval"]
    return Bounds(
        (
            Bound("orientation", "parallel", "tallness", None, 1 - TALLNESS_GAP),
            Bound("orientation", "not_parallel", "tallness", 1 + TALLNESS_GAP, None),
            *found,
            *smooth,
            *([Bound("shape", "oval", "axes", None, OVAL_AXES)] if smooth else []),
            *([Bound("shape", "round", "axes", ROUND_AXES, None)] if smooth else []),
            *_band_bounds(cases, seen),
        )
    )


def _interval(rule: _Rule, rows: Sequence[Row], readings: Sequence[Reading]) -> Bound | None:
    """Return the interval that holds most images while readers agree, None if there is none."""
    values = np.array([getattr(reading, rule.measure) for reading in readings])
    known = [k for k in np.argsort(values) if np.isfinite(values[k]) and rows[k][rule.field]]
    same = [rows[k][rule.field] in rule.same for k in known]
    right = np.concatenate([[0], np.cumsum(same)])
    start, end = np.indices((len(right), len(right)))
    count = end - start
    fits = (count >= FEWEST) & (right[end] - right[start] >= rule.agreed * count)
    fits &= (start == 0) | (not rule.open_ends[0])
    fits &= (end == len(known)) | (not rule.open_ends[1])
    if not fits.any():
        return None
    first, last = np.unravel_index(np.argmax(np.where(fits, count, -1)), fits.shape)
    low = None if rule.open_ends[0] else float(values[known[first]])
    high = None if rule.open_ends[1] else float(values[known[last - 1]])
    return Bound(rule.field, rule.term, rule.measure, low, high)


def _band_bounds(rows: Sequence[Row], readings: Sequence[Reading]) -> tuple[Bound, ...]:
    """Return the bounds of posterior features, quantiles of the band where readers see none."""
    pairs = zip(rows, readings, strict=True)
    bands = [reading.band for row, reading in pairs if row["posterior"] == "none"]
    seen = np.array([band for band in bands if np.isfinite(band)])
    if len(seen) < FEWEST:
        rule = f"bounds need {FEWEST} images or more without posterior features"
        raise DataError(rule, len(seen), "fit them on BrEaST's training patients")
    shadowing, low, high, enhancement = np.quantile(seen, sorted((*CLEAR, *ABSENT))).tolist()
    return (
        Bound("posterior", "shadowing", "band", None, shadowing),
        Bound("posterior", "none", "band", low, high),
        Bound("posterior", "enhancement", "band", enhancement, None),
    )
