"""Held-out likelihood: how well priors foresee lesions that they were not fitted to.

In: priors by name, `Lesions` of other patients. Out: nats a lesion, given its pathology, terms that
a row does not state marginalised; differences with paired intervals over patients. Boxes are held
against kernel densities too: Gaussian kernels on log area, log aspect and the logit of the depth's
share of the room that the frame leaves, jointly, and on the same logit from left to right; so
nothing leaks out of the frame. Bandwidths by Scott's rule (1992, doi:10.1002/9780470316849) times
a factor.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import logsumexp

from busgen.arrays import Floats
from busgen.errors import DataError
from busgen.priors.fitting.em import infer
from busgen.priors.fitting.lesions import AREA, ASPECT, TOLD, Lesions, X, Y, place_span
from busgen.priors.network import TERMS, Prior, count_states
from busgen.priors.sizes import LESIONS, Sizes, probability
from busgen.stats.patients import interval, mean_score

RESAMPLES, LEVEL = 1000, 0.95
DIGITS = 5
_EDGE = 1e-3  # a share of the room nearer to its ends counts as this
FACTORS = (0.75, 1.0, 1.25, 1.5)  # of Scott's bandwidth, the best is the kernel's figure


def compare(
    priors: Mapping[str, Prior], lesions: Lesions, rng: np.random.Generator
) -> dict[str, Any]:
    """Return how much likelier the first of `priors` finds `lesions` than each other one.

    Lesions that any of them excludes are left out of all and counted in `impossible`.

    Returns ``{"all" | dataset: {"n", "patients", "impossible": {prior: n}, "nats": {prior: total},
    "terms": {prior: nats of the stated terms alone}, "gain": {prior: {"value", "interval",
    "terms"}}}}``; `gain` is the first prior's total minus that prior's.
    """
    lesions = lesions.pick(lesions.pathology < 2)
    found = {name: infer(prior, lesions, count=False) for name, prior in priors.items()}
    possible = np.all([np.isfinite(one.total) for one in found.values()], 0)
    first = next(iter(priors))
    out: dict[str, Any] = {}
    for name in ("all", *sorted(set(lesions.dataset.tolist()))):
        request = (lesions.dataset == name) | (name == "all")
        mine = request & possible
        if not mine.any():
            continue
        gains = {n: found[first].total[mine] - found[n].total[mine] for n in found if n != first}
        out[name] = {
            "n": int(mine.sum()),
            "patients": len(set(lesions.patient[mine].tolist())),
            "impossible": {
                n: int((request & ~np.isfinite(i.total)).sum()) for n, i in found.items()
            },
            "nats": {n: _mean(one.total[mine]) for n, one in found.items()},
            "terms": {n: _mean(one.terms[mine]) for n, one in found.items()},
            "gain": {
                n: {
                    "value": _mean(gain),
                    "interval": interval(mean_score(gain), lesions.patient[mine], rng),
                    "terms": _mean(found[first].terms[mine] - found[n].terms[mine]),
                }
                for n, gain in gains.items()
            },
        }
    return out


def _mean(values: Floats) -> float:
    return round(float(values.mean()), DIGITS)


def compare_boxes(
    prior: Prior, train: Lesions, lesions: Lesions, rng: np.random.Generator
) -> dict[str, Any]:
    """Return how well boxes given their class alone are foreseen, by the prior and by kernels.

    Returns ``{"n", "patients", "parametric", "kernel", "factor", "by_factor", "gain": {"value",
    "interval"}, "chosen"}``: nats a box; `gain` is the kernel's over the parametric density.
    Kernels would be chosen only where the interval of their gain is above 0.
    """
    lesions = lesions.pick(lesions.has_box)
    normals = infer(prior, _strip_terms(lesions), count=False).total
    by_factor = {f: log_density(train, lesions, prior.sizes, f) for f in FACTORS}
    factor = max(by_factor, key=lambda f: float(by_factor[f].mean()))
    gain = by_factor[factor] - normals
    ends = interval(mean_score(gain), lesions.patient, rng)
    return {
        "n": len(lesions),
        "patients": len(set(lesions.patient.tolist())),
        "parametric": _mean(normals),
        "kernel": _mean(by_factor[factor]),
        "factor": factor,
        "by_factor": {f"{f:g}": _mean(values) for f, values in by_factor.items()},
        "gain": {"value": _mean(gain), "interval": ends},
        "chosen": "kernel" if ends[0] > 0 else "parametric",
    }


def _strip_terms(lesions: Lesions) -> Lesions:
    """Return lesions of which nothing is stated but what follows from the box: orientation."""
    patterns = {name: np.ones((2, count_states(name, TERMS[name]))) for name in TOLD}
    patterns["orientation"] = np.eye(2, 3)
    return replace(
        lesions, patterns=patterns, pattern=(lesions.boxes[:, ASPECT] < 0).astype(np.intp)
    )


def _log_kernels(
    at: Floats,
    points: Floats,
    weights: Floats,
    bandwidth: Floats,
    ends: tuple[float, float] = (-np.inf, np.inf),
) -> Floats:
    """Return the log density (N,) at (N, D) of Gaussian kernels on `points` (M, D), weighted (M,).

    `bandwidth` (D,) is of each dimension; the first one is cut to `ends`.
    """
    z = (at[:, None] - points) / bandwidth
    logs = -0.5 * (z**2).sum(-1) - np.log(bandwidth * np.sqrt(2 * np.pi)).sum()
    first, width = points[:, 0], np.full(len(points), bandwidth[0])
    low, high = (np.full_like(first, end) for end in ends)
    logs -= np.log(probability(low, high, first, width))
    return np.asarray(logsumexp(logs, axis=1, b=weights / weights.sum()), np.float64)


def _bandwidth(points: Floats, weights: Floats, factor: float) -> Floats:
    """Return Scott's bandwidths times a factor; `DataError` for fewer than two points."""
    if len(points) < 2:
        raise DataError("a kernel density must have 2 boxes of each class", len(points), "add data")
    spread = np.sqrt(np.atleast_2d(np.cov(points.T, aweights=weights)).diagonal())
    scott = weights.sum() ** (-1 / (points.shape[1] + 4))
    return np.asarray(factor * scott * spread, np.float64)


def log_density(train: Lesions, held_out: Lesions, sizes: Sizes, factor: float = 1.0) -> Floats:
    """Return the log density (N,) of the boxes of `held_out` given their class.

    With respect to log area fraction, log aspect, x and y, as the prior's; 0 without a box.
    """
    total = np.zeros(len(held_out))
    for p in range(len(LESIONS)):
        own = train.pick(train.has_box & (train.pathology == p))
        mine = held_out.has_box & (held_out.pathology == p)
        other = held_out.pick(mine)
        (shape, x, _), (at, at_x, slope) = (_measure(sizes, some) for some in (own, other))
        ends = float(sizes.area[p, 2]), float(sizes.area[p, 3])
        width = _bandwidth(shape, own.weight, factor)
        logs = _log_kernels(at, shape, own.weight, width, ends) + slope[:, 1]
        known, request = ~np.isnan(x), ~np.isnan(at_x)
        points, weights = x[known, None], own.weight[known]
        width = _bandwidth(points, weights, factor)
        logs[request] += (
            _log_kernels(at_x[request, None], points, weights, width) + slope[request, 0]
        )
        total[mine] = logs
    return total


def _measure(sizes: Sizes, lesions: Lesions) -> tuple[Floats, Floats, Floats]:
    """Return (N, 3) log area, log aspect, logit y; (N,) logit x; (N, 2) their log Jacobians."""
    low, high = place_span(sizes, lesions.boxes)
    room = np.maximum(high - low, _EDGE)
    share = np.clip((lesions.boxes[:, [X, Y]] - low) / room, _EDGE, 1 - _EDGE)
    logit = np.log(share / (1 - share))
    slope = -np.log(share * (1 - share) * room)
    return np.column_stack([lesions.boxes[:, [AREA, ASPECT]], logit[:, 1]]), logit[:, 0], slope
