"""Metrics, bootstrap and Holm's correction against closed forms."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from busgen.stats.overlap import dice, hd95, iou, largest_part
from busgen.stats.roc import auc
from busgen.stats.two_way_bootstrap import (
    Estimate,
    auc_score,
    ece_score,
    estimate,
    mean_score,
    patient_weights,
    reflect,
    resample,
    sensitivity_score,
)


def square(row: int, col: int, side: int = 10, of: int = 40) -> np.ndarray:
    mask = np.zeros((of, of), np.bool_)
    mask[row : row + side, col : col + side] = True
    return mask


def ones(n: int) -> np.ndarray:
    return np.ones((1, n))


def test_overlap_of_squares_is_counted():
    wanted = np.stack([square(5, 5), square(5, 5), square(5, 5), square(0, 0, 0), square(0, 0, 0)])
    found = np.stack([square(5, 10), square(5, 5), square(20, 20), square(0, 0, 0), square(5, 5)])
    assert dice(found, wanted).tolist() == [0.5, 1, 0, 1, 0]  # two empty masks agree
    assert iou(found, wanted).tolist() == [1 / 3, 1, 0, 1, 0]
    assert float(dice(found[0], wanted[0])) == 0.5


def test_hd95_of_lines_is_their_distance_and_of_shifted_squares_the_shift():
    line, far = np.zeros((2, 40, 40), np.bool_)
    line[10, 5:35], far[17, 5:35] = True, True
    assert hd95(line, far) == 7.0
    assert hd95(square(5, 5), square(5, 5)) == 0.0
    assert hd95(square(5, 5), square(5, 9)) == 4.0
    longer = line.copy()
    longer[10, 35] = True  # one pixel of 31: the percentile hardly sees it
    assert hd95(longer, line) == 0.0


def test_hd95_is_the_diagonal_where_nothing_is_found_and_nan_where_nothing_is_there():
    nothing = np.zeros((30, 40), np.bool_)
    assert hd95(nothing, square(5, 5)[:30]) == 50.0
    assert np.isnan(hd95(square(5, 5)[:30], nothing))


def test_the_largest_part_is_the_lesion():
    probabilities = np.zeros((40, 40), np.float32)
    probabilities[square(5, 5)], probabilities[30, 30] = 0.9, 0.9
    assert (largest_part(probabilities) == square(5, 5)).all()
    assert not largest_part(0 * probabilities).any()


def test_auc_with_weights_is_that_of_repeated_images():
    rng = np.random.default_rng(0)
    probabilities, truth = np.round(rng.random(30), 1), rng.random(30) < 0.4
    counts = rng.integers(0, 4, (5, 30))
    found = auc_score(truth, probabilities)(counts.astype(np.float64))
    for value, times in zip(found, counts, strict=True):
        rows = np.repeat(np.arange(30), times)
        assert value == pytest.approx(roc_auc_score(truth[rows], probabilities[rows]))
    assert auc_score(truth, probabilities)(ones(30))[0] == pytest.approx(auc(truth, probabilities))
    assert np.isnan(auc_score(np.ones(30, np.bool_), probabilities)(ones(30))[0])


def test_sensitivity_at_specificity():
    truth = np.array([0] * 10 + [1] * 4, np.bool_)
    probabilities = np.array([*np.linspace(0, 0.45, 10), 0.9, 0.5, 0.42, 0.1])
    assert (
        sensitivity_score(truth, probabilities)(ones(14))[0] == 0.75
    )  # one of ten false alarms: .45
    assert sensitivity_score(truth, probabilities, 1.0)(ones(14))[0] == 0.5
    assert sensitivity_score(truth, np.full(14, 0.5))(ones(14))[0] == 0.0  # ties are told together
    assert np.isnan(
        sensitivity_score(truth, probabilities)(np.append(ones(10), np.zeros((1, 4)), 1))[0]
    )


def test_calibration_of_known_chances():
    truth = np.array([1, 0, 0, 0, 1, 1, 1, 0], np.bool_)
    probabilities = np.array([0.25] * 4 + [0.75] * 4)
    assert ece_score(truth, probabilities)(ones(8))[0] == 0.0
    assert mean_score((probabilities - truth) ** 2)(ones(8))[0] == pytest.approx(0.1875)
    assert ece_score(truth, np.full(8, 0.9))(ones(8))[0] == pytest.approx(0.4)
    assert ece_score(truth, np.ones(8))(ones(8))[0] == pytest.approx(0.5)


def test_means_leave_out_what_is_not_a_number():
    score = mean_score(np.array([1.0, np.nan, 3.0]))
    assert score(np.array([[1.0, 5, 1], [2, 0, 0]])).tolist() == [2.0, 1.0]
    assert np.isnan(score(np.array([[0.0, 1, 0]]))[0])


def test_patients_are_drawn_whole():
    groups = np.array(["a", "a", "b", "c"])
    weights = patient_weights(groups, 200)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_the_interval_holds_the_spread_of_patients_and_that_of_seeds():
    rng = np.random.default_rng(1)
    patient, seed = rng.normal(0, 1, 100), np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
    weights = patient_weights(np.arange(100).astype(str))
    scores = [mean_score(patient + shift) for shift in seed]
    found = estimate(resample(scores, weights, "x"))
    wanted = np.sqrt(patient.var() / 100 + seed.var(ddof=1) / 5)
    assert found.value == pytest.approx(patient.mean())
    assert np.diff(found.interval)[0] == pytest.approx(2 * norm.ppf(0.975) * wanted, rel=0.08)


def test_p_is_small_where_no_draw_crosses_zero_and_one_where_all_are_zero():
    assert estimate(np.linspace(1, 2, 1000)).p == pytest.approx(2 / 1000)
    assert estimate(np.zeros(1000)).p == 1.0
    assert estimate(np.full(5, np.nan)) is None


def test_auc_of_several_models_counts_pairs_of_one_model():
    truth = np.array([1, 0, 0, 1, 0], np.bool_)
    probabilities = np.array([0.9, 0.8, 0.1, 0.3, 0.2])
    of = np.array([0, 0, 0, 1, 1])
    assert auc_score(truth, probabilities)(ones(5))[0] == pytest.approx(5 / 6)
    assert auc_score(truth, probabilities, of)(ones(5))[0] == 1.0


def test_an_interval_turned_about_its_value_lies_as_far_on_the_other_side():
    turned = reflect(Estimate(0.14, (0.12, 0.30), 0.1))
    assert turned == pytest.approx((0.0, 0.16))


def test_p_can_be_small_enough_for_hundreds_of_comparisons():
    least = estimate(
        resample([mean_score(np.ones(9))], patient_weights(np.arange(9).astype(str)), "")
    )
    assert multipletests([least.p] * 300, method="holm")[1].max() < 0.05
