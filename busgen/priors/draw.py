"""Draws findings from a prior under a request, and counterfactual families of them.

In: `Prior`, `Request`, root seed. Out: `Finding`s; finding *k* depends on (root seed, *k*) only. A
family is one finding with every term of one field, of a margin one with each term alone. Members
share seed, sizes, all other terms and the phrasing of the text, so that only the words for the
field differ. One may be what the prior never draws (an anechoic carcinoma): that is what a
counterfactual is.
"""

from typing import Any

import numpy as np

from busgen import schema, seeds
from busgen.arrays import Bools, Floats, Indices
from busgen.errors import FindingError, UserError
from busgen.priors import boxes
from busgen.priors.findings import FIELDS, Finding
from busgen.priors.network import LESION_NODES, MARGIN_SETS, Prior
from busgen.priors.plan import ORDER, Plan, make_plan
from busgen.priors.request import Request
from busgen.priors.text.lexicon import TERMS
from busgen.priors.text.words import to_text

States = dict[str, Indices]
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
        index = _row_index(plan.boxes, drawn, lesion)
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


def _row_index(plan_boxes: boxes.Boxes, drawn: States, lesion: Bools) -> Indices:
    """Return the row of `Boxes` for each lesion."""
    state = tuple(drawn[axis][lesion] for axis in boxes.AXES)
    return np.ravel_multi_index(state, plan_boxes.shape)


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
        generator = seeds.rng(finding.seed, "finding")
        generator.random(_UNIFORMS)  # as the drawn finding left it to its text
        members.append(Finding(**values | {"text": to_text(values, generator)}))
    return members
