"""Figures with intervals, against closed forms, published values and another implementation."""

from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp
from sklearn.metrics import roc_auc_score

from busgen.reader_study.records import CALLED_SYNTHETIC
from busgen.stats.mrmc import (
    Parts,
    Ratings,
    auc_interval,
    newcombe,
    pool,
    roc,
    score_reader,
    split_auc,
    split_shares,
)
from busgen.stats.proportions import wilson_interval


def drawn(readers: int, m: int, n: int, shift: float, seed: int = 0) -> Ratings:
    """Return ratings of readers who tell a little, some images being easier to all."""
    rng = np.random.default_rng(seed)
    synthetic = shift + rng.normal(size=m) + rng.normal(size=(readers, m))
    real = rng.normal(size=n) + rng.normal(size=(readers, n))
    return Ratings(*(np.clip(np.rint(3.5 + one), 1, 6) for one in (synthetic, real)))


def test_auc_is_sklearns_with_ties():
    ratings = drawn(3, 17, 23, 0.8)
    truth = np.repeat([1, 0], [17, 23])
    both = np.concatenate([ratings.synthetic, ratings.real], axis=1)
    expected = [roc_auc_score(truth, one) for one in both]
    np.testing.assert_allclose(split_auc(ratings).values, expected)


def test_delongs_variance_by_hand():
    parts = split_auc(Ratings(np.array([[2.0, 4.0]]), np.array([[1.0, 3.0]])))
    np.testing.assert_allclose(parts.synthetic, [[0.5, 1.0]])  # beats 1 of 2, beats both
    np.testing.assert_allclose(parts.real, [[1.0, 0.5]])
    assert parts.values == 0.75
    assert parts.covariance()[0, 0] == pytest.approx(0.125 / 2 + 0.125 / 2)


def test_shares_count_ratings_of_4_and_above():
    ratings = Ratings(np.array([[3.0, 4, 6, 5]]), np.array([[1.0, 3, 4, 2]]))
    parts = split_shares(ratings, CALLED_SYNTHETIC)
    assert {name: part.values.tolist() for name, part in parts.items()} == {
        "sensitivity": [0.75],
        "specificity": [0.75],
        "accuracy": [0.75],
    }
    figure = score_reader("accuracy", parts["accuracy"], 0)
    assert (figure.n, figure.interval) == (8, wilson_interval(6, 8))
    assert score_reader("sensitivity", parts["sensitivity"], 0).interval == wilson_interval(3, 4)
    # the variance of a share is p (1 - p) / (n - 1), that of the accuracy the strata's together
    assert parts["sensitivity"].covariance()[0, 0] == pytest.approx(0.75 * 0.25 / 3)
    assert parts["accuracy"].covariance()[0, 0] == pytest.approx(2 * 0.75 * 0.25 / 3 / 4)


def test_an_auc_s_interval_is_delongs_on_the_logit_scale():
    parts = split_auc(drawn(1, 30, 30, 1.0))
    value, spread = float(parts.values[0]), sqrt(parts.covariance()[0, 0])
    figure = score_reader("auc", parts, 0)
    for end, sign in zip(figure.interval, (-1, 1), strict=True):
        x = log(value / (1 - value)) + sign * 1.959964 * spread / (value * (1 - value))
        assert end == pytest.approx(1 / (1 + exp(-x)), abs=1e-6)
    apart = log(value / (1 - value)) * value * (1 - value) / spread
    assert figure.p == pytest.approx(2 * norm.sf(abs(apart)))


@pytest.mark.parametrize("seed", range(40))
def test_an_auc_s_p_and_interval_agree_on_chance(seed):
    figure = score_reader("auc", split_auc(drawn(1, 20, 20, 0.6, seed)), 0)
    assert (figure.p < 0.05) == (not figure.interval[0] <= 0.5 <= figure.interval[1])


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_an_auc_without_variance_has_an_interval_with_width(value):
    ratings = {0.0: (1.0, 6.0), 0.5: (3.0, 3.0), 1.0: (6.0, 1.0)}[value]
    parts = split_auc(Ratings(*(np.full((1, 20), one) for one in ratings)))
    figure = score_reader("auc", parts, 0)
    low, high = figure.interval
    assert (figure.value, figure.p) == (value, None)
    assert low <= value <= high
    assert 0.05 < high - low < 0.4
    assert (low == 0, high == 1) == (value == 0, value == 1)


@pytest.mark.parametrize("value", [0.2, 0.5, 0.9])
def test_newcombes_ends_solve_his_equation(value):
    m, n = 12, 30
    mean = (m + n) / 2 - 1
    for end in newcombe(value, (m, n)):
        spread = 1 + mean * (1 - end) / (2 - end) + mean * end / (1 + end)
        error = sqrt(end * (1 - end) * spread / (m * n))
        assert abs(value - end) == pytest.approx(1.959964 * error, rel=1e-5)
    assert newcombe(1 - value, (m, n)) == pytest.approx(
        [1 - x for x in newcombe(value, (m, n))][::-1]
    )


def test_readers_who_agree_wholly_are_pooled_as_one():
    one = drawn(1, 25, 25, 0.7)
    parts = split_auc(Ratings(*(np.repeat(part, 4, axis=0) for part in (one.synthetic, one.real))))
    figure, spread = pool("auc", parts), sqrt(parts.covariance()[0, 0])
    assert figure.value == pytest.approx(parts.values[0])
    half = 1.959964 * spread
    assert figure.interval == pytest.approx((figure.value - half, figure.value + half), abs=1e-6)


def test_readers_whose_images_have_nothing_in_common_are_a_sample_of_readers():
    values = np.array([0.55, 0.61, 0.7, 0.52])
    # orthogonal parts: no covariance between readers over images
    part = np.array([[1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1], [0, 0, 0, 0]], float)
    parts = Parts(values, part, np.zeros((4, 4)))
    figure, test = pool("auc", parts), ttest_1samp(values, 0.5)
    assert figure.interval == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert figure.p == pytest.approx(test.pvalue)


def test_the_pooled_interval_holds_what_it_says():
    truth = 0.5
    held = []
    for seed in range(300):
        low, high = pool("auc", split_auc(drawn(4, 20, 20, 0.0, seed))).interval
        held.append(low <= truth <= high)
    assert 0.92 <= np.mean(held) <= 0.99


def test_one_reader_is_not_pooled_and_readers_without_spread_get_a_width():
    ratings = drawn(1, 12, 12, 0.5)
    assert pool("auc", split_auc(ratings)) is None
    sure = Ratings(np.full((3, 20), 6.0), np.full((3, 20), 1.0))
    figure = pool("auc", split_auc(sure))
    assert (figure.value, figure.p) == (1.0, None)
    assert figure.interval == newcombe(1.0, (20, 20)) == auc_interval(1.0, 0.0, (20, 20))
    assert pool(
        "sensitivity", split_shares(sure, CALLED_SYNTHETIC)["sensitivity"]
    ).interval == wilson_interval(20, 20)


def test_roc_goes_from_nothing_to_everything_called_synthetic():
    ratings = drawn(2, 30, 40, 1.0)
    points = roc(ratings, range(2, 7))
    assert points.shape == (2, 7, 2)
    np.testing.assert_array_equal(points[:, [0, -1]], [[[0, 0], [1, 1]]] * 2)
    area = np.trapezoid(points[:, :, 1], points[:, :, 0], axis=1)
    np.testing.assert_allclose(area, split_auc(ratings).values)
