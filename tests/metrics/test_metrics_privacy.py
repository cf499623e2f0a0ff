"""Privacy: planted copies are detected, independent draws are as near to either side."""

import numpy as np
import pytest

from busgen.errors import UserError
from busgen.metrics import distribution
from busgen.metrics.privacy import score_privacy
from busgen.metrics.spaces import outline
from busgen.metrics.spaces.outline import SIDE, embed, make_space
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample

D = 6


def patients(n, kind):
    """Return n images of n / 2 patients, two of one patient .1 from each other."""
    pick = rng(0, kind)
    middle = np.repeat(pick.normal(size=(n // 2, D)), 2, axis=0)
    groups = np.array([f"{kind}-{k // 2}" for k in range(n)])
    return Sample(middle + pick.normal(0, 0.1 / np.sqrt(2 * D), (n, D)), groups)


def drawn(n, kind):
    """Return n images of families of their own."""
    return Sample(rng(1, kind).normal(size=(n, D)), np.array([f"{kind}-{k}" for k in range(n)]))


@pytest.fixture(scope="module")
def real():
    """Return training and held-out images, four times as many of the former."""
    return patients(400, "train"), patients(100, "held")


def told(made, real, seed=0):
    return score_privacy(made, *real, distribution.distances, rng(seed, "privacy"), draws=60)


def test_independent_draws_are_as_near_to_training_as_to_held_out_patients(real):
    found = told(drawn(300, "made"), real).scores
    assert found["ratio"].value == pytest.approx(1, abs=0.06)
    assert found["ratio"].interval[0] < 1 < found["ratio"].interval[1]
    assert found["nearer"].value == pytest.approx(0.5, abs=0.08)
    assert found["nearer"].interval[0] < 0.5 < found["nearer"].interval[1]
    assert found["same_patient"].value < 0.02
    for score in found.values():
        assert score.n == 300


def test_planted_copies_are_caught(real):
    training, _ = real
    copied = training.points[::4] + rng(2, "noise").normal(0, 0.005, (100, D))
    generated = drawn(100, "made")
    half = Sample(
        np.concatenate([copied, generated.points]), np.array([f"m{k}" for k in range(200)])
    )
    clean, found = told(generated, real).scores, told(half, real).scores
    assert found["same_patient"].value == pytest.approx(0.5, abs=0.02)
    assert found["same_patient"].value > found["same_patient"].floor_limit
    assert found["inauthentic"].value > clean["inauthentic"].value + 0.2
    whole = told(Sample(copied, half.groups[:100]), real).scores
    assert whole["nearer"].value == pytest.approx(0.25 + 0.75 / 2, abs=0.05)  # a quarter is drawn
    assert whole["ratio"].value < clean["ratio"].value
    assert whole["inauthentic"].value == 1.0


def test_a_generator_that_knows_all_training_patients_has_a_ratio_of_nought():
    training, held_out = patients(60, "train"), patients(60, "held")
    found = told(Sample(training.points, training.groups), (training, held_out)).scores
    assert found["ratio"].value < 1e-6
    assert found["nearer"].value == 1.0
    assert found["ratio"].value < found["ratio"].floor_limit < 1


def test_held_out_images_are_not_compared_with_their_own_patient(real):
    _, held_out = real
    found = told(drawn(60, "made"), real).scores
    assert found["ratio"].floor == pytest.approx(1, abs=0.1)  # own patients are .1 apart
    assert found["same_patient"].floor < 0.05
    assert told(Sample(held_out.points, held_out.groups), real).scores["nearer"].value == 0.0


def test_the_threshold_is_of_pairs_of_one_patient_and_missing_without_them(real):
    found = told(drawn(60, "made"), real)
    assert found.pairs == 250
    assert 0.02 < found.threshold < 0.1
    single = drawn(60, "train"), drawn(60, "held")
    found = told(drawn(60, "made"), single)
    assert found.threshold is None
    assert found.skipped == {"same_patient": "0 pairs of a patient: below 20"}
    assert set(found.scores) == {"ratio", "nearer", "inauthentic"}


def test_the_same_seed_gives_the_same_numbers(real):
    assert told(drawn(60, "made"), real) == told(drawn(60, "made"), real)


def test_too_few_images_are_refused(real):
    with pytest.raises(UserError, match="privacy needs 20 images"):
        told(drawn(19, "made"), real)
    one = Sample(real[1].points, np.full(100, "one"))
    with pytest.raises(UserError, match="of some patients"):
        told(drawn(60, "made"), (real[0], one))


def ellipse(height, width, row=64, col=64):
    y, x = np.mgrid[:128, :128]
    return (((y - row) / height) ** 2 + ((x - col) / width) ** 2 <= 1).astype(np.uint8)


def test_outlines_forget_place_size_and_side_and_keep_proportions():
    one = ellipse(20, 30)
    one[60:64, 64:100] = 1  # a spicule to the right
    moved = np.roll(one, (9, -5), axis=(0, 1))
    mirrored = one[:, ::-1]
    larger = np.kron(one, np.ones((2, 2), np.uint8))[64:192, 64:192]
    round_one = ellipse(25, 25)
    laid = embed(np.stack([one, moved, mirrored, larger, round_one]))
    assert laid.shape == (5, SIDE * SIDE)
    found = outline.distances(laid, laid)
    assert found == pytest.approx(found.T)
    assert np.diag(found) == pytest.approx(0)
    assert found[0, 1] == pytest.approx(0)
    assert found[0, 2] == pytest.approx(0)
    assert found[0, 3] < 0.15
    assert found[0, 4] > 0.2


def test_iou_is_that_of_the_shapes():
    tall, wide = np.zeros((2, 64, 64), np.uint8)
    tall[:48, 20:32] = 1  # 48 x 12 in a box of 48
    wide[:48, 20:44] = 1  # 48 x 24
    found = outline.distances(embed(tall[None]), embed(wide[None]))
    assert found[0, 0] == pytest.approx(1 - 12 / 24)


def test_a_image_without_lesion_has_no_outline():
    found = make_space().embed(np.zeros((2, 64, 64), np.uint8), np.stack([ellipse(9, 9)] * 2) * 0)
    assert np.isnan(found).all()
