"""Kernel and Fréchet distance: closed forms of Gaussians, a plain reference, floors by patient."""

from dataclasses import asdict
from itertools import product
from json import dumps

import numpy as np
import pytest
from scipy.linalg import sqrtm

from busgen.errors import UserError
from busgen.metrics.distribution import frechet, frechet_distance, kid, mmd, squared_mmd
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample


def sample(n, shift=0.0, seed=0, images=1, d=4):
    """Return n points of Gaussian patients with `images` equal ones each."""
    points = rng(seed, "points").normal(size=(n // images, d)) + shift
    return Sample(points.repeat(images, axis=0), np.arange(n // images).repeat(images).astype(str))


def plain_mmd2(a, b):
    """Return the unbiased estimate of Bińkowski 2018, pair by pair."""

    def kernel(x, y):
        return (sum(u * v for u, v in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(points):
        pairs = [(i, j) for i, j in product(range(len(points)), repeat=2) if i != j]
        return sum(kernel(points[i], points[j]) for i, j in pairs) / len(pairs)

    between = sum(kernel(x, y) for x, y in product(a, b)) / (len(a) * len(b))
    return within(a) + within(b) - 2 * between


def test_kernel_distance_is_the_plain_one():
    a, b = sample(9, 0.5), sample(7, seed=1)
    assert squared_mmd(a, b) == pytest.approx(plain_mmd2(a.points.tolist(), b.points.tolist()))


def test_kernel_distance_of_gaussians_is_the_closed_form():
    d, m = 4, 4 * 0.5**2  # squared length of the shift
    alone, apart = 1 + 3 / d, 1 + 3 * (d + m) / d**2
    s1, s2, s3 = m / d, (m**2 + 2 * m + d) / d**2, (m**3 + 3 * m * (2 * m + d) + 6 * m) / d**3
    expected = alone + (1 + 3 * s1 + 3 * s2 + s3) - 2 * apart
    found = [squared_mmd(sample(400, 0.5, k), sample(400, 0, k + 50)) for k in range(10)]
    assert np.mean(found) == pytest.approx(expected, abs=3 * np.std(found) / 10**0.5)
    same = [squared_mmd(sample(400, 0, k), sample(400, 0, k + 50)) for k in range(10)]
    assert np.mean(same) == pytest.approx(0, abs=3 * np.std(same) / 10**0.5)


def test_images_of_one_patient_do_not_pass_for_a_difference():
    found = [squared_mmd(sample(60, 0, k, images=6), sample(60, 0, k + 50)) for k in range(40)]
    counted = []
    for k in range(40):
        many = sample(60, 0, k, images=6)
        counted.append(
            squared_mmd(Sample(many.points, np.arange(60).astype(str)), sample(60, 0, k + 50))
        )
    error = np.std(found) / 40**0.5
    assert abs(np.mean(found)) < 3 * error
    assert np.mean(counted) > 5 * error


def test_frechet_distance_is_the_closed_form_and_the_plain_one():
    pick = rng(0, "frechet")
    a, b = pick.normal(size=(50_000, 2)), pick.normal(size=(50_000, 2)) * [2, 3] + [1, -1]
    assert frechet_distance(a, b) == pytest.approx(2 + 1 + 4, rel=0.03)
    a, b = pick.normal(size=(30, 5)) @ pick.normal(size=(5, 5)), pick.normal(size=(40, 5))
    one, two = np.cov(a.T), np.cov(b.T)
    plain = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(a, b) == pytest.approx(plain)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("score", [kid, frechet])
def test_scores_tell_a_shift_from_none_and_say_at_which_n(score):
    real = sample(300, 0, 7, images=2)
    same, other = (
        score(sample(120, shift, 3), real, rng(0, "s"), draws=60) for shift in (0.0, 0.7)
    )
    assert same.n == other.n == 120
    assert same.value < same.floor_limit < other.interval[0] < other.value < other.interval[1]
    assert (same.floor, same.floor_limit) == (other.floor, other.floor_limit)
    assert dumps(asdict(same))


def test_few_real_patients_lower_the_n():
    assert kid(sample(100), sample(90, images=3), rng(0, "s"), draws=5).n == (90 - 3) // 2


def test_floor_is_wider_where_images_are_of_few_patients():
    one, many = (
        frechet(sample(60), sample(240, 0, 1, images=k), rng(0, "s"), draws=60) for k in (1, 8)
    )
    assert many.floor > 2 * one.floor


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UserError, match="one space"):
        kid(sample(10), sample(10, d=3), rng(0, "s"))
    broken = sample(10)
    broken.points[3, 1] = np.nan
    with pytest.raises(UserError, match="finite, got 1 "):
        kid(sample(10), broken, rng(0, "s"))
    with pytest.raises(UserError, match="several families and patients"):
        kid(sample(10), sample(4, images=2), rng(0, "s"))
    with pytest.raises(UserError, match="65 dimensions, 100 images"):
        frechet(sample(100, d=65), sample(400, d=65), rng(0, "s"))
    with pytest.raises(UserError, match="4 dimensions, 4 images"):
        frechet(sample(4), sample(40), rng(0, "s"))


def test_the_gaussian_kernels_distance_is_the_closed_form_whatever_the_unit():
    d, shift, width = 4, 0.5, 2 * 3.357  # the square of the median distance: that of chi2(4)
    spread = width / (width + 2)  # E exp(-|x - y|^2 / 2 s^2) of x - y normal with variance 2
    expected = 2 * spread ** (d / 2) * (1 - np.exp(-d * shift**2 / (2 * (width + 2))))
    pairs = [(sample(200, shift, k), sample(401, 0, k + 50)) for k in range(10)]
    found = [mmd(*pair, rng(0, "s"), draws=3).value for pair in pairs]
    assert np.mean(found) == pytest.approx(expected, abs=3 * np.std(found) / 10**0.5)
    tripled = [Sample(3 * s.points, s.groups) for s in pairs[0]]
    assert mmd(*tripled, rng(0, "s"), draws=3).value == pytest.approx(found[0])
    result = mmd(*pairs[0], rng(0, "s"), draws=20)
    assert result.floor < result.floor_limit < result.interval[0] < result.value


def test_frechet_distance_of_few_points_is_that_of_their_covariances():
    pick = rng(0, "few")
    a, b = pick.normal(size=(6, 9)), pick.normal(size=(8, 9)) + 0.3
    one, two = np.cov(a.T), np.cov(b.T)
    values = np.linalg.eigvals(one @ two).real.clip(0)
    plain = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(one + two) - 2 * np.sqrt(values).sum()
    assert frechet_distance(a, b) == pytest.approx(plain, rel=1e-5)
    wide = sample(100, d=65), sample(400, d=65, seed=1)
    assert frechet(*wide, rng(0, "s"), draws=5, singular=True).value > 0
