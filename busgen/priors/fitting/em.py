"""Expectation-maximisation over network and boxes: what rows leave open is summed out exactly.

In: `Prior`, `Lesions`. Out: the log-likelihood of every row with missing terms marginalised, the
expected counts of every table, and `Sizes`' truncated normals fitted to boxes; a base's own density
counts as pseudo-lesions beside the real ones (Dempster, Laird & Rubin 1977,
doi:10.1111/j.2517-6161.1977.tb01600.x). Shape is the only term that a box depends on and that may
be unknown where there is one, so patterns of evidence are worked out once for each shape.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

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
from busgen.priors.sizes import LESIONS, Sizes, log_density, make_sizes, quantile

# real tables name devices, not styles; the assessment follows what is seen
LEARNT = tuple(name for name in TERMS if name not in ("scanner", "birads"))
_ROW = "a row"  # the axis over patterns of evidence
_KNOWN = (_ROW, "pathology", "shape")
_ORDER = (*_KNOWN, *(name for name in LEARNT if name not in _KNOWN))
DIGITS, LEAST = 6, 1e-4  # a share of a lesion that is too small to fit to
_LEVELS, _HEIGHTS = 40, 5
# Values of one truncated normal are five rows (5, N): x, low, high, weight, and the box height that
# the mean may grow with.


class _Inference(NamedTuple):
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


def fit_places(record: dict[str, Any], lesions: Lesions, strength: float) -> dict[str, Any]:
    """Return the JSON's ``sizes`` with area and place fitted to `lesions`.

    `strength`: weight of the record's own densities, in lesions.
    """
    record = copy.deepcopy(record)
    sizes = make_sizes(record)
    low, high = place_span(sizes, lesions.boxes)
    for p, name in enumerate(LESIONS):
        mine = lesions.has_box & (lesions.pathology == p)
        boxes, weight = lesions.boxes[mine], lesions.weight[mine]
        still, heights = np.zeros(len(boxes)), boxes[:, HEIGHT]
        entry = record["log_area_fraction"]["table"][name]
        start, stop = (np.full(len(boxes), entry[key]) for key in ("low", "high"))
        seen = np.array([boxes[:, AREA], start, stop, weight, still])
        _update(entry, seen, [(entry, strength)])
        for axis, column in ((0, X), (1, Y)):
            entry = record[("center_x", "center_y")[axis]]["table"][name]
            known = ~np.isnan(boxes[:, column])
            seen = np.array([boxes[:, column], low[mine, axis], high[mine, axis], weight, heights])
            _update(entry, np.compress(known, seen, axis=1), [(entry, strength)])
    return record


def fit_aspects(
    record: dict[str, Any],
    lesions: Lesions,
    shapes: Floats,
    pseudo: Sequence[tuple[dict[str, Any], float]],
) -> dict[str, Any]:
    """Return the JSON's ``sizes`` with aspects fitted, starting from `record`.

    `shapes` (N, shapes): how much of each lesion has which shape; `pseudo`: ``sizes`` whose
    aspects stand beside the lesions, each with its weight in lesions.
    """
    record = copy.deepcopy(record)
    low, high = aspect_span(make_sizes(record), lesions.pathology, lesions.boxes)
    aspect = lesions.boxes[:, ASPECT]
    for p, name in enumerate(LESIONS):
        for s, shape in enumerate(schema.SHAPES):
            for o, orientation in enumerate(schema.ORIENTATIONS):
                tables = [sizes["log_aspect"]["table"] for sizes, _ in ((record, 0.0), *pseudo)]
                entry, *others = (table[name][shape][orientation] for table in tables)
                weight = lesions.weight * shapes[:, s] * ((aspect < 0) == o)
                mine = lesions.has_box & (lesions.pathology == p) & (weight > LEAST)
                mine &= (low[:, s] <= aspect) & (aspect <= high[:, s])
                seen = np.array([aspect, low[:, s], high[:, s], weight, np.zeros(len(aspect))])
                reference = [(o, strength) for o, (_, strength) in zip(others, pseudo, strict=True)]
                _update(entry, np.compress(mine, seen, axis=1), reference)
    return record


def _update(
    entry: dict[str, float], seen: Floats, pseudo: Sequence[tuple[dict[str, float], float]]
) -> None:
    """Set the entry to the likeliest for `seen` and the densities beside it, by their weight."""
    if seen.shape[1] < 2 or np.ptp(seen[0]) == 0:
        return
    own = [_own(other, seen, strength) for other, strength in pseudo if strength]
    x, low, high, weight, cover = np.concatenate([seen, *own], axis=1)
    start: list[float] = [entry["mean"], float(np.log(entry["sd"]))]
    sloped = "per_height" in entry and entry["per_height"] != 0
    start += [entry["per_height"]] if sloped else []

    def loss(parameters: Floats) -> float:
        slope = parameters[2] if sloped else 0.0
        mean = parameters[0] + slope * cover
        sd = np.full_like(mean, np.exp(parameters[1]))
        logs = log_density(x, (low, high), mean, sd)
        return -float(weight @ np.maximum(logs, -1e3))

    width = float(high.max() - low.min())
    bounds = [
        (float(low.min()) - width, float(high.max()) + width),
        (float(np.log(width / 100)), float(np.log(2 * width))),
        (-1.0, 1.0),
    ][: len(start)]
    options = {"xatol": 1e-3, "fatol": 1e-2}
    found = minimize(loss, np.array(start), method="Nelder-Mead", bounds=bounds, options=options)
    best = found.x
    entry["mean"] = round(float(best[0]), DIGITS)
    entry["sd"] = round(float(np.exp(best[1])), DIGITS)
    if sloped:
        entry["per_height"] = round(float(best[2]), DIGITS)


def _own(entry: dict[str, float], seen: Floats, strength: float) -> Floats:
    """Return `strength` lesions of the entry's density, as equal parts over its quantiles."""
    _, lows, highs, _, covers = seen
    order = np.argsort(covers, kind="stable")
    places = order[((np.arange(_HEIGHTS) + 0.5) / _HEIGHTS * len(order)).astype(np.intp)]
    row = np.repeat(places, _LEVELS)
    u = np.tile((np.arange(_LEVELS) + 0.5) / _LEVELS, _HEIGHTS)
    low, high, cover = lows[row], highs[row], covers[row]
    mean = entry["mean"] + entry.get("per_height", 0.0) * cover
    x = quantile(u, low, high, mean, np.full_like(u, entry["sd"]))
    return np.array([x, low, high, np.full(len(u), strength / len(u)), cover])
