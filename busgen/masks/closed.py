"""Closed outlines from curvature: integrated, closed exactly, proved free of self-intersections.

In: tangent angles along the normalised arc length of outlines. Out: closed polygons, (N, 2, P):
x and y of P vertices. Every operation works row by row, so that an outline does not depend on its
batch.
"""

from functools import cache

import numpy as np

from busgen.arrays import Bools, Floats, Indices

POINTS = 384  # segments of an outline, all of equal length before the box is fitted
MAX_ASPECT = 12.0
BLOCK = 8  # segments that are boxed together when crossings are looked for
CLOSED = 1e-6  # largest gap, in outline lengths
_ROWS = 128  # of the table of ellipses
_NEWTON_STEPS = 8


def circle_angles(points: int) -> Floats:
    """Return the tangent angle of a circle at the middle of each of its segments, in rad."""
    return np.asarray(2 * np.pi * (np.arange(points) + 0.5) / points)


def ellipse_angles(aspect: Floats) -> Floats:
    """Return tangent angles (N, POINTS), without their 2 pi turn, of ellipses of (N,) aspects.

    The arc length starts at the right end of the major axis; aspects are in [1, MAX_ASPECT].
    """
    table = _ellipse_table()
    place = np.log(np.clip(aspect, 1.0, MAX_ASPECT)) / np.log(MAX_ASPECT) * (_ROWS - 1)
    row = np.minimum(place.astype(np.int64), _ROWS - 2)
    share = (place - row)[:, None]
    return np.asarray(table[row] * (1 - share) + table[row + 1] * share)


@cache
def _ellipse_table() -> Floats:
    """Return the tangent angles of `_ROWS` ellipses, their aspects in geometric progression."""
    t = np.linspace(0, 2 * np.pi, 4 * POINTS + 1)
    table = np.empty((_ROWS, POINTS))
    for row, aspect in enumerate(np.geomspace(1.0, MAX_ASPECT, _ROWS)):
        z = aspect * np.cos(t) + 1j * np.sin(t)
        along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(z)))])
        at = np.interp(circle_angles(POINTS) / (2 * np.pi) * along[-1], along, t)
        tangent = np.unwrap(np.angle(-aspect * np.sin(at) + 1j * np.cos(at)))
        table[row] = tangent - circle_angles(POINTS)
    return table


def close_outlines(angles: Floats) -> tuple[Floats, Bools]:
    """Close outlines by the smallest change: the first harmonic of their curvature.

    `angles`: (N, P) tangent angles at even arc lengths, without their turn of 2 pi, in rad.

    Returns vertices, closed: (N, 2, P) vertices of outlines of length 1, and (N,) whether Newton's
    method has closed them.
    """
    points = angles.shape[1]
    theta = angles + circle_angles(points)
    x, y = np.cos(theta), np.sin(theta)
    for _ in range(_NEWTON_STEPS):
        rows = np.flatnonzero(~_is_closed(x, y))
        if not len(rows):
            break
        theta[rows] += _step(x[rows], y[rows])
        x[rows], y[rows] = np.cos(theta[rows]), np.sin(theta[rows])
    vertices = np.stack([np.cumsum(x, axis=1), np.cumsum(y, axis=1)], axis=1) / points
    return vertices, _is_closed(x, y)


def _is_closed(x: Floats, y: Floats) -> Bools:
    """Return which rows of (N, P) unit steps end where they began."""
    gap = np.maximum(np.abs(x.sum(axis=1)), np.abs(y.sum(axis=1)))
    return np.asarray(gap < CLOSED * x.shape[1])


def _step(x: Floats, y: Floats) -> Floats:
    """Return the changes of angle, of the first harmonic, that nearly close (N, P) unit steps."""
    circle = circle_angles(x.shape[1])
    sine, cosine = np.sin(circle), np.cos(circle)
    gap_x, gap_y = x.sum(axis=1), y.sum(axis=1)
    a, b = -(y * sine).sum(axis=1), -(y * cosine).sum(axis=1)
    c, d = (x * sine).sum(axis=1), (x * cosine).sum(axis=1)
    determinant = a * d - b * c
    # a singular row stays open, and is made anew with smaller changes
    solvable = np.abs(determinant) > 1e-6
    scale = np.divide(1.0, determinant, out=np.zeros_like(determinant), where=solvable)
    p, q = scale * (b * gap_y - d * gap_x), scale * (c * gap_x - a * gap_y)
    return np.asarray(p[:, None] * sine + q[:, None] * cosine)


def is_simple(vertices: Floats) -> Bools:
    """Return which of the (N, 2, P) closed polygons do not cross or touch themselves.

    Most are star-shaped about their centre, which proves it; the segments of the others are
    compared. P is a multiple of `BLOCK`.
    """
    simple = _is_star(vertices)
    rest = np.flatnonzero(~simple)
    sample, first, second = np.nonzero(_suspects(vertices[rest]))
    crossing = _blocks_cross(vertices[rest[sample]], first, second)
    simple[rest] = True
    simple[rest[sample[crossing]]] = False
    return simple


def _is_star(vertices: Floats) -> Bools:
    """Return which polygons go round the mean of their vertices once, always onwards."""
    x, y = np.moveaxis(vertices - vertices.mean(axis=2, keepdims=True), 1, 0)
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    onwards = (x * next_y > y * next_x).all(axis=1)
    rounds = ((y < 0) & (next_y >= 0)).sum(axis=1)
    return np.asarray(onwards & (rounds == 1))


def _suspects(vertices: Floats) -> Bools:
    """Return (N, B, B) which pairs of blocks of segments may cross, each pair once.

    Their boxes overlap; and as a stretch that turns by less than pi in total cannot cross itself,
    a block and its neighbour are left only where they turn more.
    """
    n, _, points = vertices.shape
    blocks = points // BLOCK
    ends = np.roll(vertices, -1, axis=2)
    inner, outer = (v.reshape(n, 2, blocks, BLOCK) for v in (vertices, ends))
    low = np.minimum(inner.min(axis=3), outer.min(axis=3))
    high = np.maximum(inner.max(axis=3), outer.max(axis=3))
    meets = (low[:, :, :, None] <= high[:, :, None]) & (low[:, :, None] <= high[:, :, :, None])
    pairs = np.asarray(meets[:, 0] & meets[:, 1] & np.triu(np.ones((blocks, blocks), bool)))
    x, y = np.moveaxis(ends - vertices, 1, 0)
    before_x, before_y = np.roll(x, 1, axis=1), np.roll(y, 1, axis=1)
    bend = np.abs(np.arctan2(before_x * y - before_y * x, before_x * x + before_y * y))
    bend = bend.reshape(n, blocks, BLOCK).sum(axis=2)
    i = np.arange(blocks)
    j = (i + 1) % blocks
    pairs[:, i, i] &= bend >= np.pi
    pairs[:, np.minimum(i, j), np.maximum(i, j)] &= bend + np.roll(bend, -1, axis=1) >= np.pi
    return pairs


def _blocks_cross(vertices: Floats, first: Indices, second: Indices) -> Bools:
    """Return (M,) whether blocks hold segments that meet: block (M,) `first` against `second`."""
    points = vertices.shape[2]
    at = np.arange(len(vertices))[:, None]
    i = first[:, None] * BLOCK + np.arange(BLOCK)
    j = second[:, None] * BLOCK + np.arange(BLOCK)
    xy = np.moveaxis(vertices, 1, 2)
    a, b = xy[at, i][:, :, None], xy[at, (i + 1) % points][:, :, None]
    c, d = xy[at, j][:, None], xy[at, (j + 1) % points][:, None]
    apart = np.abs(i[:, :, None] - j[:, None])
    no_neighbours = np.minimum(apart, points - apart) > 1
    crossing = (_side(a, b, c) * _side(a, b, d) <= 0) & (_side(c, d, a) * _side(c, d, b) <= 0)
    return np.asarray((crossing & no_neighbours).any(axis=(1, 2)))


def _side(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return twice the signed area of the triangles a, b, c."""
    u, v = b - a, c - a
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])


def is_pinched(vertices: Floats, bodies: Floats, neck: float) -> Bools:
    """Return which (N, 2, P) outlines have a neck far narrower than their (N, 2, P) ellipses.

    Points more than a tenth of the outline apart must keep `neck` of their ellipse's distance.
    """
    points = vertices.shape[2]
    pinched = np.zeros(len(vertices), bool)
    # both at once: rows of the outlines, then of the ellipses
    x, y = (np.concatenate([vertices[:, axis], bodies[:, axis]]) for axis in (0, 1))
    twice_x, twice_y = np.tile(x, 2), np.tile(y, 2)
    for lag in range(points // 10, points // 2 + 1):
        apart_x, apart_y = twice_x[:, lag : lag + points] - x, twice_y[:, lag : lag + points] - y
        distance = apart_x * apart_x + apart_y * apart_y
        changed, plain = np.split(distance, 2)
        pinched |= (changed < neck**2 * plain).any(axis=1)
    return pinched


def fit_box(vertices: Floats, width: Floats, height: Floats) -> Floats:
    """Return (N, 2, P) vertices whose box is centred at 0 and has (N,) width and height."""
    low, high = vertices.min(axis=2), vertices.max(axis=2)
    scale = np.stack([width, height], axis=1) / (high - low)
    return np.asarray((vertices - ((low + high) / 2)[:, :, None]) * scale[:, :, None])
