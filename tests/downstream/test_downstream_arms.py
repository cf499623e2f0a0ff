"""What each arm learns from."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_sets import crops

from busgen.downstream.arms import GROUPS, KINDS, find_arm
from busgen.downstream.data.pools import make_pool, paste, shuffle, subsample
from busgen.errors import DataError, UserError

REAL, MADE = crops(12), crops(30, 1)


def drawn(name: str, task: str = "classification", seed: int = 0):
    arm = find_arm(name)
    return make_pool(
        arm, REAL if arm.real else None, [MADE] if arm.is_synthetic else [], task, seed
    )


def test_arms_are_data():
    assert set(GROUPS["core"]) <= set(KINDS)
    assert find_arm("real_synthetic_0.5").synthetic == 0.5
    assert not find_arm("real").augmented
    few = find_arm("real_synthetic_1@10")
    assert (few.share, few.base, few.name) == (0.1, "real_augmented@10", "real_synthetic_1@10")


@pytest.mark.parametrize("name", ["fake", "real@7", "synthetic@10", "real@"])
def test_an_unknown_arm_is_refused(name):
    with pytest.raises(UserError, match="must be"):
        find_arm(name)


@pytest.mark.parametrize(("name", "made", "share"), [
    ("real_augmented", 0, 0), ("real_synthetic_0.5", 6, 1 / 3), ("real_synthetic_1", 12, 0.5),
    ("real_synthetic_2", 24, 2 / 3), ("real_synthetic_4", 30, 0.8), ("synthetic", 30, 1),
])  # fmt: skip
@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_ratio_says_how_many_made_images_there_are_and_how_often_they_are_drawn(
    name, made, share, task
):
    pool = drawn(name, task)
    own = np.array([group.startswith("p1-") for group in pool.crops.groups])
    assert (pool.synthetic, int(own.sum())) == (made, made)
    assert pool.probabilities[own].sum() == pytest.approx(share)
    assert pool.probabilities.sum() == pytest.approx(1)


def test_classes_are_equally_likely_in_classification():
    pool = drawn("real_synthetic_4")
    assert pool.probabilities[pool.crops.is_malignant].sum() == pytest.approx(0.5)


def test_shares_of_patients_are_nested_and_hold_both_classes():
    small, large = subsample(REAL, 0.25), subsample(REAL, 0.5)
    assert set(small.groups) < set(large.groups) < set(REAL.groups)
    assert set(subsample(REAL, 0.05).labels) == {"benign", "malignant"}
    assert subsample(REAL, 1.0) is REAL


def test_a_pasted_lesion_keeps_its_pixels_mask_and_label_in_the_image_of_another_patient():
    generated = paste(REAL, 10, np.random.default_rng(0))
    for k in range(10):
        giver = int(np.flatnonzero(REAL.groups == generated.groups[k])[0])
        assert (generated.masks[k] == REAL.masks[giver]).all()
        assert generated.labels[k] == REAL.labels[giver]
        around = np.abs(REAL.images.astype(int) - generated.images[k])[:, :6].mean((1, 2))
        host = int(around.argmin())
        assert around[host] < 1
        assert (host != giver, REAL.scanners[host]) == (True, REAL.scanners[giver])
        hidden = generated.ignore[k] > 0
        assert not (hidden & (generated.masks[k] > 0)).any()
        assert not (hidden & (REAL.masks[host] == 0)).any()


def test_a_patient_without_match_is_its_own_host():
    alone = REAL.pick(np.array([0]))
    generated = paste(alone, 2, np.random.default_rng(0))
    assert np.abs(generated.images[0].astype(int) - alone.images[0]).max() <= 1


def test_pools_follow_the_seed():
    first, again, other = (drawn("real_copy_paste", seed=seed) for seed in (1, 1, 2))
    assert (first.crops.images == again.crops.images).all()
    assert (first.crops.images != other.crops.images).any()


def test_a_control_has_the_labels_or_the_masks_of_others():
    result = shuffle(REAL, True, 3)
    assert sorted(result.labels) == sorted(REAL.labels)
    assert (result.labels != REAL.labels).any()
    assert (result.images == REAL.images).all()
    masked = shuffle(REAL, False, 3)
    assert masked.masks.sum() == REAL.masks.sum()
    assert (masked.masks & REAL.masks).sum() < 0.5 * REAL.masks.sum()


def test_an_arm_without_lesions_is_refused():
    empty = REAL.pick(np.zeros(12, np.bool_))
    with pytest.raises(DataError, match="lesions to learn from"):
        make_pool(find_arm("real"), empty, [], "classification", 0)


def made_share(pool, progress: float) -> float:
    return float(pool.probabilities_at(progress)[-pool.synthetic :].sum())


def test_made_images_come_first_or_fade_or_stay():
    steps = np.linspace(0, 0.99, 100)
    for name, shares in {
        "real_synthetic_1": np.full(100, 0.5),
        "synthetic_then_real": (steps < 0.5).astype(float),
        "real_synthetic_fading": 1 - steps,
    }.items():
        pool = drawn(name)
        assert [made_share(pool, step) for step in steps] == pytest.approx(shares)
        assert [pool.probabilities_at(step).sum() for step in steps] == pytest.approx(np.ones(100))


def test_made_images_of_other_scanners_alone():
    scanners = np.where(np.arange(len(MADE)) % 3 == 0, REAL.scanners[0], "another")
    made = replace(MADE, scanners=scanners)
    pool = make_pool(find_arm("real_synthetic_others"), REAL, [made], "segmentation", 0)
    assert pool.synthetic == 12
    assert set(pool.crops.scanners[-12:]) == {"another"}


def test_the_rarer_class_is_topped_up_to_the_other():
    real = REAL.pick(
        np.r_[
            np.flatnonzero(REAL.labels == "benign"), np.flatnonzero(REAL.labels == "malignant")[:2]
        ]
    )
    pool = make_pool(find_arm("real_class_top_up"), real, [MADE], "classification", 0)
    counts = [(pool.crops.labels == name).sum() for name in ("benign", "malignant")]
    assert counts[0] == counts[1] > 2
