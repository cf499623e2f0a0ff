"""Closed outlines from curvature: integrated, closed exactly, proved free of self-intersections.

In: tangent angles along the normalised arc length of an outline. Out: closed polygons.
Every operation works row by row, so that an outline does not depend on its batch.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS = 384  # segments of an outline, all of equal length before the box is fitted
STEP = (np.arange(POINTS) + 0.5) / POINTS  # arc length at the middle of each segment
MAX_ASPECT = 12.0
BLOCK = 8  # segments that are boxed together when crossings are looked for
_ROWS = 128  # of the table of ellipses
_NEWTON_STEPS = 8
_CLOSED = 1e-9  # of the outline's length


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
    t = np.linspace(0, 2 * np.pi, 16 * POINTS + 1)
    table = np.empty((_ROWS, POINTS))
    for row, aspect in enumerate(np.geomspace(1.0, MAX_ASPECT, _ROWS)):
        z = aspect * np.cos(t) + 1j * np.sin(t)
        along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(z)))])
        at = np.interp(STEP * along[-1], along, t)
        tangent = np.unwrap(np.angle(-aspect * np.sin(at) + 1j * np.cos(at)))
        table[row] = tangent - 2 * np.pi * STEP
    return table


def close(angles: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Close outlines by the smallest change: the first harmonic of their curvature.

    Parameters
    ----------
    angles
        (N, POINTS) tangent angles without their turn of 2 pi, in rad.

    Returns
    -------
    vertices, closed
        (N, POINTS, 2) vertices (x, y) of outlines of length 1, and (N,) whether Newton's method
        has closed them.
    """
    sine, cosine = np.sin(2 * np.pi * STEP), np.cos(2 * np.pi * STEP)
    theta = angles + 2 * np.pi * STEP
    for _ in range(_NEWTON_STEPS):
        x, y = np.cos(theta), np.sin(theta)
        gap_x, gap_y = x.mean(axis=1), y.mean(axis=1)
        if max(np.abs(gap_x).max(initial=0), np.abs(gap_y).max(initial=0)) < _CLOSED:
            break
        a, b = -(y * sine).mean(axis=1), -(y * cosine).mean(axis=1)
        c, d = (x * sine).mean(axis=1), (x * cosine).mean(axis=1)
        determinant = a * d - b * c
        determinant = np.where(np.abs(determinant) < 1e-6, 1e-6, determinant)
        # a row that is closed already is left alone, whatever the rest of its batch needs
        open_ = np.maximum(np.abs(gap_x), np.abs(gap_y)) >= _CLOSED
        p = np.where(open_, (d * gap_x - b * gap_y) / determinant, 0.0)
        q = np.where(open_, (a * gap_y - c * gap_x) / determinant, 0.0)
        theta = theta - p[:, None] * sine - q[:, None] * cosine
    x, y = np.cos(theta), np.sin(theta)
    vertices = np.stack([np.cumsum(x, axis=1), np.cumsum(y, axis=1)], axis=2) / POINTS
    gap = np.maximum(np.abs(x.mean(axis=1)), np.abs(y.mean(axis=1)))
    return vertices, gap < 1e-6


def is_simple(vertices: Floats) -> NDArray[np.bool_]:
    """Return which of the (N, P, 2) closed polygons do not cross or touch themselves.

    Most are star-shaped about their centre, which proves it; the segments of the others are
    compared, P a multiple of `BLOCK`.
    """
    simple = _is_star(vertices)
    rest = np.flatnonzero(~simple)
    sample, first, second = np.nonzero(_suspects(vertices[rest]))
    crossing = _blocks_cross(vertices[rest], sample, first, second)
    simple[rest] = True
    simple[rest[sample[crossing]]] = False
    return simple


def _is_star(vertices: Floats) -> NDArray[np.bool_]:
    """Return which polygons go round the mean of their vertices once, always onwards."""
    x, y = np.moveaxis(vertices - vertices.mean(axis=1, keepdims=True), 2, 0)
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    onwards = (x * next_y - y * next_x > 0).all(axis=1)
    rounds = ((y < 0) & (next_y >= 0)).sum(axis=1)
    return np.asarray(onwards & (rounds == 1))


def _suspects(vertices: Floats) -> NDArray[np.bool_]:
    """Return (N, B, B) which pairs of blocks of segments may cross, each pair once.

    Their boxes overlap; and as a stretch that turns by less than pi in total cannot cross itself,
    a block and its neighbour are left only where they turn more.
    """
    n, points, _ = vertices.shape
    edge = np.roll(vertices, -1, axis=1) - vertices
    before = np.roll(edge, 1, axis=1)
    cross = before[..., 0] * edge[..., 1] - before[..., 1] * edge[..., 0]
    turn = np.abs(np.arctan2(cross, (before * edge).sum(axis=2)))
    blocks = points // BLOCK
    inner = vertices.reshape(n, blocks, BLOCK, 2)
    following = np.roll(vertices, -BLOCK, axis=1).reshape(n, blocks, BLOCK, 2)[:, :, 0]
    low = np.minimum(inner.min(axis=2), following)
    high = np.maximum(inner.max(axis=2), following)
    meets = (low[:, :, None] <= high[:, None]) & (low[:, None] <= high[:, :, None])
    pairs = np.asarray(meets[..., 0] & meets[..., 1] & np.triu(np.ones((blocks, blocks), bool)))
    bend = turn.reshape(n, blocks, BLOCK).sum(axis=2)
    i = np.arange(blocks)
    j = (i + 1) % blocks
    tame = bend + np.roll(bend, -1, axis=1) < np.pi
    pairs[:, i, i] &= bend >= np.pi
    pairs[:, np.minimum(i, j), np.maximum(i, j)] &= ~tame
    return pairs


def _blocks_cross(
    vertices: Floats,
    sample: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return (M,) which pairs of blocks hold two segments that meet and are no neighbours."""
    points = vertices.shape[1]
    i = first[:, None] * BLOCK + np.arange(BLOCK)
    j = second[:, None] * BLOCK + np.arange(BLOCK)
    at = sample[:, None]
    a, b = vertices[at, i][:, :, None], vertices[at, (i + 1) % points][:, :, None]
    c, d = vertices[at, j][:, None], vertices[at, (j + 1) % points][:, None]
    apart = np.abs(i[:, :, None] - j[:, None])
    distant = np.minimum(apart, points - apart) > 1
    crossing = (_side(a, b, c) * _side(a, b, d) <= 0) & (_side(c, d, a) * _side(c, d, b) <= 0)
    return np.asarray((crossing & distant).any(axis=(1, 2)))


def _side(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return twice the signed area of the triangles a, b, c."""
    u, v = b - a, c - a
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])


def fit_box(vertices: Floats, width: Floats, height: Floats) -> Floats:
    """Return (N, P, 2) vertices whose box is centred at 0 and has (N,) width and height."""
    low, high = vertices.min(axis=1), vertices.max(axis=1)
    scale = np.stack([width, height], axis=1) / (high - low)
    return np.asarray((vertices - ((low + high) / 2)[:, None]) * scale[:, None])
