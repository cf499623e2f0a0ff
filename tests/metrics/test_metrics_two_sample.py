"""The two-sample classifier on planted textures, its folds, and how pairs are made."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_judges import ellipses

from busgen.errors import UserError
from busgen.metrics.paired_two_sample import hide_overlays, match_pairs
from busgen.metrics.two_sample import Pairs, Recipe, assign_folds, cross_validate, group_pairs
from busgen.seeds import rng

QUICK = Recipe(folds=2, steps=40, batch=16, patch_px=24, grid=2, widths=(8, 16))


def speckle(n, seed):
    """Return (n, 48, 48) uint8 of smooth noise."""
    pick = rng(seed, "speckle")
    noise = [cv2.GaussianBlur(pick.normal(size=(48, 48)), (0, 0), 1.0) for _ in range(n)]
    return np.clip(110 + 90 * np.stack(noise), 0, 255).astype(np.uint8)


def pairs(synthetic, real):
    n = len(real)
    hide = np.zeros(real.shape, np.bool_)
    return Pairs(synthetic, real, hide, np.arange(n).astype(str), (np.arange(n) // 2).astype(str))


def test_images_of_one_kind_are_not_told_apart():
    found = cross_validate(pairs(speckle(60, 1), speckle(60, 2)), 0, QUICK)
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.n == 60
    assert found.floor_limit == pytest.approx(0.5 + 1.96 * (2 * 121 / 12) ** 0.5 / 60, abs=1e-3)


def test_blurred_images_are_told_apart():
    blurred = np.stack([cv2.GaussianBlur(one, (0, 0), 1.0) for one in speckle(60, 1)])
    found = cross_validate(pairs(blurred, speckle(60, 2)), 0, QUICK)
    assert found.value >= 0.8
    assert found.interval[0] > 0.7


def test_numbers_follow_the_seed_and_not_the_workers():
    generated = pairs(speckle(24, 1), speckle(24, 2))
    quick = replace(QUICK, steps=4)
    one = cross_validate(generated, 5, quick)
    assert cross_validate(generated, 5, replace(quick, workers=1)) == one
    assert cross_validate(generated, 6, quick) != one


def test_what_is_hidden_tells_nothing():
    bright = speckle(60, 1)
    bright[:, 10:20, 10:20] = 255
    generated = pairs(bright, speckle(60, 2))
    hide = generated.hidden.copy()
    hide[:, 10:20, 10:20] = True
    assert cross_validate(generated, 0, QUICK).value > 0.9
    found = cross_validate(replace(generated, hidden=hide), 0, QUICK)
    assert 1 - found.floor_limit < found.value < found.floor_limit


def test_folds_keep_patients_and_families_together():
    groups = group_pairs(np.array(list("aabcd")), np.array(list("vwwxy")))
    assert [len(set(groups[k])) for k in ([0, 1, 2], [2, 3, 4])] == [1, 3]
    many = np.repeat(np.arange(20), 3).astype(str)
    place = assign_folds(many, 3, rng(0, "folds"))
    assert all(len(set(place[many == name])) == 1 for name in many)
    assert np.ptp(np.bincount(place)) <= 3


def test_pairs_that_cannot_be_tested_are_refused():
    with pytest.raises(UserError, match="4 patients and families or more"):
        cross_validate(pairs(speckle(6, 1), speckle(6, 2)), 0, QUICK)
    with pytest.raises(UserError, match="96 px or more"):
        cross_validate(pairs(speckle(60, 1), speckle(60, 2)))


def test_pairs_are_of_one_class_and_scanner():
    real = ellipses(60)
    other = real.pick(rng(0, "some").permutation(60)[:40])
    generated = replace(other, groups=np.arange(40).astype(str))
    own, rows = match_pairs(generated, real, rng(0, "m"))
    assert len(own) == len(set(own)) == len(set(rows)) == 40
    for name in ("labels", "scanners"):
        assert (getattr(generated, name)[own] == getattr(real, name)[rows]).all()
    phantom = replace(generated, scanners=np.full(40, "linear"))
    own, rows = match_pairs(phantom, real, rng(0, "m"))
    assert (phantom.labels[own] == real.labels[rows]).all()


def test_images_in_the_stead_of_others_stay_with_them():
    real = ellipses(12)
    own, rows = match_pairs(replace(real, images=real.images[::-1]), real, rng(0, "m"))
    assert own.tolist() == rows.tolist() == list(range(12))
    with pytest.raises(UserError, match="share a class"):
        match_pairs(replace(real, labels=np.full(12, "none")), real, rng(0, "m"))


def test_overlays_of_either_are_hidden_in_both():
    one, two = ellipses(2, side=96), ellipses(2, side=96, seed=1)
    one.ignore[0, 3:6, 4:9] = 1
    two.images[:] = 60
    cv2.putText(two.images[1], "L 12 mm", (8, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    hide = hide_overlays(replace(one, images=np.full_like(one.images, 60)), two)
    assert hide[0].sum() == 15
    assert hide[1, 50:62, 8:60].mean() > 0.2
