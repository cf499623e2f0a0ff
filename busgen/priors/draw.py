"""Draws findings from a prior under a request: by quotas, and counterfactual families of them.

In: `Prior`, `Request`, root seed. Out: `Finding`s; finding *k* depends on (root seed, *k*) only. A
family is one finding with every term of one field, of a margin one with each term alone. Members
share seed, sizes, all other terms and the phrasing of the text, so that only the words for the
field differ. One may be what the prior never draws (an anechoic carcinoma): that is what a
counterfactual is.

Quotas say how many findings have certain terms: counts such as ``{"pathology.malignant": 100,
"pathology.benign,shape.oval": 40}`` become one request for each stratum and for the rest, and the
stratum of every finding, which follows from the root seed, so shards need not know of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from busgen import schema, seeds
from busgen.arrays import Floats, Indices
from busgen.errors import FindingError, UserError
from busgen.priors import boxes
from busgen.priors.conditions import DISCRETE, Condition, check_term
from busgen.priors.findings import FIELDS, Finding
from busgen.priors.network import LESION_NODES, MARGIN_SETS, Prior
from busgen.priors.plan import ORDER, Plan, make_plan
from busgen.priors.request import Request
from busgen.priors.text.lexicon import TERMS, to_text

States = dict[str, Indices]
Stratum = tuple[Request, int]  # what its findings meet, how many they are
_ANY = Request()
_UNIFORMS = len(ORDER) + 4  # numbers that a finding is drawn with, before its text
_HALO = {"no": False, "yes": True}


def draw(
    prior: Prior, n: int, seed: int, *, request: Request = _ANY, size_px: int = 256, start: int = 0
) -> list[Finding]:
    """Draw findings number `start` to `start + n - 1` of the root `seed`.

    `prior`, `request`: what to draw from, and what every finding meets; `n`, `start`: how many, and
    the first one's number; finding *k* is the same in any slice; `seed`: root seed in [0, 2**63);
    `size_px`: side of the square images in pixels; sets `pixel_mm`. Raises `FindingError` if
    nothing in the prior meets the request, with the reason.
    """
    if n < 0 or start < 0:
        raise UserError("n and start must not be negative", (n, start), "give counts")
    if n == 0:
        return []
    plan = make_plan(prior, request)
    own = [seeds.sample_seed(seed, k) for k in range(start, start + n)]
    generators = [seeds.rng(value, "finding") for value in own]
    u = np.array([generator.random(_UNIFORMS) for generator in generators])
    drawn = _states(plan, u)
    lesion = drawn["pathology"] < 2
    sizes = np.full((n, 4), np.nan)  # width_mm, height_mm, center_x, center_y
    if lesion.any():
        state = tuple(drawn[axis][lesion] for axis in boxes.AXES)
        index = np.ravel_multi_index(state, plan.boxes.shape)
        sizes[lesion] = boxes.draw(plan.boxes, index, u[:, len(ORDER) :][lesion])
    ids = [f"{seed}-{k:07d}" for k in range(start, start + n)]
    findings = []
    rows = zip(ids, own, ids, *_columns(prior, drawn, sizes, size_px), strict=True)
    for row, generator in zip(rows, generators, strict=True):
        values: dict[str, Any] = dict(zip(FIELDS, row, strict=False))
        findings.append(Finding(**values, text=to_text(values, generator)))
    return findings


def _states(plan: Plan, u: Floats) -> States:
    """Return each variable's state (N,) by inversion of its conditional distribution."""
    drawn: States = {}
    for column, name in enumerate(ORDER):
        factor = plan.conditionals[name]
        rows = factor.table[tuple(drawn[axis] for axis in factor.axes[:-1])]
        ends = np.cumsum(np.broadcast_to(rows, (len(u), factor.table.shape[-1])), 1)
        goal = u[:, column] * ends[:, -1]
        drawn[name] = (ends <= goal[:, None]).sum(1)
    return drawn


def _columns(prior: Prior, drawn: States, sizes: Floats, size_px: int) -> list[list[object]]:
    """Return the finding's fields from pathology to scanner, each a list over the findings."""

    def terms(name: str) -> list[object]:
        values: list[object] = list(prior.terms(name))
        if name == "halo":
            values = [False, True]
        if name == "margin":
            values = list(MARGIN_SETS)
        if name in LESION_NODES:
            values.append(None)
        return [values[state] for state in drawn[name].tolist()]

    numbers = [[None if np.isnan(x) else x for x in column] for column in sizes.T.tolist()]
    pixels = (np.array(prior.fields_mm) / size_px)[drawn["field_mm"]].tolist()
    first = ("pathology", "birads", "tissue", "shape", "orientation", "margin", "echo_pattern")
    names = (*first, "posterior", "halo", "calcification")
    return [*(terms(name) for name in names), *numbers, pixels, terms("scanner")]


def select_terms(field: str, request: Request) -> tuple[str, ...]:
    """Return the terms of `field` that the request admits, in the lexicon's order.

    Conditions on the field itself choose the family's terms: `posterior=none|shadowing` makes
    pairs. Every sample meets all conditions.

    `field`: one of `busgen.schema.VARIED`; `request`: what every finding meets. Raises
    `FindingError` if the field is none of those, fewer than two terms are left, the request gives
    its terms shares (a family has each once), or asks for no lesion where the field is a lesion's.
    """
    if field not in schema.VARIED:
        known = ", ".join(schema.VARIED)
        raise FindingError("vary must be a field that may vary", field, f"one of {known}")
    if any(target.field == field for target in request.targets):
        rule = f"shares of {field} must not be asked for where it varies: each has every term once"
        raise FindingError(rule, f"target {field}", f"drop the target or vary={field}")
    if field != "tissue" and _admitted("pathology", request) == ("normal",):
        rule = f"{field} is a lesion's: it must have lesions to vary among"
        raise FindingError(rule, "pathology=normal", "vary tissue, or ask for lesions")
    terms = _admitted(field, request)
    if len(terms) < 2:
        got = f"{field}={'|'.join(terms) or 'nothing'}"
        remedy = f"drop the condition, or leave two, e.g. {field}={'|'.join(TERMS[field][:2])}"
        raise FindingError(f"conditions and text must leave {field} two terms to vary", got, remedy)
    return terms


def _admitted(field: str, request: Request) -> tuple[str, ...]:
    """Return the terms of `field` that all conditions on it admit."""
    requested = [condition for condition in request.where if condition.field == field]
    return tuple(
        term
        for term in TERMS[field]
        if all((term in c.terms) == (c.op != "excludes") for c in requested)
    )


def make_members(finding: Finding, field: str, terms: tuple[str, ...]) -> list[Finding]:
    """Return the family of a finding: itself with each of `terms` in `field`.

    `finding`: as drawn: its `seed` is the one that it was drawn from; `field`, `terms`: what
    varies, and the terms it takes, as `select_terms` returns them.

    `sample_id` is the drawn finding's with the term behind it, `family_id` and all else the
    drawn finding's. A finding without the field (normal) is a family of its own.
    """
    if getattr(finding, field) is None:
        return [finding]
    members = []
    for term in terms:
        value = {"halo": _HALO.get(term), "margin": (term,)}.get(field, term)
        values = vars(finding) | {field: value, "sample_id": f"{finding.sample_id}-{term}"}
        member = Finding(**values)
        members.append(replace(member, text=restate(member)))
    return members


def restate(finding: Finding) -> str:
    """Return the text of a finding anew, by its fields and the seed that it was drawn from."""
    generator = seeds.rng(finding.seed, "finding")
    generator.random(_UNIFORMS)  # as drawing left it to the text
    return to_text(vars(finding), generator)


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
        if field not in DISCRETE:
            rule = "a count's field must be known"
            raise FindingError(rule, repr(field), f"choose from {', '.join(DISCRETE)}")
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
