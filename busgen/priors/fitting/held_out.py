"""Held-out likelihood: how well priors foresee lesions that they were not fitted to.

In: priors by name, `Lesions` of other patients. Out: nats a lesion, given its pathology, terms that
a row does not state marginalised; differences with paired intervals over patients.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from busgen.arrays import Floats
from busgen.priors.fitting.em import infer
from busgen.priors.fitting.kernel import log_density
from busgen.priors.fitting.lesions import ASPECT, TOLD, Lesions
from busgen.priors.network import TERMS, Prior, count_states
from busgen.stats.patients import interval, mean_score

RESAMPLES, LEVEL = 1000, 0.95
DIGITS = 5
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
        asked = (lesions.dataset == name) | (name == "all")
        mine = asked & possible
        if not mine.any():
            continue
        gains = {n: found[first].total[mine] - found[n].total[mine] for n in found if n != first}
        out[name] = {
            "n": int(mine.sum()),
            "patients": len(set(lesions.patient[mine].tolist())),
            "impossible": {n: int((asked & ~np.isfinite(i.total)).sum()) for n, i in found.items()},
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
    normals = infer(prior, strip_terms(lesions), count=False).total
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


def strip_terms(lesions: Lesions) -> Lesions:
    """Return lesions of which nothing is stated but what follows from the box: orientation."""
    patterns = {name: np.ones((2, count_states(name, TERMS[name]))) for name in TOLD}
    patterns["orientation"] = np.eye(2, 3)
    return replace(
        lesions, patterns=patterns, pattern=(lesions.boxes[:, ASPECT] < 0).astype(np.intp)
    )
