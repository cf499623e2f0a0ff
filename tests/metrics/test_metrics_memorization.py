"""Copies: planted ones are all found, other images as seldom as held-out real ones."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from busgen.errors import UserError
from busgen.metrics.memorization import describe, find_copies, nearest, thumbnails
from busgen.metrics.spaces.us64.features import load_model
from busgen.seeds import rng


def scans(n, seed):
    """Return (n, 64, 64) uint8 of layers and blobs, no two alike."""
    pick = rng(seed, "scans")
    images = []
    for _ in range(n):
        coarse = cv2.GaussianBlur(pick.normal(size=(64, 64)), (0, 0), sigmaX=6, sigmaY=3)
        fine = cv2.GaussianBlur(pick.normal(size=(64, 64)), (0, 0), 0.8)
        images.append(110 + 30 * coarse / coarse.std() + 12 * fine / fine.std())
    return np.clip(np.stack(images), 0, 255).astype(np.uint8)


def names(n, kind):
    return np.array([f"{kind}-{k}" for k in range(n)])


@pytest.fixture(scope="module")
def looks():
    """Return looks of training and held-out scans, and the space."""
    space = load_model()
    training = describe(scans(60, 1), names(60, "train"), space)
    return training, describe(scans(60, 2), names(60, "held"), space), space


def test_planted_copies_are_all_flagged_and_others_are_not(looks):
    training, held_out, space = looks
    source = scans(60, 1)[:12]
    copies = {
        "exact": source,
        "mirrored": source[:, :, ::-1],
        "brighter": np.clip(source * 1.08 + 6, 0, 255).astype(np.uint8),
        "noisy": np.clip(source + rng(3, "n").normal(0, 4, source.shape), 0, 255).astype(np.uint8),
    }
    for kind, images in copies.items():
        both = np.concatenate([images, scans(24, 4)])
        generated = describe(both, names(36, "made"), space)
        found = find_copies(generated, training, held_out, rng(0, "c"))
        assert set(range(12)) <= set(found["rows"]), kind
        assert len(found["rows"]) <= 14, kind
        assert found["flagged"] == len(found["rows"]) / 36
        assert found["interval"][0] < found["flagged"] < found["interval"][1]


def test_held_out_images_are_judged_by_other_patients(looks):
    training, held_out, space = looks
    generated = describe(scans(30, 5), names(30, "made"), space)
    found = find_copies(generated, training, held_out, rng(0, "c"))
    assert found["floor"] <= 0.15
    assert found["n_real"] == 60
    assert 0.2 < found["nearer"] < 0.8
    leaked = replace(held_out, groups=training.groups, points=training.points)
    assert find_copies(generated, training, leaked, rng(0, "c"))["nearer_floor"] == 1.0


def test_gain_and_offset_leave_a_thumbnail_as_it_is_and_a_blank_image_has_none():
    one = scans(1, 6)
    other = np.clip(0.7 * one.astype(float) + 20, 0, 255).astype(np.uint8)
    assert (thumbnails(one) * thumbnails(other)).sum() > 0.99
    assert np.abs(thumbnails(np.full((1, 64, 64), 9, np.uint8))).max() < 1e-3


def test_the_nearest_is_found_among_all(looks):
    training, held_out, _ = looks
    points, _ = nearest(held_out, training)
    plain = [min(np.linalg.norm(p - q) for q in training.points) for p in held_out.points]
    assert points == pytest.approx(np.array(plain))


def test_too_few_images_are_refused(looks):
    training, held_out, _ = looks
    one = replace(held_out, groups=np.full(60, "one"))
    with pytest.raises(UserError, match="4 patients or more"):
        find_copies(held_out, training, one, rng(0, "c"))
