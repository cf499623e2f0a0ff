"""Distances with known answers: KS, its bootstrap by patient, its floor between patients."""

import numpy as np
import pytest
from scipy import stats

from busgen.seeds import rng
from busgen.stats.ks import ks, ks_distance, make_draws, summarise


def test_ks_is_scipys():
    for k in range(20):
        pick = rng(k, "ks")
        a, b = pick.integers(0, 9, 30).astype(float), pick.integers(2, 11, 45).astype(float)
        assert ks(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert ks(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1.0


def test_distance_to_a_shifted_uniform_is_the_shift():
    own, real = (np.arange(1000) + 0.5) / 1000 + 0.3, (np.arange(200) + 0.5) / 200
    result = summarise([ks_distance(own, real, make_draws(1000, np.arange(200), rng(0, "d")))])
    assert result["value"] == pytest.approx(0.3, abs=0.005)
    assert result["interval"][0] < 0.3 < result["interval"][1]
    assert (result["n"], result["n_real"]) == (1000, 200)
    # mean of the Kolmogorov distribution is .8687, scaled by sqrt(1/n + 1/m)
    assert result["floor"] == pytest.approx(0.8687 * (1 / 1000 + 1 / 200) ** 0.5, rel=0.1)


def test_equal_distributions_score_the_floor():
    pick = rng(1, "d")
    result = [
        summarise(
            [ks_distance(pick.random(60), pick.random(40), make_draws(60, np.arange(40), pick))]
        )
        for _ in range(40)
    ]
    values, floors = ([one[key] for one in result] for key in ("value", "floor"))
    assert np.mean(values) == pytest.approx(np.mean(floors), rel=0.1)


def test_patients_with_many_images_widen_interval_and_floor():
    pick = rng(2, "d")
    own, real = pick.random(400), pick.random(40).repeat(10)  # a patient's images say the same
    alone = summarise([ks_distance(own, real, make_draws(400, np.arange(400), rng(0, "p")))])
    together = summarise(
        [ks_distance(own, real, make_draws(400, np.arange(40).repeat(10), rng(0, "p")))]
    )
    assert together["floor"] > 2 * alone["floor"]
    assert np.ptp(together["interval"]) > 1.5 * np.ptp(alone["interval"])


def test_a_patient_stands_in_one_half_and_is_drawn_whole():
    patients = np.array([5, 5, 9, 9, 9, 2])
    draws = make_draws(4, patients, rng(3, "d"))
    for name in (5, 9):
        own = patients == name
        assert (draws.half[:, own].all(axis=1) == draws.half[:, own].any(axis=1)).all()
        assert (np.ptp(draws.real[:, own], axis=1) == 0).all()
    assert (draws.own.sum(axis=1) == 4).all()
    assert (draws.half.any(axis=1) & ~draws.half.all(axis=1)).all()


def test_what_does_not_apply_is_left_out():
    own, real = np.array([1.0, np.nan, 2.0, 3.0]), np.array([np.nan, 1.0, 2.0, 3.0, np.nan])
    result = ks_distance(own, real, make_draws(4, np.arange(5), rng(4, "d")))
    assert (result.value, result.n, result.n_real) == (0.0, 3, 3)


def test_a_mean_of_distances_keeps_the_smaller_n():
    pick = rng(2, "d")
    parts = [
        ks_distance(pick.random(n), pick.random(40), make_draws(n, np.arange(40), pick))
        for n in (50, 30)
    ]
    result = summarise(parts)
    assert result["n"] == 30
    assert result["value"] == pytest.approx(np.mean([one.value for one in parts]), abs=1e-4)
