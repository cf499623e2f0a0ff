"""Exact quotas: how many findings have certain terms, and which ones they are.

In: a request, counts such as ``{"pathology.malignant": 100, "pathology.benign,shape.oval": 40}``.
Out: one request for each stratum and for the rest, and the stratum of every finding. Which findings
they are follows from the root seed, so shards need not know of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations

import numpy as np

from busgen import seeds
from busgen.arrays import Indices
from busgen.errors import FindingError
from busgen.priors.conditions import Condition, check_term
from busgen.priors.network import Prior
from busgen.priors.plan import make_plan
from busgen.priors.request import Request

Stratum = tuple[Request, int]  # what its findings meet, how many they are


def strata(
    prior: Prior, request: Request, counts: Mapping[str, int], n: int
) -> tuple[Stratum, ...]:
    """Return the strata of `n` findings: one for each of `counts`, and one of the rest if any.

    Findings of the rest are in no stratum. Raises `FindingError` if strata overlap, are more than
    `n` findings together, or the prior has none of one's.
    """
    return _strata(prior, request, tuple(sorted(counts.items())), n) if counts else ((request, n),)


@lru_cache(maxsize=4)
def _strata(
    prior: Prior, request: Request, counts: tuple[tuple[str, int], ...], n: int
) -> tuple[Stratum, ...]:
    asked = {key: _conditions(key) for key, _ in counts}
    rest = n - sum(count for _, count in counts)
    if rest < 0:
        rule = "counts must be at most n findings together"
        raise FindingError(rule, f"{n - rest} of {n}", "raise --n, or ask for fewer")
    for (first, one), (second, other) in combinations(asked.items(), 2):
        if _meets(prior, replace(request, where=(*request.where, *one, *other))):
            rule = "counts must be of strata that exclude each other"
            raise FindingError(rule, f"{first} and {second}", "cross them, as in a.b,c.d=40")
    found = [(replace(request, where=(*request.where, *asked[key])), own) for key, own in counts]
    for own, _ in found:
        make_plan(prior, own)
    if not rest:
        return tuple(found)
    others = replace(request, without=tuple(asked.values()))
    if not _meets(prior, others):
        rule = "counts that leave no other finding must be n together"
        raise FindingError(rule, f"{n - rest} of {n}", "raise them, or lower --n")
    return (*found, (others, rest))


@lru_cache(maxsize=4)
def shuffle(sizes: Sequence[int], seed: int) -> Indices:
    """Return the number of the stratum (N,) of each finding; `sizes` (strata,) add up to N."""
    numbers = np.repeat(np.arange(len(sizes), dtype=np.intp), sizes)
    return np.asarray(seeds.rng(seed, "quotas").permutation(numbers), np.intp)


def _conditions(key: str) -> tuple[Condition, ...]:
    """Return the conditions of a stratum, ``field.term`` joined by commas."""
    found = []
    for part in key.split(","):
        field, dot, term = part.strip().partition(".")
        if not dot:
            raise FindingError(
                "a count must be of field.term", repr(part), "pathology.malignant=100"
            )
        op = "includes" if field == "margin" else "in"
        found.append(Condition(field, op, (check_term(field, term),)))
    return tuple(found)


def _meets(prior: Prior, request: Request) -> bool:
    """Return whether the prior has any finding that meets a request."""
    try:
        make_plan(prior, request)
    except FindingError:
        return False
    return True
