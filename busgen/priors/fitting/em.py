"""Expectation-maximisation over the network: what rows leave open is summed out exactly.

In: `Prior`, `Lesions`. Out: the log-likelihood of every row with missing terms marginalised, and
the expected counts of every table (Dempster, Laird & Rubin 1977,
doi:10.1111/j.2517-6161.1977.tb01600.x). Shape is the only term that a box depends on and that may
be unknown where there is one, so patterns of evidence are worked out once for each shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from busgen import schema
from busgen.arrays import Floats
from busgen.priors.fitting.lesions import (
    AREA,
    ASPECT,
    HEIGHT,
    TOLD,
    Lesions,
    X,
    Y,
    aspect_span,
    place_span,
)
from busgen.priors.joint import Factor, eliminate, multiply
from busgen.priors.network import TERMS, VIEWS, Node, Prior
from busgen.priors.plan import node_factor
from busgen.priors.sizes import LESIONS, Sizes, log_density

# real tables name devices, not styles; the assessment follows what is seen
LEARNT = tuple(name for name in TERMS if name not in ("scanner", "birads"))
_ROW = "a row"  # the axis over patterns of evidence
_KNOWN = (_ROW, "pathology", "shape")
_ORDER = (*_KNOWN, *(name for name in LEARNT if name not in _KNOWN))


@dataclass(frozen=True, eq=False)
class _Inference:
    """What a prior makes of lesions.

    `terms` (N,) log P(stated terms | pathology); `total` (N,) the box's log density included;
    `shapes` (N, shapes) P(shape | row), 0 without a lesion; `counts` expected weight of every
    cell of every table.
    """

    terms: Floats
    total: Floats
    shapes: Floats
    counts: dict[str, Floats]


def infer(
    prior: Prior, lesions: Lesions, *, count: bool = True, inferred: bool = True
) -> _Inference:
    """Return the likelihood of `lesions` under `prior`, and expected counts if `count`.

    -inf: the prior excludes the row, which then counts nowhere. Unless `inferred`, a row counts in
    a term's table only where it states something of that term; of its parents it need not.
    """
    factors = [node_factor(node) for node in prior.nodes if node.name in LEARNT]
    factors += [Factor((_ROW, n), lesions.patterns[n]) for n in TOLD if n in LEARNT]
    conditionals, evidence = eliminate(factors, _ORDER)
    first = [conditionals[name] for name in _KNOWN]
    messages = multiply(first, _KNOWN) * evidence
    own = messages[lesions.pattern, lesions.pathology]  # (N, shapes and null)
    share = prior.node("pathology").table[lesions.pathology]
    real = len(schema.SHAPES)
    with np.errstate(divide="ignore", over="ignore"):
        terms = np.log(own.sum(1) / share)
        boxes = _log_places(prior.sizes, lesions).sum(1)
        aspects = np.zeros_like(own)
        aspects[:, :real] = np.exp(_log_aspects(prior.sizes, lesions))
        aspects[:, real] = 1.0
        weighed = own * aspects
        total = np.log(weighed.sum(1) / share) + boxes
    sums = weighed.sum(1, keepdims=True)
    shapes = np.divide(weighed, sums, out=np.zeros_like(weighed), where=sums > 0)
    counts = _counts(prior, conditionals, lesions, shapes, inferred) if count else {}
    return _Inference(terms, total, shapes[:, :real], counts)


def _counts(
    prior: Prior, conditionals: dict[str, Factor], lesions: Lesions, shapes: Floats, inferred: bool
) -> dict[str, Floats]:
    """Return the expected weight of each table's cells, given the rows' shapes."""
    size = (len(lesions.patterns["shape"]), *conditionals["shape"].table.shape[1:])
    counts = {}
    for node in prior.nodes:
        if node.name not in LEARNT:
            continue
        stated = np.ones(len(lesions))  # whether a row states something of the node
        if not inferred and node.name not in ("pathology", "appearance"):
            name = "margin" if node.name == "edge" else node.name
            stated = (lesions.patterns[name].sum(1) < len(TERMS[name])).astype(np.float64)
            stated = stated[lesions.pattern]
        table = np.zeros(size)
        weights = (lesions.weight * stated)[:, None] * shapes
        np.add.at(table, (lesions.pattern, lesions.pathology), weights)
        axes = tuple(VIEWS[p].node if p in VIEWS else p for p in node.given)
        family = (*axes, node.name)
        used = [conditionals[name] for name in _ancestors(conditionals, family)]
        counts[node.name] = _fold(node, multiply([Factor(_KNOWN, table), *used], family))
    return counts


def _ancestors(conditionals: dict[str, Factor], names: Sequence[str]) -> list[str]:
    """Return `names` and all that their conditional tables depend on, but for what is known."""
    found, left = set[str](), set(names)
    while left:
        name = left.pop()
        found.add(name)
        left |= set(conditionals[name].axes) - found
    return [name for name in _ORDER if name in found - set(_KNOWN)]


def _fold(node: Node, table: Floats) -> Floats:
    """Return counts over a node's parents proper, summed to the views that it is given."""
    for place, parent in enumerate(node.given):
        if parent in VIEWS:
            moved = np.moveaxis(table, place, 0)
            states = len(VIEWS[parent].terms) + 1
            out = np.zeros((states, *moved.shape[1:]))
            np.add.at(out, np.array(VIEWS[parent].index), moved)
            table = np.moveaxis(out, 0, place)
    return table


def _log_places(sizes: Sizes, lesions: Lesions) -> Floats:
    """Return the log density (N, 3) of log area, x and y; 0 where unknown."""
    boxes, p = lesions.boxes, np.minimum(lesions.pathology, len(LESIONS) - 1)
    total = np.zeros((len(lesions), 3))
    mean, sd, start, stop = sizes.area[p].T
    total[:, 0] = log_density(boxes[:, AREA], (start, stop), mean, sd)
    low, high = place_span(sizes, boxes)
    for axis, column in ((0, X), (1, Y)):
        mean, per_height, sd = sizes.center[p, axis].T
        mean = mean + per_height * boxes[:, HEIGHT]
        ends = low[:, axis], high[:, axis]
        total[:, 1 + axis] = log_density(boxes[:, column], ends, mean, sd)
    return np.where(np.isnan(boxes[:, [AREA, X, Y]]), 0.0, total)


def _log_aspects(sizes: Sizes, lesions: Lesions) -> Floats:
    """Return the log density (N, shapes) of log aspect given orientation and each shape."""
    boxes, p = lesions.boxes, np.minimum(lesions.pathology, len(LESIONS) - 1)
    tall = (boxes[:, ASPECT] < 0).astype(np.intp)
    mean, sd = np.moveaxis(sizes.aspect[p, :, tall, :2], -1, 0)
    ends = aspect_span(sizes, lesions.pathology, boxes)
    logs = log_density(boxes[:, [ASPECT]] + np.zeros(len(schema.SHAPES)), ends, mean, sd)
    return np.where(lesions.has_box[:, None], logs, 0.0)
