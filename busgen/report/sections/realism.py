"""Geometry and grey levels beside real images: quantiles of both, distances, verdicts in words.

In: `Evidence`, whose scores hold the quantiles of what was measured. Out: groups of `Statistic`s,
the worst first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from busgen.arrays import Floats
from busgen.report import words
from busgen.report.evidence import Evidence

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
CLASSES = ("benign", "malignant")
FAR = 0.3  # distance from which a difference is called strong
# 95th percentile over mean of the two-sample statistic's limiting distribution, 1.358 / .869
# (Smirnov 1948, doi:10.1214/aoms/1177730256): the floor times this is kept by 95 % of real pairs
KEPT_BY_95 = 1.563
CLOSE, DIFFERS, STRONG = "no difference shown", "differs", "differs strongly"

Record = Mapping[str, Any]


class Quantiles(NamedTuple):
    """Quantiles at `LEVELS` of one statistic in one class, synthetic and real, and the score."""

    pathology: str
    synthetic: Floats
    real: Floats
    score: Record


class Statistic(NamedTuple):
    """One statistic: its classes on one axis from `low` to `high`."""

    name: str
    low: float
    high: float
    strips: tuple[Quantiles, ...]

    @property
    def worst(self) -> float:
        """Largest distance over the classes."""
        return max(float(strip.score["value"]) for strip in self.strips)


class Group(NamedTuple):
    """Statistics of one kind, the worst first, and the mean distance of each class."""

    name: str
    title: str
    about: str
    short: str
    headline: tuple[Record, ...]
    statistics: tuple[Statistic, ...]


def make_section(evidence: Evidence) -> tuple[Group, ...]:
    """Return the groups of statistics that were scored, the worst first."""
    headline = [_score(key, record) for key, record in evidence.scores["headline"].items()]
    strips = _strips(evidence)
    groups = [
        Group(name, *phrases, tuple(one for one in headline if one["name"] == name), _measure(own))
        for name, phrases in words.GROUPS.items()
        if (own := strips[name])
    ]
    return tuple(sorted(groups, key=lambda group: -max(s.worst for s in group.statistics)))


def _strips(evidence: Evidence) -> dict[str, dict[str, list[Quantiles]]]:
    """Return what was scored, by group and statistic."""
    levels = evidence.scores["levels"]
    found: dict[str, dict[str, list[Quantiles]]] = {
        name: defaultdict(list) for name in words.GROUPS
    }
    for key, record in evidence.scores["scores"].items():
        score, names = _score(key, record), ("quantiles", "real_quantiles")
        synthetic, real = (np.interp(LEVELS, levels, record[name]) for name in names)
        strip = Quantiles(score["pathology"], synthetic, real, score)
        found[record["group"]][score["name"]].append(strip)
    return found


def _score(key: str, record: Record) -> Record:
    """Return a recorded distance with the statistic's name, the class and what the distance means.

    That is `CLOSE` where its interval reaches the floor, the distance of two real samples, and 95 %
    of real pairs are no closer.
    """
    name, _, pathology = key.removeprefix("ks_").partition(".")
    value, floor, (low, _) = record["value"], record["floor"], record["interval"]
    verdict = STRONG if value > FAR else DIFFERS
    if low <= floor and value <= KEPT_BY_95 * floor:
        verdict = CLOSE
    return {**record, "name": name, "pathology": pathology, "verdict": verdict}


def _measure(by_name: Mapping[str, Sequence[Quantiles]]) -> tuple[Statistic, ...]:
    """Return the statistics of one group, the worst first."""
    found = []
    for name, strips in by_name.items():
        both = np.concatenate([one for strip in strips for one in (strip.synthetic, strip.real)])
        low, high = axis_ends(both.tolist())
        ordered = sorted(strips, key=lambda strip: CLASSES.index(strip.pathology))
        found.append(Statistic(name, low, high, tuple(ordered)))
    return tuple(sorted(found, key=lambda one: (-one.worst, one.name)))


def axis_ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis for all values, with a margin."""
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def compare(evidence: Evidence) -> tuple[tuple[str, int, Mapping[str, Record]], ...]:
    """Return (scanner, real images, group -> mean distance), the most images first.

    That is of all lesions against all real ones (scanner ``""``), and against each scanner's.
    """
    found = []
    for scanner, record in {"": evidence.scores["pooled"], **evidence.scores["scanners"]}.items():
        scores = [_score(key, one) for key, one in record["headline"].items()]
        found.append((scanner, int(record["n_real"]), {score["name"]: score for score in scores}))
    return tuple(sorted((one for one in found if one[2]), key=lambda one: -one[1]))


def count(groups: Sequence[Group]) -> dict[str, int]:
    """Return how many of the shown distances have which verdict."""
    strips = (strip for group in groups for one in group.statistics for strip in one.strips)
    verdicts = [strip.score["verdict"] for strip in strips]
    return {verdict: verdicts.count(verdict) for verdict in (CLOSE, DIFFERS, STRONG)}
