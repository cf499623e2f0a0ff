"""Control by words: what is measured in images by the term that was asked for.

In: images, masks, terms; measures of what surrounds and fills a lesion. Out: AUCs, the same on
BrEaST's real lesions beside them. Nothing here is fitted, so that all of BrEaST's patients may
count; its held-out ones stand beside, though they are few. Which measure goes with which terms was
chosen on its training patients: the ratio tells anechoic from hypoechoic with .88, the difference
with .73.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from busgen.arrays import Bools, Floats, Names, Pixels
from busgen.bench.harness import Figure
from busgen.bench.images.scores import drop_missing, interval
from busgen.imaging.surroundings import echo_level, posterior_band, rim_level
from busgen.stats.patients import Score, mean_score
from busgen.stats.roc import auc_score

Measure = Callable[[Pixels, Pixels], float]
CHANCE = 0.5
FEWEST = 5  # images of either term: fewer tell nothing


@dataclass(frozen=True)
class Pair:
    """Two terms of a field, and the measure that is higher where `high` is what the text says."""

    name: str
    field: str
    low: object
    high: object
    measure: str


CONTRASTS = (
    Pair("anechoic", "echo_pattern", "anechoic", "hypoechoic", "darkness"),
    Pair("isoechoic", "echo_pattern", "hypoechoic", "isoechoic", "echo"),
    Pair("hyperechoic", "echo_pattern", "hypoechoic", "hyperechoic", "echo"),
    Pair("enhancement", "posterior", "none", "enhancement", "posterior"),
    Pair("shadowing", "posterior", "shadowing", "none", "posterior"),
    Pair("halo", "halo", False, True, "rim"),
)
SIGNS = {"enhancement": 1, "shadowing": -1}  # of the band below the lesion
MEASURES: Mapping[str, Measure] = {  # grey inside as a difference, as a ratio; below; of the rim
    "echo": lambda image, mask: echo_level(image, mask).level,
    "darkness": lambda image, mask: echo_level(image, mask).darkness,
    "posterior": posterior_band,
    "rim": rim_level,
}


@dataclass(frozen=True)
class Lesions:
    """Lesions as measured: measure -> (N,) values, NaN where it has none; terms; patients (N,)."""

    values: Mapping[str, Floats]
    terms: Sequence[Mapping[str, Any]]
    groups: Names

    def pick(self, chosen: Bools) -> "Lesions":
        """Return the lesions that are `chosen`."""
        terms = [row for row, wanted in zip(self.terms, chosen, strict=True) if wanted]
        values = {name: column[chosen] for name, column in self.values.items()}
        return Lesions(values, terms, self.groups[chosen])


def make_lesions(
    images: Pixels,
    masks: Pixels,
    terms: Sequence[Mapping[str, Any]],
    groups: Names,
) -> Lesions:
    """Measure lesions: images and masks (N, S, S), the terms asked for, patients (N,)."""
    pairs = list(zip(images, masks, strict=True))
    values = {
        name: np.array([measure(image, mask) for image, mask in pairs], np.float64)
        for name, measure in MEASURES.items()
    }
    return Lesions(values, terms, groups)


def _measure_contrast(lesions: Lesions, contrast: Pair, stream: str) -> Figure | None:
    """Return the AUC by which a measure tells the two terms; None with too few of either."""
    request = [row[contrast.field] for row in lesions.terms]
    high = np.array([term == contrast.high for term in request], np.bool_)
    low = np.array([term == contrast.low for term in request], np.bool_)
    values = lesions.values[contrast.measure]
    used = (high | low) & ~np.isnan(values)
    if min((high & used).sum(), (low & used).sum()) < FEWEST:
        return None
    return interval(auc_score(high[used], values[used]), lesions.groups[used], "AUC", stream)


def figures(
    generated: Mapping[str, Lesions], breast: Lesions, held_out: Bools, subject: str
) -> dict[str, Figure]:
    """Return the AUC of every contrast by engine and on real lesions, and the largest shortfall.

    `generated` are each engine's lesions with the terms asked for, `breast` BrEaST's with those
    that its readers state, `held_out` (N,) which of these are no training patients'.
    """
    sets = {"real": breast, "real_held_out": breast.pick(held_out), **generated}
    measured: dict[str, Figure | None] = {}
    for name, lesions in sets.items():
        for contrast in CONTRASTS:
            key = f"terms_{contrast.name}_{name}"
            measured[key] = _measure_contrast(lesions, contrast, f"terms {contrast.name}")
        measured |= _bands(lesions, name)
    return drop_missing(measured | {"terms_gap_worst": _shortfall(measured, subject)})


def _shortfall(measured: Mapping[str, Figure | None], subject: str) -> Figure | None:
    """Return by how much the engine's AUC is below the real one where it is worst.

    Terms that the measure cannot tell on real lesions, by its interval, are no test of an engine.
    """
    gaps = []
    for contrast in CONTRASTS:
        real, own = (measured[f"terms_{contrast.name}_{name}"] for name in ("real", subject))
        if real is not None and own is not None and real.interval and real.interval[0] > CHANCE:
            gaps.append(Figure(real.value - own.value, "AUC", min(real.n, own.n)))
    return max(gaps, key=lambda gap: gap.value, default=None)


def _bands(lesions: Lesions, name: str) -> dict[str, Figure | None]:
    """Return, by posterior feature, the band's median level and how often its sign is right."""
    measured: dict[str, Figure | None] = {}
    for term, sign in SIGNS.items():
        rows = np.array([row["posterior"] == term for row in lesions.terms], np.bool_)
        values = lesions.values["posterior"][rows]
        known = ~np.isnan(values)
        levels, groups = values[known], lesions.groups[rows][known]
        measured[f"band_{term}_{name}"] = interval(_median(levels), groups, "sd", "band")
        right = (np.sign(levels) == sign).astype(np.float64)
        measured[f"band_{term}_sign_{name}"] = interval(mean_score(right), groups, "share", "sign")
    return measured


def _median(values: Floats) -> Score:
    return lambda rows: float(np.median(values[rows]))
