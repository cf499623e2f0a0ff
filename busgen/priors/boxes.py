"""Boxes of lesions under conditions: their probability for each discrete state, and exact draws.

In: the prior's densities, limits on sizes (mm) and centre (fractions). Out: a weight for every
(pathology, shape, orientation, field of view, size class), and boxes drawn from the conditional
density. A limit with equal ends is an exact value; its weight is a density. With `a` = log(area
fraction) and `r` = log(width / height), every size limit is linear, so what `a` can be is an
interval; inside it the weight of `r` (and of the centre) is summed over cells of equal probability.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from busgen import schema
from busgen.arrays import Floats, Indices
from busgen.priors.sizes import LESIONS, Sizes, density, probability, quantile

Limits = Mapping[str, tuple[float, float]]  # size_mm, width_mm, height_mm, center_x, center_y
AXES = ("pathology", "shape", "orientation", "field_mm", "size_class")
_TERMS = (len(LESIONS), len(schema.SHAPES), len(schema.ORIENTATIONS))  # the first of `AXES`
FREE = (0.0, np.inf)
AREA_CELLS, ASPECT_CELLS = 64, 16


@dataclass(frozen=True, eq=False)
class _Rows:
    """One entry a discrete state (R,): parameters, frame and limits, logs of image fractions."""

    field_mm: Floats
    area: Floats
    aspect: Floats
    center: Floats
    edges: Floats  # (R, 2, 2): share that stays free to the left and right, above and below
    frame: Floats  # (R, 2): log of the widest and highest box that fits
    low: Floats  # (R, 2): log of the least width and height
    high: Floats  # (R, 2)

    def pick(self, index: Indices) -> "_Rows":
        """Return the rows at `index`."""
        return _Rows(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, eq=False)
class Boxes:
    """All rows of `AXES` (lesions only; `shape` is their lengths), limits, weights (R, cells)."""

    shape: tuple[int, ...]
    rows: _Rows
    limits: Limits
    cells: Floats

    def weights(self) -> Floats:
        """Return the probability (or density) of the limits over `AXES`, null states included."""
        nulls = [int(axis != "field_mm") for axis in AXES]
        table = np.zeros(np.add(self.shape, nulls))
        table[:-1, :-1, :-1, :, :-1] = self.cells.sum(1).reshape(self.shape)
        table[-1, -1, -1, :, -1] = float(not self.limits)
        return table


def make_boxes(sizes: Sizes, fields_mm: tuple[float, ...], limits: Limits) -> Boxes:
    """Return the rows for all discrete states under `limits`."""
    shape = (*_TERMS, len(fields_mm), len(LESIONS))
    states = np.indices(shape).reshape(len(AXES), -1)
    rows = _rows(sizes, states, fields_mm, limits)
    low, high = _area_span(rows)
    count = AREA_CELLS if limits else 1
    u = (np.arange(count) + 0.5) / count
    mean, sd, area_low, area_high = (rows.area[:, [i]] for i in range(4))
    area = quantile(u[None], low[:, None], high[:, None], mean, sd)
    fixed = (rows.low == rows.high).sum(1)
    whole = probability(area_low, area_high, mean, sd)
    exact = density(area, mean, sd) / count
    share = np.where(
        fixed[:, None] == 2, exact, probability(low[:, None], high[:, None], mean, sd) / count
    )
    flat = rows.pick(np.repeat(np.arange(len(low)), count))
    ratio = _aspect_cells(flat, area.ravel(), limits).sum(1).reshape(area.shape)
    open_ = (low <= high) & (rows.low <= rows.high).all(1)
    # not_parallel is strict: some height must exceed some width
    open_ &= (states[2] == 0) | (rows.low[:, 0] < rows.high[:, 1])
    # a state with one exact value more than another is infinitely less probable
    open_ &= fixed == min(fixed[open_], default=0)
    return Boxes(shape, rows, limits, np.where(open_[:, None], share / whole * ratio, 0.0))


def _rows(sizes: Sizes, states: Indices, fields_mm: tuple[float, ...], limits: Limits) -> _Rows:
    """Return the rows of `states` (axes, R), as in `AXES`."""
    p, s, o, f, c = states
    field = np.array(fields_mm)[f]
    top = sizes.top(field)
    _, _, side, bottom = sizes.frame
    frame = np.stack([np.full(len(field), 1 - 2 * side), 1 - top - bottom], 1)
    edges = np.array([[[side, side], [high, bottom]] for high in top.tolist()])
    low, high = np.zeros_like(frame), frame.copy()
    for axis, (name, center) in enumerate((("width_mm", "center_x"), ("height_mm", "center_y"))):
        ends = [limits.get(name, FREE)] * len(field)
        longest = o == axis  # the largest side is the width where parallel, else the height
        bounds = np.array(ends, np.float64)
        size = limits.get("size_mm", FREE)
        bounds[longest, 0] = np.maximum(bounds[longest, 0], size[0])
        bounds[longest, 1] = np.minimum(bounds[longest, 1], size[1])
        bounds /= field[:, None]
        near, far = edges[:, axis].T
        x0, x1 = limits.get(center, FREE)
        room = np.minimum(2 * (x1 - near), 2 * (1 - far - x0))
        low[:, axis] = bounds[:, 0]
        high[:, axis] = np.minimum(bounds[:, 1], np.minimum(frame[:, axis], room))
    logs = [np.log(np.maximum(x, 1e-12)) for x in (frame, low, high)]
    return _Rows(field, sizes.area[c], sizes.aspect[p, s, o], sizes.center[p], edges, *logs)


def _area_span(rows: _Rows) -> tuple[Floats, Floats]:
    """Return the least and largest log area that the limits leave possible."""
    (wl, hl), (wu, hu) = rows.low.T, rows.high.T
    r_low, r_high = rows.aspect[:, 2], rows.aspect[:, 3]
    lows = (rows.area[:, 2], r_low + 2 * hl, 2 * wl - r_high, wl + hl)
    highs = (rows.area[:, 3], 2 * wu - r_low, r_high + 2 * hu, wu + hu)
    return np.max(lows, 0), np.min(highs, 0)


def aspect_span(rows: _Rows, area: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the interval of log aspect at `area` for log widths and heights in [low, high]."""
    start = np.max([rows.aspect[:, 2], 2 * low[:, 0] - area, area - 2 * high[:, 1]], 0)
    stop = np.min([rows.aspect[:, 3], 2 * high[:, 0] - area, area - 2 * low[:, 1]], 0)
    return start, stop


def _aspect_cells(rows: _Rows, area: Floats, limits: Limits) -> Floats:
    """Return the weight of each cell of log aspect at `area` (R,), (R, cells)."""
    count = ASPECT_CELLS if {"center_x", "center_y"} & set(limits) else 1
    mean, sd = rows.aspect[:, 0], rows.aspect[:, 1]
    r_low, r_high = aspect_span(rows, area, rows.low, rows.high)
    free = np.full_like(rows.frame, -np.inf)
    whole = np.maximum(probability(*aspect_span(rows, area, free, rows.frame), mean, sd), 1e-300)
    fixed = (rows.low == rows.high).any(1)
    middle = (r_low + r_high) / 2
    share = np.where(fixed, density(middle, mean, sd), probability(r_low, r_high, mean, sd)) / whole
    cells = []
    for k in range(count):
        u = np.full_like(area, (k + 0.5) / count)
        aspect = np.where(fixed, middle, quantile(u, r_low, r_high, mean, sd))
        cells.append(share / count * _center_weight(rows, area, aspect, limits))
    return np.stack(cells, 1)


def _center(rows: _Rows, box: Floats, axis: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return low, high, mean, sd of the centre along `axis` (0 = x) of boxes (R, 2), fractions."""
    near, far = rows.edges[:, axis].T
    half = box[:, axis] / 2
    mean, per_height, sd = rows.center[:, axis].T
    return near + half, 1 - far - half, mean + per_height * box[:, 1], sd


def _center_weight(rows: _Rows, area: Floats, aspect: Floats, limits: Limits) -> Floats:
    """Return the probability (density) that the centre meets its limits."""
    weight = np.ones_like(area)
    box = np.exp(np.stack([area + aspect, area - aspect], 1) / 2)
    for axis, name in enumerate(("center_x", "center_y")):
        if name not in limits:
            continue
        low, high, mean, sd = _center(rows, box, axis)
        x0, x1 = limits[name]
        inside = probability(np.maximum(low, x0), np.minimum(high, x1), mean, sd)
        exact = density(np.full_like(mean, x0), mean, sd) * ((low <= x0) & (x0 <= high))
        weight *= (exact if x0 == x1 else inside) / np.maximum(
            probability(low, high, mean, sd), 1e-300
        )
    return weight


def draw(boxes: Boxes, index: Indices, u: Floats) -> Floats:
    """Draw one box for each row in `index` (N,) from uniforms `u` (N, 4).

    Returns (N, 4): width_mm, height_mm, center_x, center_y.
    """
    rows, limits = boxes.rows.pick(index), boxes.limits
    low, high = _area_span(rows)
    inner = _through_cells(u[:, 0], boxes.cells[index])
    area = quantile(inner, low, high, rows.area[:, 0], rows.area[:, 1])
    r_low, r_high = aspect_span(rows, area, rows.low, rows.high)
    inner = _through_cells(u[:, 1], _aspect_cells(rows, area, limits))
    aspect = quantile(inner, r_low, r_high, rows.aspect[:, 0], rows.aspect[:, 1])
    fixed = (rows.low == rows.high).any(1)
    aspect = np.where(fixed, (r_low + r_high) / 2, aspect)
    # contiguous input: numpy's strided and contiguous exp may differ in the last digit
    box = np.exp(np.ascontiguousarray(np.stack([area + aspect, area - aspect], 1) / 2))
    centers = []
    for axis, name in enumerate(("center_x", "center_y")):
        start, stop, mean, sd = _center(rows, box, axis)
        x0, x1 = limits.get(name, FREE)
        centers.append(
            quantile(u[:, 2 + axis], np.maximum(start, x0), np.minimum(stop, x1), mean, sd)
        )
    sides = np.clip(box, np.exp(rows.low), np.exp(rows.high)) * rows.field_mm[:, None]
    return _exactly(np.column_stack([sides, *centers]), limits)


def _through_cells(u: Floats, cells: Floats) -> Floats:
    """Return `u` (N,) mapped through weighted cells (N, K) of equal width to [0, 1]."""
    ends = np.cumsum(cells, 1)
    goal = u * ends[:, -1]
    cell = np.minimum((ends <= goal[:, None]).sum(1), cells.shape[1] - 1)
    row = np.arange(len(u))
    width = np.maximum(cells[row, cell], 1e-300)
    inner = np.clip((goal - ends[row, cell]) / width + 1, 0, 1)
    return np.asarray((cell + inner) / cells.shape[1], np.float64)


def _exactly(boxes: Floats, limits: Limits) -> Floats:
    """Return boxes with limited sides inside their limits to the last digit."""
    for axis, name in enumerate(("width_mm", "height_mm", "center_x", "center_y")):
        if name in limits:
            boxes[:, axis] = np.clip(boxes[:, axis], *limits[name])
    if "size_mm" in limits:
        longest = np.argmax(boxes[:, :2], 1)
        row = np.arange(len(boxes))
        boxes[row, longest] = np.clip(boxes[row, longest], *limits["size_mm"])
    return boxes
