"""What got better or worse between two versions, and what of a comparison stands in one line."""

import numpy as np
import pandas as pd
import pytest

from busgen.downstream.results.headline import (
    GAINS,
    METRICS,
    SCORES,
    compare,
    headline,
    to_rows,
    write_plots,
)
from busgen.io import read_json


def quality(value, half=0.01, floor=0.05):
    """Return a headline score of the quality stage."""
    return {"value": value, "interval": [value - half, value + half], "floor": floor}


def version(gain, ks, auc):
    """Return what is known of a version."""
    utility = {"value": gain, "low": gain - 0.03, "high": gain + 0.04}
    real = {"value": 0.7, "low": 0.6, "high": 0.8}
    arms = {"real": real, "gain": utility, "gain_real": real, "synthetic": real}
    return {
        "quality": {"ks_grey.pooled": quality(ks), "descriptor_auc": quality(auc, 0.01, 0.9)},
        "downstream": {"segmentation": {"busi": arms}},
    }


def test_distances_are_better_smaller_gains_larger_descriptors_nearer_their_floor():
    found = {one["score"]: one for one in compare(version(0, 0.3, 0.96), version(0.2, 0.2, 0.92))}
    assert {name: one["verdict"] for name, one in found.items()} == {
        "segmentation, busi: gain": "better",
        "segmentation, busi: synthetic": "no difference",
        "ks_grey.pooled": "better",
        "descriptor_auc": "better",
    }
    back = compare(version(0.2, 0.2, 0.92), version(0, 0.3, 0.96))
    assert {one["verdict"] for one in back} == {"worse", "no difference"}
    gain = found["segmentation, busi: gain"]
    assert gain["difference"] == pytest.approx(0.2)
    assert gain["interval"] == pytest.approx([0.2 - 0.05, 0.2 + 0.05])  # hypot(.03, .04)
    assert to_rows([gain])[0]["difference"] == "+0.200 (+0.150 to +0.250)"


def test_what_one_version_does_not_know_is_not_compared():
    bare = {"quality": {}, "downstream": {}}
    assert compare(bare, version(0, 0.3, 0.9)) == compare(version(0, 0.3, 0.9), bare) == []


def test_the_interval_of_a_difference_covers_as_often_as_it_says():
    draws = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        means = [draws.normal(size=50).mean() for _ in range(2)]
        result = [
            {"quality": {"ks_x": quality(m, 1.96 / 50**0.5)}, "downstream": {}} for m in means
        ]
        low, high = compare(*result)[0]["interval"]
        hits += low <= 0 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_the_headline_is_of_own_test_patients_and_dvc_plots_it(tmp_path):
    score = {"value": 0.8, "interval": [0.7, 0.9]}
    gain = {"value": 0.02, "interval": [-0.01, 0.05]}
    own = {"task": "segmentation", "train": "busi", "test": "busi", "metrics": {"dice": score}}
    results = [
        own | {"arm": "real_augmented"},
        own | {"arm": "real_synthetic_1", "gain": gain},
        own | {"arm": "synthetic", "gain": gain | {"value": -0.1}},
        own | {"arm": "real", "test": "udiat"},
        own | {"arm": "real", "metrics": {}},
    ]
    found = headline(results)
    assert set(found["segmentation"]["busi"]) == {
        "real_augmented", "real_synthetic_1", "gain", "synthetic", "gain_synthetic",
    }  # fmt: skip
    assert found["segmentation"]["busi"]["gain"] == {"value": 0.02, "low": -0.01, "high": 0.05}
    write_plots({"results": results, "headline": found}, tmp_path)
    assert read_json(tmp_path / METRICS)["headline"] == found
    scores, gains = (pd.read_csv(tmp_path / name) for name in (SCORES, GAINS))
    assert len(scores) == 3
    assert dict(zip(gains["arm"], gains["value"], strict=True)) == {
        "segmentation, busi: real_synthetic_1": 0.02,
        "segmentation, busi: synthetic": -0.1,
    }
