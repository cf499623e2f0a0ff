"""The BI-RADS assessment given what is seen: points for descriptors, cuts for each class.

In: points and cuts, readable JSON. Out: P(assessment | pathology, descriptors). Proportional odds
(McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x): P(category <= k) = logistic(cut_k - sum of
points). Cuts differ by class, since a reader sees more than the descriptors tell.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit

from busgen.arrays import Floats
from busgen.errors import DataError
from busgen.priors.sizes import LESIONS, check

GIVEN = ("shape", "orientation", "edge", "echo_pattern", "posterior", "halo", "calcification")
CATEGORIES = ("2", "3", "4a", "4b", "4c", "5")  # of a lesion; 1 is no finding
KEYS = ("source", "points", "cuts")


def table(entry: Mapping[str, Any], terms: Mapping[str, tuple[str, ...]]) -> Floats:
    """Return P(assessment) over pathology, `GIVEN` (null last), assessments.

    `entry` holds `KEYS`: points {descriptor: {term: points}}, cuts {class: five, ascending};
    `terms` each node's. Raises `DataError` for anything else.
    """
    points = check(check(entry, "birads", KEYS)["points"], "birads.points", GIVEN)
    cuts = check(entry["cuts"], "birads.cuts", LESIONS)
    for name in LESIONS:
        ends = np.asarray(cuts[name], np.float64)
        if ends.shape != (len(CATEGORIES) - 1,) or not (np.diff(ends) > 0).all():
            rule = f"birads.cuts.{name} must be {len(CATEGORIES) - 1} ascending numbers"
            raise DataError(rule, cuts[name], "mend them")
    total = np.zeros([len(terms[name]) + 1 for name in GIVEN])
    for place, name in enumerate(GIVEN):
        own = check(points[name], f"birads.points.{name}", terms[name])
        column = np.array([*(float(own[term]) for term in terms[name]), 0.0])
        total += column.reshape([-1 if i == place else 1 for i in range(len(GIVEN))])
    assessments = terms["birads"]
    result = np.zeros((len(terms["pathology"]), *total.shape, len(assessments)))
    result[-1, ..., assessments.index("1")] = 1.0
    places = [assessments.index(term) for term in CATEGORIES]
    for place, name in enumerate(LESIONS):
        result[place][..., places] = _shares(total, np.asarray(cuts[name], np.float64))
    return result


def _shares(points: Floats, cuts: Floats) -> Floats:
    """Return the probability (..., 6) of each category at points (...), given cuts (5,)."""
    below = expit(cuts - np.asarray(points)[..., None])
    ends = np.concatenate([np.zeros_like(below[..., :1]), below, np.ones_like(below[..., :1])], -1)
    return np.asarray(np.diff(ends, axis=-1), np.float64)
