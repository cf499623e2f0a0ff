"""What is asked for: the findings of sample numbers, with their families where a field varies.

In: a plan with its prior and request, sample numbers, the attempt. Out: findings; those of one
sample do not depend on the others. And the check that a family shares its mask.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from busgen.errors import DataError
from busgen.factory.plan import Plan
from busgen.priors.draw import draw
from busgen.priors.families import make_members, select_terms
from busgen.priors.findings import Finding
from busgen.priors.network import Prior
from busgen.priors.request import Request
from busgen.seeds import sample_seed


def draw_findings(
    plan: Plan, prior: Prior, asked: Request, samples: tuple[int, ...], attempt: int
) -> list[Finding]:
    """Return the findings of `samples`: the same for every attempt, but for the seed.

    Under `vary`, those of each one's family, one after the other.
    """
    request = plan.request
    once = [
        finding
        for start, count in find_runs(samples)
        for finding in draw(
            prior, count, request.seed, request=asked, size_px=request.size_px, start=start
        )
    ]
    terms = select_terms(request.vary, asked) if request.vary else ()
    return [
        replace(member, seed=sample_seed(request.seed, sample, attempt))
        for sample, finding in zip(samples, once, strict=True)
        for member in (make_members(finding, request.vary, terms) if request.vary else [finding])
    ]


def find_runs(samples: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield (start, count) of each run of consecutive numbers in sorted `samples`."""
    cuts = [0, *(np.flatnonzero(np.diff(samples) != 1) + 1).tolist(), len(samples)]
    for first, last in pairwise(cuts):
        yield samples[first], last - first


def require_shared_masks(findings: Sequence[Finding], masks: NDArray[np.uint8]) -> None:
    """Raise `DataError` if neighbours of one family have different masks (N, H, W)."""
    for (one, other), (first, second) in zip(pairwise(findings), pairwise(masks), strict=True):
        if one.family_id == other.family_id and not np.array_equal(first, second):
            rule = "a family must share its mask: the mask engine must not draw by what varies"
            got = f"{one.sample_id} and {other.sample_id} differ"
            raise DataError(rule, got, "vary another field, or choose another mask engine")
