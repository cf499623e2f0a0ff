"""The preset `paper`: built as MONAI builds it, and one step of training."""

import sys

import pytest
import torch
from tiny_sets import crops

from busgen.compute.devices import device_of
from busgen.downstream.arms import arm_of
from busgen.downstream.data.pools import pool_of
from busgen.downstream.learner import Recipe, trained
from busgen.downstream.models.registry import PRESETS, Model, model_of
from busgen.errors import UserError
from busgen.judges.judges import ClassifierSpec, SegmenterSpec


@pytest.mark.parametrize(("task", "spec", "millions"), [
    ("classification", ClassifierSpec(32, (), 1, 1.8, 1), 4.0),
    ("segmentation", SegmenterSpec(64, (), 1), 20.6),
])  # fmt: skip
def test_a_large_model_is_the_architecture_and_learns_a_step(tmp_path, task, spec, millions):
    pytest.importorskip("monai")
    model = Model(task, spec, PRESETS["paper"][task].path)
    before = sum(weights.numel() for weights in model.build().parameters())
    assert before / 1e6 == pytest.approx(millions, abs=0.1)
    pool = pool_of(arm_of("real"), crops(4), [], task, 1)
    net, losses = trained(model, pool, crops(4, 2), Recipe(1, 2, looks=1), 7, tmp_path)
    assert len(losses) == 1
    assert all(torch.isfinite(weights).all() for weights in net.parameters())


def test_a_device_must_be_there():
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "tpu"):
        with pytest.raises(UserError, match="one that is here"):
            device_of(name)


def test_a_preset_must_be_known_and_needs_monai(monkeypatch):
    with pytest.raises(UserError, match="a preset must be known"):
        model_of("segmentation", None, "huge")
    monkeypatch.setitem(sys.modules, "monai", None)
    with pytest.raises(UserError, match=r"busgen\[downstream\]"):
        model_of("segmentation", None, "paper")
