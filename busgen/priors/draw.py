"""Draws findings from a prior under a request.

In: `Prior`, `Request`, root seed. Out: `Finding`s; finding *k* depends on (root seed, *k*) only.
"""

from typing import Any

import numpy as np

from busgen import seeds
from busgen.arrays import Bools, Floats, Indices
from busgen.errors import UserError
from busgen.priors import boxes
from busgen.priors.findings import FIELDS, Finding
from busgen.priors.network import LESION_NODES, MARGIN_SETS, Prior
from busgen.priors.plan import ORDER, Plan, make_plan
from busgen.priors.request import Request
from busgen.priors.text.words import to_text

States = dict[str, Indices]
_ANY = Request()
_UNIFORMS = len(ORDER) + 4  # numbers that a finding is drawn with, before its text


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


def text_generator(seed: int) -> np.random.Generator:
    """Return the generator as the finding drawn from `seed` left it to its text."""
    generator = seeds.rng(seed, "finding")
    generator.random(_UNIFORMS)
    return generator


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
