"""Fit of where lesions are and how large: the truncated normals of `Sizes`.

In: `Lesions` with boxes. Out: updated parameters. A base's
own density counts as pseudo-lesions beside the real ones.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize

from busgen import schema
from busgen.arrays import Floats
from busgen.priors.fitting.lesions import (
    AREA,
    ASPECT,
    HEIGHT,
    Lesions,
    X,
    Y,
    aspect_span,
    place_span,
)
from busgen.priors.sizes import LESIONS, log_density, make_sizes, quantile

DIGITS, LEAST = 6, 1e-4  # a share of a lesion that is too small to fit to
_LEVELS, _HEIGHTS = 40, 5
# Values of one truncated normal are five rows (5, N): x, low, high, weight, and the box height that
# the mean may grow with.


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
