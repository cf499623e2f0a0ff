"""Claims: a way chosen by validation losses, other hospitals, rare lesions."""

import numpy as np
import pandas as pd
import pytest

from busgen.bench.downstream import claims
from busgen.downstream.arms import BASE

WAY = "synthetic_then_real"


def losses(**by_arm):
    """Return a record: validation losses of two looks by arm, on two training sets."""
    sets = ("busi", "bus_bra")
    told = {
        f"segmentation/{train}/{arm}": [0.9, loss[k]]
        for arm, loss in by_arm.items()
        for k, train in enumerate(sets)
    }
    return {"validation_loss": told, "levelled_off": dict.fromkeys(told, True)}


def test_the_way_with_the_lowest_validation_loss_over_the_bases_is_chosen():
    record = losses(
        **{
            BASE: (0.4, 0.2),
            "real_synthetic_1": (0.36, 0.2),
            WAY: (0.4, 0.1),
            "synthetic": (0.1, 0.1),
        }
    )
    assert claims.choose_ways(record) == {"segmentation": WAY}
    told = claims.measure_ways(record)
    assert told[f"validation_loss_segmentation_{WAY}"].value == pytest.approx(0.5**0.5)
    assert claims.count_levelled(record).value == 2


def rows(test: str, train: str, arm: str, dice: float, seed: int = 0, n: int = 30) -> pd.DataFrame:
    """Return predictions of `n` patients; every third lesion is benign and not parallel."""
    noise = np.random.default_rng(len(test) + seed).normal(0, 0.05, n)
    third = np.arange(n) % 3 == 0
    return pd.DataFrame({
        **{"task": "segmentation", "train": train, "test": test, "arm": arm, "seed": seed},
        "sample_id": [f"{test}-{k}" for k in range(n)],
        "patient": [f"{test}-{k}" for k in range(n)],
        "pathology": np.where(third, "benign", "malignant"),
        "orientation": np.where(third, "not_parallel", "parallel"),
        **{"echo_pattern": "hypoechoic", "birads": "3"},
        "dice": dice + noise - 0.2 * third * (arm == WAY),
        **{"iou": 0.5, "hd95_px": 3.0, "pixel_mm": np.nan},
    })  # fmt: skip


@pytest.fixture
def predictions():
    """Return a way that gains .1 and .2 on other hospitals, nothing at home."""
    parts = []
    for seed in range(3):
        for train, test, gain in (("a", "b", 0.1), ("b", "a", 0.2), ("a", "a", 0.0)):
            parts += [rows(test, train, BASE, 0.5, seed), rows(test, train, WAY, 0.5 + gain, seed)]
    return pd.concat(parts)


def test_gains_on_other_hospitals_are_averaged_over_pairs(predictions):
    figure = claims.measure_transfer(predictions, {"segmentation": WAY})["gain_others_dice"]
    assert figure.value == pytest.approx(0.15 - 0.2 / 3, abs=1e-6)
    assert figure.n == 60
    low, high = figure.interval
    assert low < figure.value < high


def test_rare_lesions_are_told_where_patients_are_enough(predictions):
    told = claims.measure_rare(predictions, {"segmentation": WAY})
    assert set(told) == {"gain_dice_benign_not_parallel"}  # nobody is anechoic or 4A
    assert told["gain_dice_benign_not_parallel"].value == pytest.approx(0.1 - 0.2, abs=1e-6)
    assert told["gain_dice_benign_not_parallel"].n == 20
    assert claims.measure_rare(predictions, {"classification": WAY}) == {}
