"""Band, echo level and rim of painted images: signs, exact sizes, and where there is no room."""

from math import isnan

import cv2
import numpy as np
import pytest

from busgen.imaging.surroundings import echo_level, posterior_band, rim_level

ROWS, COLS = np.mgrid[:256, :256]


def ellipse(center=(128, 90), axes=(40, 25)):
    """Return the mask of an ellipse; centre and half axes are (x, y)."""
    mask = np.zeros((256, 256), np.uint8)
    cv2.ellipse(mask, center, axes, 0, 0, 360, 1, -1)
    return mask


def tissue(mask, seed=0):
    """Return float speckle around 100 that darkens with depth, with a darker lesion."""
    speckle = np.random.default_rng(seed).normal(0, 10, mask.shape)
    return 100 - 0.15 * ROWS + speckle - 40 * mask


def painted(picture):
    return np.clip(np.rint(picture), 5, 255).astype(np.uint8)


def below(mask, by):
    """Return `by` behind all columns of the lesion."""
    return by * ((np.cumsum(mask, axis=0) > 0) & (mask == 0) & mask.any(axis=0))


def test_flat_tissue_gives_the_exact_difference_in_grey_levels():
    mask = ellipse()
    image = np.full((256, 256), 100, np.uint8)
    for by in (-30, 0, 30):
        assert posterior_band((image + below(mask, by)).astype(np.uint8), mask) == by


def test_the_bands_sign_is_the_planted_one_and_grows_with_it():
    mask = ellipse()
    bands = [
        posterior_band(painted(tissue(mask) + below(mask, by)), mask) for by in range(-40, 41, 10)
    ]
    assert bands == sorted(bands)
    assert bands[4] == pytest.approx(0, abs=0.1)
    assert bands[0] < -2
    assert bands[-1] > 2
    assert np.diff(bands) == pytest.approx(np.mean(np.diff(bands)), rel=0.15)


def test_depth_gain_and_edge_shadows_are_no_band():
    mask = ellipse()
    steep = painted(tissue(mask) - 0.3 * ROWS + 40)
    assert posterior_band(steep, mask) == pytest.approx(0, abs=0.1)
    edges = (np.abs(np.abs(COLS - 128) - 38) < 3) & (ROWS > 90)
    assert posterior_band(painted(tissue(mask) - 40 * edges), mask) == pytest.approx(0, abs=0.4)


def test_gain_changes_no_measure_but_by_rounding():
    mask = ellipse()
    image = tissue(mask) + below(mask, 20)
    low, high = painted(image), painted(1.6 * image)
    for measure in (posterior_band, rim_level):
        assert measure(high, mask) == pytest.approx(measure(low, mask), abs=0.02)
    assert vars(echo_level(high, mask)) == pytest.approx(vars(echo_level(low, mask)), abs=0.05)


@pytest.mark.parametrize("depth", [229, 231, 255])
def test_a_lesion_at_the_bottom_has_no_band(depth):
    mask = ellipse(center=(128, depth))
    assert isnan(posterior_band(painted(tissue(mask)), mask))


def test_padding_is_no_tissue():
    mask = ellipse(axes=(40, 30))
    image = painted(tissue(mask))
    image[150:] = 0
    assert posterior_band(image, mask) == pytest.approx(0, abs=0.15)
    image[125:] = 0
    assert isnan(posterior_band(image, mask))


def test_levels_tell_no_echo_from_few_and_many():
    mask = ellipse()
    background = tissue(0 * mask)
    levels = [
        echo_level(painted(background * (1 - mask) + mask * grey), mask)
        for grey in (5, 45, 85, 140)
    ]
    assert [level.darkness for level in levels] == sorted(level.darkness for level in levels)
    assert levels[0].darkness < 0.1
    assert levels[1].level < -3
    assert levels[3].level > 3
    assert levels[3].darkness > 1
    assert all(level.over_fat > level.level for level in levels)
    assert all(level.patches == pytest.approx(0, abs=1e-6) for level in levels)


def test_patches_inside_are_seen_and_speckle_is_not():
    mask = ellipse()
    patchy = 25 * np.sin(COLS / 8) * mask
    plain = echo_level(painted(tissue(mask)), mask).patches
    assert plain < 0.4
    assert echo_level(painted(tissue(mask) + patchy), mask).patches > 3 * plain


def test_a_rim_is_bright_where_it_was_painted():
    mask = ellipse()
    rim = (cv2.dilate(mask, np.ones((17, 17), np.uint8)) > 0) & (mask == 0)
    image = np.full((256, 256), 100, np.uint8)
    assert rim_level(image, mask) == 0
    levels = [rim_level(painted(tissue(mask) + by * rim), mask) for by in (-20, 0, 20, 40)]
    assert levels == sorted(levels)
    assert levels[0] < -1
    assert levels[1] == pytest.approx(0, abs=0.3)  # what lies deeper beside it is darker
    assert levels[3] > 2


@pytest.mark.parametrize("mask", [0 * ellipse(), np.ones((256, 256), np.uint8)])
def test_nothing_is_measured_without_a_lesion_or_surroundings(mask):
    image = painted(tissue(mask))
    assert isnan(posterior_band(image, mask))
    assert isnan(rim_level(image, mask))
    assert all(isnan(value) for value in vars(echo_level(image, mask)).values())
