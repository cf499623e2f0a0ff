"""Geometry and grey levels beside real images: quantiles of both, distances, verdicts in words.

In: `Evidence`; accepted pictures are measured with the code that measured the real ones. Out:
groups of `Statistic`s, the worst first.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen import io
from busgen.quality.measures import GROUPS
from busgen.quality.reference import statistics_of
from busgen.report.evidence import Evidence, released_pixels
from busgen.report.gallery import Row, key_of, spread

MEASURED = 600  # accepted pictures behind the drawn quantiles; 12 ms each
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
CLASSES = ("benign", "malignant")
FAR = 0.3  # distance from which a difference is called strong
# 95th percentile over mean of the two-sample statistic's limiting distribution, 1.358 / .869
# (Smirnov 1948, doi:10.1214/aoms/1177730256): the floor times this is kept by 95 % of real pairs
KEPT_BY_95 = 1.563
CLOSE, DIFFERS, STRONG = "as close as two real samples", "differs", "differs strongly"
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}
GROUP_WORDS = {
    "geometry": ("Size, place and outline of the lesion", "what the mask says"),
    "grey": ("Grey levels", "brightness and contrast of the whole picture and of the lesion"),
    "depth": ("Brightness by depth", "attenuation, gain curve and layers of the breast"),
    "texture": ("Texture", "size of the speckle grain and smoothness"),
}

Floats = NDArray[np.float64]
Quantiles = dict[tuple[str, str], Floats]  # (statistic, class) -> (5,) at LEVELS


@dataclass(frozen=True)
class Score:
    """One distance as `busgen.quality` scored it; `floor` is that of two real samples."""

    name: str
    pathology: str
    value: float
    n: int
    n_real: int
    low: float
    high: float
    floor: float

    @property
    def verdict(self) -> str:
        """Say what the distance means.

        `CLOSE` where its interval reaches the floor and 95 % of real pairs are no closer.
        """
        if self.low <= self.floor and self.value <= KEPT_BY_95 * self.floor:
            return CLOSE
        return STRONG if self.value > FAR else DIFFERS


@dataclass(frozen=True)
class Strip:
    """Quantiles at `LEVELS` of one statistic in one class, synthetic and real, and the score."""

    pathology: str
    synthetic: Floats
    real: Floats
    score: Score


@dataclass(frozen=True)
class Statistic:
    """One statistic: its classes on one axis from `low` to `high`."""

    name: str
    low: float
    high: float
    strips: tuple[Strip, ...]

    @property
    def worst(self) -> float:
        """Largest distance over the classes."""
        return max(strip.score.value for strip in self.strips)


@dataclass(frozen=True)
class Group:
    """Statistics of one kind, the worst first, and the mean distance of each class."""

    name: str
    title: str
    about: str
    headline: tuple[Score, ...]
    statistics: tuple[Statistic, ...]


def make_groups(evidence: Evidence) -> tuple[Group, ...]:
    """Return the groups of statistics that were scored, the worst first."""
    scores = [_score(key, record) for key, record in evidence.scores["scores"].items()]
    headline = [_score(key, record) for key, record in evidence.scores["headline"].items()]
    synthetic, real = _synthetic(evidence), _real(evidence.reference)
    known = [s for s in scores if {(s.name, s.pathology)} <= synthetic.keys() & real.keys()]
    groups = []
    for name, (title, about) in GROUP_WORDS.items():
        members = [score for score in known if group_of(score.name) == name]
        found = _statistics(members, synthetic, real)
        means = tuple(score for score in headline if score.name == name)
        if found:
            groups.append(Group(name, title, about, means, found))
    return tuple(sorted(groups, key=lambda group: -max(s.worst for s in group.statistics)))


def group_of(statistic: str) -> str:
    """Return the group of a statistic; the contrast of one echo pattern belongs to the grey."""
    return GROUP_OF.get(statistic, "grey")


def _score(key: str, record: Mapping[str, Any]) -> Score:
    name, _, pathology = key.removeprefix("ks_").partition(".")
    low, high = record["interval"]
    n, n_real = int(record["n"]), int(record["n_real"])
    return Score(name, pathology, record["value"], n, n_real, low, high, record["floor"])


def _statistics(
    scores: Sequence[Score], synthetic: Quantiles, real: Quantiles
) -> tuple[Statistic, ...]:
    """Return the statistics of one group, the worst first."""
    by_name: dict[str, list[Strip]] = defaultdict(list)
    for score in scores:
        key = score.name, score.pathology
        by_name[score.name].append(Strip(score.pathology, synthetic[key], real[key], score))
    found = []
    for name, strips in by_name.items():
        ends = np.concatenate([one for strip in strips for one in (strip.synthetic, strip.real)])
        margin = 0.04 * float(np.ptp(ends)) or 1.0
        low, high = float(ends.min()) - margin, float(ends.max()) + margin
        ordered = sorted(strips, key=lambda strip: CLASSES.index(strip.pathology))
        found.append(Statistic(name, low, high, tuple(ordered)))
    return tuple(sorted(found, key=lambda one: (-one.worst, one.name)))


def _real(reference: Mapping[str, Any]) -> Quantiles:
    """Return the real quantiles of each statistic and class that the reference has."""
    return {
        (name, pathology): np.interp(LEVELS, reference["levels"], record["quantiles"])
        for pathology in CLASSES
        for name, record in reference["by_class"].get(pathology, {}).get("statistics", {}).items()
    }


def _synthetic(evidence: Evidence) -> Quantiles:
    """Return the quantiles of accepted pictures, measured here."""
    size_px = int(evidence.reference["size_px"])
    lesions = evidence.accepted[evidence.accepted["pathology"] != "normal"]
    rows = spread(lesions, MEASURED)
    found = released_pixels(evidence.sources, [key_of(row) for row in rows])

    def measure(row: Row) -> dict[str, float]:
        return measured(row, *found[key_of(row)], size_px)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        each = list(pool.map(measure, rows))
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row, statistics in zip(rows, each, strict=True):
        for name, value in statistics.items():
            values[name, row["pathology"]].append(value)
    return {key: np.quantile(column, LEVELS) for key, column in values.items()}


def measured(row: Row, image_png: bytes, mask_png: bytes, size_px: int) -> dict[str, float]:
    """Return one picture's statistics at the size at which the real ones were measured."""
    image, mask = io.decode_png(image_png), io.decode_png(mask_png)
    scale = image.shape[0] / size_px
    if scale != 1:
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        image, mask = (
            np.asarray(cv2.resize(one, (size_px, size_px), interpolation=method), np.uint8)
            for one in (image, mask)
        )
    lesion = (mask > 127).astype(np.uint8)
    return statistics_of(image, lesion, row["pixel_mm"] * scale, row["echo_pattern"])


def counts(groups: Sequence[Group]) -> dict[str, int]:
    """Return how many of the shown distances have which verdict."""
    verdicts = [
        strip.score.verdict for group in groups for one in group.statistics for strip in one.strips
    ]
    return {verdict: verdicts.count(verdict) for verdict in (CLOSE, DIFFERS, STRONG)}
