"""Fits the points and cuts of the BI-RADS assessment.

In: `Lesions` whose assessment is stated, and the prior of their descriptors. Out: points, by the
likeliest proportional odds of lesions that state all descriptors; cuts, at which each class has its
share of every category among all lesions, of datasets that state no descriptors too.
"""

import copy
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit

from busgen.arrays import Bools, Floats, Indices
from busgen.priors.assessment import CATEGORIES, GIVEN
from busgen.priors.fitting.lesions import Lesions
from busgen.priors.joint import multiply
from busgen.priors.network import EDGE_OF, EDGES, TERMS, Prior, make_prior
from busgen.priors.plan import node_factor, tables
from busgen.priors.sizes import LESIONS

RIDGE = 0.5  # of the squared distance from the base's points, for it and each of its lesions
SMOOTHING = 0.5  # lesions that every category of a class has beside those seen
ROUNDS = 4  # of the cuts, since contradictions take their share
REACH = 60.0  # cuts lie within so many points
_FIRST = sum(len(TERMS[name]) for name in GIVEN[: GIVEN.index("edge")])
_EDGES = slice(_FIRST, _FIRST + len(EDGES))  # their columns
_ENDS = np.cumsum([len(TERMS[name]) for name in GIVEN])[:-1]
_CUTS, _OFFSET = len(CATEGORIES) - 1, 1  # numbers before the points


def fit(lesions: Lesions, prior: Prior, base: Prior, strength: float) -> dict[str, Any]:
    """Return points and cuts, as `busgen.priors.assessment.table` takes them.

    `prior` of the descriptors; the assessments of `base` weigh as much as `strength` lesions.
    """
    seen, categories = _states(lesions)
    complete = (seen >= 0).all(1) & (categories >= 0) & (lesions.pathology < len(LESIONS))
    own = base.record["discrete"]["birads"]["points"]
    before = np.array([own[name][term] for name in GIVEN for term in TERMS[name]])
    ridge = RIDGE * (1 + strength)
    picked = lesions.pick(complete)
    points = _fit_points(_columns(seen[complete]), categories[complete], picked, before, ridge)
    shares = _count(lesions, complete, categories) + strength * _assessed_shares(base)
    shares /= shares.sum(axis=1, keepdims=True)
    parts = zip(GIVEN, np.split(points, _ENDS), strict=True)
    named = {n: dict(zip(TERMS[n], _round(part), strict=True)) for n, part in parts}
    return {"points": named, "cuts": _fit_cuts(named, points, prior, shares)}


def _assessed_shares(prior: Prior) -> Floats:
    """Return P(category | pathology) (2, 6) of the prior's lesions, contradictions left out."""
    joint = multiply(tables(prior), ("pathology", "birads"))
    own = joint[: len(LESIONS), -len(CATEGORIES) :]
    return np.asarray(own / own.sum(axis=1, keepdims=True), np.float64)


def _round(values: Floats) -> list[float]:
    return [round(float(value), 3) for value in values]


def _states(lesions: Lesions) -> tuple[Indices, Indices]:
    """Return the states (N, descriptors) and categories (N,) of lesions, -1 where not stated."""
    columns = []
    for name in (*GIVEN, "birads"):
        known = lesions.patterns["margin" if name == "edge" else name][lesions.pattern]
        state = np.where(known.sum(1) == 1, known.argmax(1), -1)
        columns.append(np.append(EDGE_OF, [-1, -1])[state] if name == "edge" else state)
    first = TERMS["birads"].index(CATEGORIES[0])
    return np.column_stack(columns[:-1]), np.maximum(columns[-1] - first, -1)


def _columns(seen: Indices) -> Floats:
    """Return one column a term (N, terms) of all descriptors; edges count all milder ones too."""
    pairs = zip(GIVEN, seen.T, strict=True)
    coded = {name: np.eye(len(TERMS[name])) for name in GIVEN} | {"edge": np.tri(len(EDGES))}
    return np.column_stack([coded[name][state] for name, state in pairs])


def _fit_points(
    columns: Floats, categories: Indices, lesions: Lesions, before: Floats, ridge: float
) -> Floats:
    """Return the points (terms,) of the likeliest proportional odds, held to those `before`."""
    before = before.copy()
    before[_EDGES] = np.diff(before[_EDGES], prepend=0.0)
    malignant, weight = lesions.pathology == 1, lesions.weight

    def loss(values: Floats) -> tuple[float, Floats]:
        steps, offset, points = np.exp(values[1:_CUTS]), values[_CUTS], values[_CUTS + _OFFSET :]
        cuts = values[0] + np.concatenate([[0.0], np.cumsum(steps)])
        total, gap = columns @ points + offset * malignant, points - before
        high = expit(np.append(cuts, REACH)[categories] - total)
        low = expit(np.append(-REACH, cuts)[categories] - total)
        share = np.maximum(high - low, 1e-12)
        value = -(weight * np.log(share)).sum() + ridge * (gap @ gap + offset**2)
        by_high = -weight * high * (1 - high) / share  # derivatives by both ends
        by_low = weight * low * (1 - low) / share
        ends = np.bincount(categories + 1, by_high, _CUTS + 2)
        inner = (ends + np.bincount(categories, by_low, _CUTS + 2))[1:-1]
        by_total = -(by_high + by_low)
        by_offset = by_total @ malignant + 2 * ridge * offset
        by_points = columns.T @ by_total + 2 * ridge * gap
        tails = np.cumsum(inner[::-1])[::-1]
        return value, np.concatenate([[tails[0]], tails[1:] * steps, [by_offset], by_points])

    start = np.concatenate([[-2.0], np.zeros(_CUTS), before])
    bounds = np.full((len(start), 2), (-np.inf, np.inf))
    bounds[_CUTS + _OFFSET :][_EDGES, 0] = 0.0  # a more suspicious edge has no fewer points
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    points = found[_CUTS + _OFFSET :]
    points[_EDGES] = np.cumsum(points[_EDGES])
    return np.asarray(points, np.float64)


def _count(lesions: Lesions, complete: Bools, categories: Indices) -> Floats:
    """Return how many lesions (2, 6) each class has of every category.

    What does not divide 4 counts as those do that divide it.
    """
    states = lesions.patterns["birads"][lesions.pattern][:, -len(CATEGORIES) :]
    found = []
    for place in range(len(LESIONS)):
        mine = lesions.pathology == place
        own = np.bincount(categories[mine & complete], minlength=len(CATEGORIES)) + SMOOTHING
        admissible = states[mine] * own
        told = (states[mine].sum(1) < len(CATEGORIES)) * lesions.weight[mine]
        each = admissible / np.maximum(admissible.sum(1, keepdims=True), 1e-12)
        found.append(told @ each + SMOOTHING)
    return np.array(found)


def _fit_cuts(
    named: dict[str, Any], points: Floats, prior: Prior, shares: Floats
) -> dict[str, list[float]]:
    """Return the cuts at which believable lesions have `shares` (2, 6) of the categories."""
    factors = [node_factor(node) for node in prior.nodes if node.name != "birads"]
    joint = multiply(factors, ("pathology", *GIVEN))
    lesions = joint[: len(LESIONS), *(slice(len(TERMS[name])) for name in GIVEN)]
    total = np.zeros([1] * len(GIVEN))
    for place, part in enumerate(np.split(points, _ENDS)):
        total = total + part.reshape([-1 if i == place else 1 for i in range(len(GIVEN))])
    record, asked, cuts = copy.deepcopy(prior.record), shares, dict[str, list[float]]()
    for _ in range(ROUNDS):
        rows = zip(LESIONS, lesions.reshape(len(LESIONS), -1), asked, strict=True)
        cuts = {name: _cut(weight, total.ravel(), goal) for name, weight, goal in rows}
        record["discrete"]["birads"] |= {"points": named, "cuts": cuts}
        got = _assessed_shares(make_prior(record))
        asked = asked * np.divide(shares, got, where=got > 0, out=np.ones_like(got))
        asked = asked / asked.sum(axis=1, keepdims=True)
    return cuts


def _cut(weight: Floats, points: Floats, shares: Floats) -> list[float]:
    """Return the cuts (5,) at which lesions of such points, weighted, have the shares (6,)."""
    kept = weight > 0
    weight, at = weight[kept] / weight.sum(), points[kept]
    goals = np.cumsum(shares)[:-1]
    found = [brentq(lambda cut, g=g: weight @ expit(cut - at) - g, -REACH, REACH) for g in goals]
    rising = np.maximum.accumulate(np.array(found) + 1e-3 * np.arange(_CUTS))
    return _round(rising)
