"""Calibrated gates: bounds that refuse a known share, evidence of other patients."""

import numpy as np
import pyarrow as pa
import pytest

from busgen.evaluation.reference import load_reference
from busgen.gates.calibration.bounds import (
    FLAGGED,
    REFUSED,
    SIDES,
    calibrate,
    is_refused,
    select,
)
from busgen.gates.calibration.real_samples import SCHEMA
from busgen.params.gates import DEFAULT_GATES
from busgen.schema import JUDGED
from busgen.seeds import rng


def samples(n=1000, **columns):
    """Return n clean rows of each held-out split, gate scores uniform in [0, 1] unless given."""
    pick = rng(0, "samples")
    rows = {name: [None] * 2 * n for name in SCHEMA.names}
    rows |= {f"gate_{name}": pick.random(2 * n) for name in SIDES}
    rows |= {"split": ["validation", "test"] * n, "clean": [True] * 2 * n}
    return pa.table(rows | columns, SCHEMA)


def test_one_gate_alone_may_refuse_all_that_may_be_refused():
    others = {f"gate_{name}": [None] * 2000 for name in SIDES if name != "saturated"}
    result = calibrate(samples(**others))
    assert set(result["gates"]) == {"saturated"}
    assert result["gates"]["saturated"]["share"] == REFUSED
    assert result["gates"]["saturated"]["max"] == pytest.approx(1 - REFUSED, abs=0.02)
    assert result["gates"]["saturated"]["n"] == 1000
    assert result["together"]["refused"] == pytest.approx(50, abs=1)
    low, high = result["together"]["interval_test"]
    assert low < result["together"]["refused_test"] / 1000 < high


def test_all_gates_together_refuse_the_share_of_independent_ones():
    result = calibrate(samples())
    assert result["together"]["refused"] <= REFUSED * 1000
    assert result["together"]["refused"] == pytest.approx(REFUSED * 1000, abs=12)
    rejecting = set(SIDES) - set(FLAGGED)
    each = 1 - (1 - REFUSED) ** (1 / len(rejecting))
    for name in rejecting:
        gate = result["gates"][name]
        assert gate["share"] == pytest.approx(each, abs=0.002)
        assert gate.get("min", 1 - gate.get("max", 1)) == pytest.approx(each, abs=0.01)


def test_a_gate_that_flags_has_a_share_of_its_own_and_refuses_nothing():
    zeros = np.where(np.arange(2000) % 50 < 6, 0.0, 0.9)  # 12 % of the lesions are not found
    name = "mask_agreement"
    result = calibrate(samples(**{f"gate_{name}": zeros}))
    assert result["gates"][name]["share"] == 0.1
    assert result["gates"][name]["min"] == 0
    assert result["together"] == calibrate(samples(**{f"gate_{name}": [0.5] * 2000}))["together"]
    flagged = calibrate(samples())["gates"][name]
    assert flagged["min"] == pytest.approx(0.1, abs=0.02)
    assert flagged["refused_test"] == pytest.approx(100, abs=40)


def test_marred_images_and_training_patients_teach_nothing():
    scores = np.where(np.arange(2000) % 10 < 2, -5.0, 0.5)
    marred = calibrate(samples(gate_grey_sd=scores, clean=(scores > 0).tolist()))
    assert marred["gates"]["grey_sd"]["min"] == 0.5
    splits = np.where(scores > 0, ["validation", "test"] * 1000, "train")
    assert calibrate(samples(gate_grey_sd=scores, split=splits))["gates"]["grey_sd"]["min"] == 0.5


def test_a_gate_that_does_not_apply_refuses_nothing():
    scores = {"grey_sd": np.array([1.0, np.nan, 3.0]), "contrast": np.array([np.nan, 0.0, 0.0])}
    gates = {"grey_sd": DEFAULT_GATES["grey_sd"], "contrast": DEFAULT_GATES["contrast"]}
    assert is_refused(scores, gates).tolist() == [True, False, True]


def test_without_images_nothing_is_calibrated():
    result = calibrate(samples().slice(0, 0))
    assert result["gates"] == {}
    assert result["together"]["n_test"] == 0


def test_default_gates_refuse_few_real_images():
    shipped = load_reference().samples
    parts = [select(shipped, split) for split in ("validation", "test")]
    scores = {name: np.concatenate([part[name] for part in parts]) for name in SIDES}
    found = is_refused(scores, {name: DEFAULT_GATES[name] for name in SIDES if name not in FLAGGED})
    assert found.size >= 100
    assert found.mean() <= REFUSED
    assert [n for n in SIDES if DEFAULT_GATES[n].action == "flag"] == list(FLAGGED)


@pytest.mark.parametrize("name", JUDGED)
def test_judges_default_bounds_are_the_calibrated(name):
    found = load_reference().facts["calibrated"]["gates"][name]
    side = SIDES[name]
    assert getattr(DEFAULT_GATES[name], side) == pytest.approx(found[side], abs=0.01)
