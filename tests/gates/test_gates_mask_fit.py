"""Mask and image: own masks score above others', sure mistakes below honest misses."""

import numpy as np
import pytest

from busgen.gates.judged_scores import MOST, MaskFit, measure, score_mask

SIDE = 128


def disc(row, col, radius=18):
    """Return the mask of a disc."""
    rows, cols = np.indices((SIDE, SIDE))
    return (np.hypot(rows - row, cols - col) <= radius).astype(np.uint8)


def lesion():
    """Return a dark disc in speckle, its mask, and what a segmenter that finds it says."""
    mask = disc(60, 60)
    grain = np.random.default_rng(2).rayleigh(1, (SIDE, SIDE)) / 1.25
    image = np.clip(np.where(mask, 30, 110) * grain, 1, 250).astype(np.uint8)
    return image, mask, np.where(mask, 0.97, 0.02).astype(np.float32)


def test_the_own_mask_fits_and_another_does_not():
    image, mask, probabilities = lesion()
    assert (
        score_mask(image, mask, probabilities) > 0 > score_mask(image, disc(95, 95), probabilities)
    )


def test_a_missed_lesion_fits_better_than_a_mask_beside_one_that_is_found():
    image, mask, probabilities = lesion()
    missed = np.full_like(probabilities, 0.02)
    assert score_mask(image, mask, missed) > score_mask(image, disc(95, 95), probabilities)


def test_an_empty_mask_fits_nothing_and_a_full_one_is_told():
    image, mask, probabilities = lesion()
    assert np.isnan(score_mask(image, 0 * mask, probabilities))
    assert np.isfinite(measure(image, 0 * mask + 1, probabilities)).all()
    one = 0 * mask
    one[0, 0] = 1
    assert np.isfinite(measure(image, one, probabilities)).all()


def test_numbers_name_overlap_first():
    image, mask, probabilities = lesion()
    own, other = measure(image, mask, probabilities), measure(image, disc(110, 110), probabilities)
    assert own[0] == 1
    assert other[0] == 0
    assert own[8] > 1 > other[8]  # darker than what lies beside it


def test_log_odds_are_the_quadratic_form_within_limits():
    fit = MaskFit(np.zeros(2), np.array([1.0, 2.0]), np.array([1.0, 0.0]),
                  np.array([[0.0, 3.0], [0.0, 1.0]]), 0.5)  # fmt: skip
    assert fit.log_odds(np.array([1.0, 2.0])) == pytest.approx(0.5 + 1 + 3 + 1)
    assert fit.log_odds(np.array([1e6, 1e6])) == MOST
