"""Regions of a lesion: measured where they lie, scored against what training patients show."""

import cv2
import numpy as np
import pytest

from busgen.gates.image_checks import SIDE, SMALLEST
from busgen.gates.lesion_intensity import (
    LEVELS,
    NUMBERS,
    REGIONS,
    Standard,
    TermLevels,
    load_shipped,
    measure,
    score_lesion,
)
from busgen.schema import BY_NAME


def planted(side=SIDE, **levels):
    """Return speckle of mean 100 with an ellipse in it, its regions of other levels."""
    rows, cols = np.indices((side, side)) * SIDE / side
    mask = ((rows - 120) ** 2 / 30**2 + (cols - 128) ** 2 / 45**2 <= 1).astype(np.uint8)
    image = np.full((side, side), 100.0)
    columns = np.abs(cols - 128) <= 45
    image[columns & (rows < 120)] = levels.get("front", 100)
    image[columns & (rows > 120)] = levels.get("behind", 100)
    image[~columns & (np.abs(cols - 128) <= 62)] = levels.get("beside", 100)
    image[mask > 0] = levels.get("inside", 60)
    grain = np.random.default_rng(1).rayleigh(1, image.shape) / 1.25
    return np.clip(image * grain, 1, 250).astype(np.uint8), mask


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_is_measured_where_it_lies(region):
    plain, lit = measure(*planted()), measure(*planted(**{region: 160}))
    raised = (lit - plain)[: len(LEVELS) : 2]
    assert REGIONS[int(np.argmax(raised))] == region
    assert raised.max() > 0.4


def test_gain_and_size_change_little():
    image, mask = planted(behind=140)
    plain = measure(image, mask)
    np.testing.assert_allclose(measure(image // 2, mask)[:8], plain[:8], atol=0.2)
    large = [cv2.resize(one, (512, 512), interpolation=0) for one in (image, mask)]
    np.testing.assert_allclose(measure(*large), plain, atol=0.05)


def test_a_region_beyond_the_image_is_not_seen():
    image, mask = planted()
    mask = np.concatenate([mask[120:], mask[:120] * 0])  # its lower half, at the top
    numbers = measure(image, mask)
    seen = dict(zip(NUMBERS, np.isfinite(numbers), strict=True))
    assert not seen["front_level"]
    assert seen["inside_level"]
    assert seen["behind_level"]
    assert np.isfinite(score_lesion(image, mask, {})["intensity"])


def test_the_distance_is_mahalanobis_a_dimension_of_what_is_seen():
    regions = Standard(9, np.array([1.0, 0.0]), np.array([[4.0, 0.0], [0.0, 1.0]]))
    assert regions.distance(np.array([5.0, 0.0])) == pytest.approx(np.sqrt(4 / 2))
    assert regions.distance(np.array([5.0, np.nan])) == pytest.approx(2)
    assert np.isnan(regions.distance(np.array([np.nan, np.nan])))


def test_the_log_ratio_is_of_the_term_against_the_mean_of_the_others():
    centres = {"dark": np.array([-1.0]), "grey": np.array([0.0]), "bright": np.array([1.0])}
    terms = TermLevels(dict.fromkeys(centres, 9), centres, np.array([[0.5]]))
    p = {name: np.exp(-((0.3 - c[0]) ** 2)) for name, c in centres.items()}
    expected = np.log(p["bright"] / ((p["dark"] + p["grey"]) / 2))
    assert terms.log_odds(np.array([0.3]), "bright") == pytest.approx(expected)
    assert terms.log_odds(np.array([0.3]), "striped") is None
    assert terms.log_odds(np.array([np.nan]), "dark") is None


def test_what_is_not_asked_is_none():
    image, mask = planted()
    scores = score_lesion(image, mask, {"echo_pattern": None, "posterior": None})
    assert scores["descriptor_agreement"] is None
    assert score_lesion(image, mask * 0, {})["intensity"] != scores["intensity"]
    small = planted(SMALLEST - 1)
    assert set(score_lesion(*small, {"posterior": "none"}).values()) == {None}


def test_a_shadow_agrees_with_shadowing_and_not_with_enhancement():
    image, mask = planted(behind=40)
    result = {
        term: score_lesion(image, mask, {"posterior": term})["descriptor_agreement"]
        for term in ("shadowing", "enhancement")
    }
    assert result["shadowing"] > 0 > result["enhancement"]
    both = {"posterior": "enhancement", "echo_pattern": "hypoechoic"}
    least = score_lesion(image, mask, both)["descriptor_agreement"]
    assert least <= result["enhancement"]


def test_a_lesion_far_brighter_than_any_is_far_off():
    near, far = (score_lesion(*planted(inside=level), {})["intensity"] for level in (60, 250))
    assert far > 1.5 * near


def test_what_ships_tells_how_many_lesions_taught_it():
    regions, terms = load_shipped()
    assert regions.n > 500
    assert regions.centre.shape == (len(LEVELS),)
    for field, own in terms.items():
        assert set(own.n) == set(own.centres)
        assert set(own.n) <= set(BY_NAME[field].values)
        assert min(own.n.values()) >= 7
        assert np.linalg.eigvalsh(own.covariance).min() > 0
