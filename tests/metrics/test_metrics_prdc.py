"""Precision, recall, density, coverage, Vendi score: what is known by hand, patients kept apart."""

import numpy as np
import pytest

from busgen.errors import UserError
from busgen.metrics.distribution import (
    NAMES,
    Overlap,
    overlap,
    overlap_points,
    radii,
    vendi,
    vendi_score,
)
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample


def sample(n, seed, shift=0.0, spread=1.0, images=1):
    """Return n points of Gaussian patients with `images` equal ones each."""
    points = rng(seed, "points").normal(size=(n // images, 3)) * spread + shift
    return Sample(points.repeat(images, axis=0), np.arange(n // images).repeat(images).astype(str))


def test_on_a_line_the_overlap_is_what_one_counts():
    real = np.array([[0.0], [1], [2], [10]])  # to their nearest: 1, 1, 1, 8
    generated = np.array([[0.5], [2.5], [30]])  # 2, 2, 27.5
    # 0.5 lies in three balls (0, 1; not 2), 2.5 in those of 2 and 10, 30 in none
    result = overlap_points(generated, real, k=1)
    assert result == Overlap(
        precision=pytest.approx(2 / 3),
        recall=1.0,
        density=pytest.approx(4 / 3),
        coverage=1.0,
    )


def test_a_plain_reference_agrees():
    generated, real = sample(40, 1, 0.3).points, sample(50, 2).points

    def plain(k=5):
        def far(points):
            return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

        def apart(p, q):
            return np.linalg.norm(p - q)

        own, other = far(generated), far(real)
        inside = [
            [apart(m, r) < reach for r, reach in zip(real, other, strict=True)] for m in generated
        ]
        held = [
            any(apart(m, r) < reach for m, reach in zip(generated, own, strict=True)) for r in real
        ]
        return (
            np.mean([any(row) for row in inside]),
            np.mean(held),
            np.mean([sum(row) for row in inside]) / k,
            np.mean([any(column) for column in zip(*inside, strict=True)]),
        )

    result = overlap_points(generated, real)
    assert [getattr(result, name) for name in NAMES] == pytest.approx(plain())


def test_scores_tell_what_is_missing_from_what_is_strange():
    real = sample(240, 7)
    same = overlap(sample(120, 1), real, rng(0, "s"), draws=40)
    narrow = overlap(sample(120, 1, spread=0.2), real, rng(0, "s"), draws=40)
    strange = overlap(sample(120, 1, shift=30), real, rng(0, "s"), draws=40)
    for score in same.values():
        assert score.n == 119
        assert score.value > score.floor_limit
        assert score.interval[0] <= score.value <= score.interval[1]
    assert narrow["precision"].value > 0.9
    assert narrow["recall"].value < narrow["recall"].floor_limit
    assert narrow["coverage"].value < narrow["coverage"].floor_limit
    assert [strange[name].value for name in NAMES] == [0, 0, 0, 0]


def test_images_of_one_patient_are_no_neighbours_of_each_other():
    distances = np.abs(np.arange(6.0)[:, None] - np.arange(6.0))
    assert radii(distances, np.arange(6), 2).tolist() == [2, 1, 1, 1, 1, 2]
    assert radii(distances, np.array([0, 0, 0, 1, 1, 1]), 2).tolist() == [4, 3, 2, 2, 3, 4]
    with pytest.raises(UserError, match="2 neighbours of other patients, got 6 images of 2"):
        radii(distances, np.array([0, 0, 0, 0, 0, 1]), 2)
    with pytest.raises(UserError, match="9 neighbours"):
        radii(distances, np.arange(6), 9)


def test_the_vendi_score_counts_what_is_different():
    assert vendi_score(np.ones((5, 3))) == pytest.approx(1)
    assert vendi_score(np.eye(4)) == pytest.approx(4)
    assert vendi_score(np.repeat(np.eye(4), 3, axis=0)) == pytest.approx(4)
    points = sample(7, 0).points
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(unit @ unit.T / 7).clip(1e-300)
    assert vendi_score(points) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_a_narrow_set_is_less_diverse_than_as_many_real_ones():
    real = sample(300, 7)
    narrow = vendi(sample(120, 1, shift=1, spread=0.3), real, rng(0, "s"), draws=40)
    same = vendi(sample(120, 1), real, rng(0, "s"), draws=40)
    assert narrow.value < narrow.floor_limit < same.value
    assert narrow.floor == same.floor
