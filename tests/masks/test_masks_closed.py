"""Closing and the proof of simplicity, against brute force."""

import numpy as np
import pytest

from busgen.masks.closed import (
    POINTS,
    close_outlines,
    ellipse_angles,
    fit_box,
    is_pinched,
    is_simple,
)


def random_angles(n, amount):
    g = np.random.default_rng(5)
    k = np.arange(2, 12)
    waves = g.standard_normal((n, 2, 10)) * amount
    s = 2 * np.pi * np.outer(k, np.arange(POINTS) / POINTS)
    return waves[:, 0] @ np.cos(s) + waves[:, 1] @ np.sin(s)


def crosses(polygon):
    """Compare every pair of segments that are no neighbours."""
    a = polygon.T
    b = np.roll(a, -1, axis=0)

    def side(p, q, r):
        u, v = q - p, r - p
        return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

    n = len(a)
    i, j = np.triu_indices(n, 2)
    keep = ~((i == 0) & (j == n - 1))
    i, j = i[keep], j[keep]
    return bool(
        (
            (side(a[i], b[i], a[j]) * side(a[i], b[i], b[j]) <= 0)
            & (side(a[j], b[j], a[i]) * side(a[j], b[j], b[i]) <= 0)
        ).any()
    )


@pytest.mark.parametrize("amount", [0.02, 0.1, 0.25])
def test_closes_with_equal_steps(amount):
    vertices, closed = close_outlines(random_angles(50, amount))
    assert closed.all()
    steps = np.linalg.norm(vertices - np.roll(vertices, 1, axis=2), axis=1)
    assert np.abs(steps * POINTS - 1).max() < 1e-3  # the step that closes it among them


@pytest.mark.parametrize("amount", [0.1, 0.32])
def test_simplicity_agrees_with_brute_force(amount):
    vertices, _ = close_outlines(random_angles(40, amount))
    expected = [not crosses(polygon) for polygon in vertices]
    assert is_simple(vertices).tolist() == expected
    if amount > 0.2:
        assert 5 < sum(expected) < 35  # both answers are tried


def test_simplicity_of_known_polygons():
    t = 2 * np.pi * np.arange(POINTS) / POINTS
    circle, eight = [np.cos(t), np.sin(t)], [np.sin(t), np.sin(2 * t)]
    twice_round = [(1 + 0.3 * np.cos(t)) * np.cos(2 * t), (1 + 0.3 * np.cos(t)) * np.sin(2 * t)]
    bean = [np.cos(t), 0.3 * np.sin(t) + 0.8 * np.cos(t) ** 2]
    assert is_simple(np.array([circle, eight, twice_round, bean])).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("aspect", [1.0, 1.7, 6.0])
def test_ellipse_has_its_aspect(aspect):
    vertices, _ = close_outlines(ellipse_angles(np.array([aspect])))
    width, height = np.ptp(vertices[0], axis=1)
    assert width / height == pytest.approx(aspect, rel=2e-3)


def test_box_is_fitted_exactly():
    vertices, _ = close_outlines(random_angles(9, 0.2))
    width, height = np.linspace(3, 20, 9), np.linspace(9, 4, 9)
    fitted = fit_box(vertices, width, height)
    np.testing.assert_allclose(np.ptp(fitted, axis=2), np.stack([width, height], axis=1))
    np.testing.assert_allclose(fitted.max(axis=2), -fitted.min(axis=2))


def test_a_dumbbell_is_pinched():
    t = 2 * np.pi * np.arange(48) / 48
    body = np.array([[3 * np.cos(t), np.sin(t)]])
    dumbbell = np.array([[3 * np.cos(t), np.sin(t) * (0.15 + np.cos(t) ** 2)]])
    both, bodies = np.concatenate([body, dumbbell]), np.repeat(body, 2, 0)
    assert is_pinched(both, bodies, 0.3).tolist() == [0, 1]
