"""What is learned of real images: recovered from images whose look is known."""

import numpy as np
import pytest

from busgen.errors import UserError
from busgen.gates import judged_scores, lesion_intensity
from busgen.gates.calibration import fit as calibration_fit
from busgen.gates.calibration.faults import Pair
from busgen.gates.image_checks import SIDE, measure
from busgen.seeds import rng


def tissue(k):
    """Return speckle that fades with depth, by how much is the image's own."""
    pick = rng(k, "tissue")
    fade = np.exp(-pick.uniform(1, 3) * np.linspace(0, 1, SIDE))[:, None]
    grain = pick.rayleigh(1, (SIDE, SIDE)) / 1.25
    return np.clip((20 + pick.uniform(80, 140) * fade) * grain, 1, 250).astype(np.uint8)


def test_a_look_knows_its_own_images_and_what_is_up():
    look = calibration_fit.fit_images(np.array([tissue(k) for k in range(40)]))
    own = measure(tissue(99))
    turned = measure(np.ascontiguousarray(tissue(99)[::-1]))
    assert look.orientation_check(own) > 0 > look.orientation_check(turned)
    assert look.anomaly(own) < look.anomaly(turned)


def lesions(n=24, side=128):
    """Return dark discs in speckle with their masks."""
    rows, cols = np.indices((side, side))
    images, masks = [], []
    for k in range(n):
        pick = rng(k, "lesion")
        row, col, radius = [*pick.uniform(30, 98, 2).tolist(), pick.uniform(10, 18)]
        mask = np.hypot(rows - row, cols - col) <= radius
        grain = pick.rayleigh(1, (side, side)) / 1.25
        images.append(np.clip(np.where(mask, 35, 110) * grain, 1, 250))
        masks.append(mask)
    return np.array(images, np.uint8), np.array(masks, np.uint8)


def test_own_masks_are_told_from_swapped_ones(tmp_path, monkeypatch):
    images, masks = lesions()
    find = dict(zip((image.tobytes() for image in images), masks, strict=True))

    def segment(pictures):
        return np.array([0.05 + 0.9 * find[p.tobytes()] for p in pictures], np.float32)

    fit = calibration_fit.fit_masks(images, masks, segment)
    probabilities = segment(images)
    own = [fit.log_odds(judged_scores.measure(*one))
           for one in zip(images, masks, probabilities, strict=True)]  # fmt: skip
    other = [fit.log_odds(judged_scores.measure(*one))
             for one in zip(
                 images, np.roll(masks, 64, axis=1), probabilities, strict=True)]  # fmt: skip
    assert min(own) > 0 > np.median(other)
    calibration_fit.save(tmp_path / judged_scores.FIT, vars(fit))
    monkeypatch.setattr(judged_scores, "GATES", tmp_path)
    judged_scores.load_shipped.cache_clear()
    again = judged_scores.load_shipped().log_odds(
        judged_scores.measure(images[0], masks[0], probabilities[0])
    )
    judged_scores.load_shipped.cache_clear()
    assert again == pytest.approx(own[0], rel=1e-3)


def described(k, term, level):
    """Return a pair whose lesion has a grey level, said to be of a term."""
    rows, cols = np.indices((SIDE, SIDE))
    mask = (np.hypot(rows - 110, cols - 128) <= 30 + k % 9).astype(np.uint8)
    grain = rng(k, "described").rayleigh(1, (SIDE, SIDE)) / 1.25
    image = np.clip(np.where(mask, level, 120 - 0.2 * rows) * grain, 1, 250)
    return Pair(image.astype(np.uint8), mask, None, term, "none")


def test_terms_are_told_by_the_grey_levels_they_were_learned_from():
    pairs = [described(k, "hypoechoic", 50) for k in range(12)]
    pairs += [described(k, "hyperechoic", 190) for k in range(12, 24)]
    pairs += [described(k, "isoechoic", 105) for k in range(24, 28)]  # too few
    numbers = np.array([lesion_intensity.measure(pair.image, pair.mask) for pair in pairs])
    terms = calibration_fit.fit_terms(
        lesion_intensity.select(numbers, "echo_pattern"), [p.echo_pattern for p in pairs]
    )
    assert terms.n == {"hypoechoic": 12, "hyperechoic": 12}
    dark = lesion_intensity.measure(*_pixels(described(99, None, 50)))
    own = lesion_intensity.select(dark, "echo_pattern")
    assert terms.log_odds(own, "hypoechoic") > 0 > terms.log_odds(own, "hyperechoic")
    assert terms.log_odds(own, "isoechoic") is None
    assert terms.log_odds(own * np.nan, "hypoechoic") is None


def test_regions_know_their_own_lesions():
    pairs = [described(k, None, 45 + k % 12) for k in range(24)]
    found = calibration_fit.fit_regions(
        np.array([lesion_intensity.measure(*_pixels(pair)) for pair in pairs])
    )
    own, lit = (
        lesion_intensity.measure(*_pixels(described(99, None, level))) for level in (50, 200)
    )
    assert found.n == 24
    levels = len(lesion_intensity.LEVELS)
    assert found.distance(own[:levels]) < 2 < found.distance(lit[:levels])


def _pixels(pair):
    return pair.image, pair.mask


def test_lesions_that_are_all_alike_teach_nothing():
    images, masks = lesions(2)
    with pytest.raises(UserError, match="give masks of more lesions"):
        calibration_fit.fit_masks(
            images, masks[[0, 0]], lambda pictures: np.zeros(pictures.shape, np.float32)
        )
