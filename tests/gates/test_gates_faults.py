"""Planted faults: each does what it says, at its strength, and leaves the given pair alone."""

import numpy as np
import pytest

from busgen.errors import UserError
from busgen.gates.calibration import faults
from busgen.gates.calibration.fault_injection import COPIED
from busgen.gates.calibration.faults import Pair, swap_mask
from busgen.seeds import rng
from busgen.stats.overlap import dice

SIDE = 128


def disc(row, col, radius):
    """Return the mask of a disc."""
    rows, cols = np.indices((SIDE, SIDE))
    return (np.hypot(rows - row, cols - col) <= radius).astype(np.uint8)


def pair():
    """Return an image that darkens with depth, a lesion in it, malignant."""
    rows, cols = np.indices((SIDE, SIDE))
    grain = rng(1, "grain").normal(0, 12, (SIDE, SIDE))
    image = np.clip(150 - 0.7 * rows + 0.2 * cols + grain, 1, 250).astype(np.uint8)
    return Pair(image, disc(50, 60, 20), True, "hypoechoic")


EVERY = {
    "blank": faults.blank_part,
    "noise": faults.replace_by_noise,
    "upside_down": faults.flip,
    "overlay": faults.add_overlay,
    "shifted": faults.shift,
    "blurred": faults.blur,
    "mislabelled": faults.swap_label,
    "relit": faults.brighten_lesion,
    "contrary_band": faults.invert_band,
    **{name: plant for name, (plant, _) in COPIED.items()},
}


@pytest.mark.parametrize("name", EVERY)
def test_no_strength_is_no_fault_and_the_given_pair_stays(name):
    given, kept = pair(), pair()
    same = EVERY[name](given, rng(0, name), 0.0)
    np.testing.assert_array_equal(same.image, kept.image)
    np.testing.assert_array_equal(same.mask, kept.mask)
    assert same.malignant is True
    strength = 0.1 if name == "crop" else 1.0
    generated = EVERY[name](given, rng(0, name), strength)
    again = EVERY[name](given, rng(0, name), strength)
    np.testing.assert_array_equal(given.image, kept.image)
    np.testing.assert_array_equal(given.mask, kept.mask)
    np.testing.assert_array_equal(generated.image, again.image)
    assert (generated.image.dtype, generated.image.shape, generated.mask.max()) == (
        np.uint8,
        (SIDE, SIDE),
        1,
    )


def test_blank_is_of_one_level_and_half_of_it_keeps_half_the_contrast():
    assert len(np.unique(faults.blank_part(pair(), rng(0, "a"), 1.0).image)) == 1
    half = faults.blank_part(pair(), rng(0, "a"), 0.5).image
    assert half.std() == pytest.approx(pair().image.std() / 2, rel=0.02)


def test_noise_has_the_images_levels_and_no_anatomy():
    generated = faults.replace_by_noise(pair(), rng(0, "n"), 1.0).image
    assert generated.mean() == pytest.approx(pair().image.mean(), abs=1)
    assert generated.std() == pytest.approx(pair().image.std(), rel=0.05)
    assert abs(np.corrcoef(generated[1:].ravel(), generated[:-1].ravel())[0, 1]) < 0.03


def test_upside_down_takes_the_mask_along():
    generated = faults.flip(pair(), rng(0, "u"), 1.0)
    np.testing.assert_array_equal(generated.image, pair().image[::-1])
    np.testing.assert_array_equal(generated.mask, pair().mask[::-1])


def test_overlays_are_bright_strokes_and_more_of_them_cover_more():
    changed = [
        (faults.add_overlay(pair(), rng(0, "o"), count).image != pair().image).mean()
        for count in (1, 2, 5)
    ]
    assert 0 < changed[0] < changed[1] < changed[2] < 0.5


def test_copies_change_what_they_say():
    base = pair()
    sd = (faults.add_noise(base, rng(0, "w"), 8).image - base.image.astype(float)).std()
    assert sd == pytest.approx(8, rel=0.05)
    np.testing.assert_array_equal(faults.mirror(base, rng(0, "m"), 1).image, base.image[:, ::-1])
    ratio = faults.brighten(base, rng(0, "b"), 0.25).image.mean() / base.image.mean()
    assert min(abs(ratio - 1.25), abs(ratio - 0.8)) < 0.02
    window = faults.crop(base, rng(0, "c"), 0.25)
    assert window.mask.sum() > base.mask.sum()
    bent = faults.deform(base, rng(0, "e"), 12)  # 6 px at this side
    assert 0.6 < dice(bent.mask, base.mask) < 1
    assert abs(int(bent.mask.sum()) - int(base.mask.sum())) < 0.3 * base.mask.sum()


def test_a_shifted_mask_keeps_its_shape_and_image():
    generated = faults.shift(pair(), rng(0, "s"), 10)
    center = np.argwhere(generated.mask).mean(axis=0) - np.argwhere(pair().mask).mean(axis=0)
    assert np.hypot(*center) == pytest.approx(10, abs=1)
    np.testing.assert_array_equal(generated.image, pair().image)


def test_blur_takes_fine_structure_away():
    generated = faults.blur(pair(), rng(0, "b"), 2).image.astype(float)
    assert np.diff(generated).std() < 0.4 * np.diff(pair().image.astype(float)).std()


def test_a_relit_lesion_changes_inside_by_what_is_said():
    generated, inside = faults.brighten_lesion(pair(), rng(0, "r"), 40), disc(50, 60, 14) > 0
    change = generated.image.astype(float) - pair().image
    assert np.abs(np.abs(change[inside]) - 40).max() < 1.5
    assert np.abs(change[disc(50, 60, 27) == 0]).max() == 0


@pytest.mark.parametrize(
    ("stated", "sign"), [("shadowing", 1), ("enhancement", -1), ("none", -1), (None, -1)]
)
def test_a_contrary_band_is_not_what_is_said_of_it(stated, sign):
    given = Pair(pair().image, pair().mask, True, "hypoechoic", stated)
    change = faults.invert_band(given, rng(0, "c"), 30).image.astype(float) - given.image
    assert change[85, 60] == pytest.approx(sign * 30, abs=1.5)
    assert change[50, 60] == change[30, 20] == 0
    nothing = Pair(pair().image, 0 * pair().mask, None)
    assert faults.invert_band(nothing, rng(0, "c"), 30) == nothing


def test_a_wrong_label_is_the_other_class_and_none_stays_none():
    assert faults.swap_label(pair(), rng(0, "l"), 1).malignant is False
    nothing = Pair(pair().image, 0 * pair().mask, None)
    assert faults.swap_label(nothing, rng(0, "l"), 1).malignant is None


def test_a_swapped_mask_is_another_lesions_far_from_the_own():
    near, far, none = disc(52, 60, 20), disc(100, 100, 20), disc(0, 0, 0) * 0
    generated = swap_mask(pair(), [near, none, far], rng(0, "s"))
    np.testing.assert_array_equal(generated.mask, far)
    with pytest.raises(UserError, match=r"less than 0\.3, got none of 2"):
        swap_mask(pair(), [near, none], rng(0, "s"))
