"""Draws of whole patients, and the intervals that they give."""

import numpy as np
import pytest

from busgen.seeds import rng
from busgen.stats.patients import counts_of_draws, interval, mean_score, moved_interval

PATIENTS = np.array(["a", "b", "b", "c", "c", "c"])


def test_a_patient_is_drawn_whole_and_as_many_as_there_are():
    drawn = counts_of_draws(PATIENTS, rng(0, "draws"), 50)
    for name in "bc":
        assert (np.ptp(drawn[:, name == PATIENTS], axis=1) == 0).all()
    assert (drawn[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_interval_of_a_mean_is_the_central_limits():
    values = rng(1, "values").normal(size=400)
    low, high = interval(mean_score(values), np.arange(400), rng(0, "interval"))
    error = values.std() / 20
    assert (low, high) == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * error, abs=0.01)


def test_images_that_say_the_same_widen_the_interval():
    values = rng(1, "values").normal(size=40).repeat(9)
    alone = interval(mean_score(values), np.arange(360), rng(0, "interval"))
    together = interval(mean_score(values), np.arange(40).repeat(9), rng(0, "interval"))
    assert np.ptp(together) == pytest.approx(3 * np.ptp(alone), rel=0.15)


def test_draws_without_a_score_are_left_out():
    def score(rows):
        return float("nan") if 0 not in rows else 1.0

    assert interval(score, np.arange(6), rng(0, "interval")) == [1.0, 1.0]


def test_an_interval_spans_what_two_patients_say_whatever_their_views():
    values, patients = np.array([1.0] * 9 + [3.0]), np.array(["a"] * 9 + ["b"])
    assert interval(mean_score(values), patients, rng(0, "two")) == [1.0, 3.0]


def test_an_interval_is_moved_to_its_value():
    boot = np.linspace(0, 1, 101)
    assert moved_interval(0.2, boot) == pytest.approx((0.2 - 0.475, 0.2 + 0.475))
