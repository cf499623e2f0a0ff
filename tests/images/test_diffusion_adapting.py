"""Adaptation on some images of eight held-out patients: written, loaded, added to, never lost."""

import json

import pytest
import tiny as tiny_real
import tiny_diffusion as tiny
import torch

from busgen.errors import UserError
from busgen.folders import write_folder
from busgen.images.contract import ModelOptions
from busgen.images.diffusion.engine import KIND, checked_hash
from busgen.images.diffusion.training.adapter import plan, train
from busgen.images.engines import load_image_engine
from busgen.io import dumps, write_text
from busgen.metrics.adapter_scores import score
from busgen.params.train_images import AdapterParams, TrainImagesParams

QUICK = AdapterParams(steps=2, batch=2, rate=4.0)  # of which the warm-up leaves a hundredth


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("start") / "images")
    write_text(folder / "evidence" / "bounds.json", dumps({"bounds": []}))
    return folder


def real(folder, dataset):
    """Write a dataset of four patients to learn from and eight held out, an image each."""
    patients = tiny_real.patients("train", 4) + tiny_real.patients("validation", 8)
    rows = [
        tiny_real.row(k, name, "benign", dataset=dataset, sample_id=f"{dataset}-{k}")
        for k, name in enumerate(patients)
    ]
    return tiny_real.write_real(folder, rows, dataset=dataset)


def planned(start, data, out, dataset):
    params = TrainImagesParams(start=start, adapter=QUICK)
    return plan(data, out, dataset, params, 2)


@pytest.fixture(scope="module")
def adapted(start, tmp_path_factory):
    """Return the folder with one adapter, and what was told of it."""
    folder = tmp_path_factory.mktemp("adapted é")
    plan = planned(start, real(folder / "real", "busi"), folder / "out", "busi")
    return plan.out, train(plan, lambda _: None, score)


def load(folder, adapter=None):
    learned = ModelOptions(str(folder), adapter, steps=2)
    return load_image_engine("diffusion", tiny.SIDE, "cpu", 1, learned)


def test_few_held_out_patients_cost_the_interval_not_the_adapter(adapted):
    folder, result = adapted
    kept = json.loads((folder / "adapters/busi/adapter.json").read_text("utf-8"))
    assert kept == json.loads(dumps(result))
    for scores in kept["held_out"].values():
        assert scores["kid_us64"]["interval"] is None
        assert "too few" in scores["kid_us64"]["note"]
        assert scores["dice"]["n"] == 8
    assert not list(folder.parent.glob(".*"))


def test_the_log_is_kept_and_decides_no_image(adapted):
    folder, _ = adapted
    lines = (folder / "evidence" / "adapter_busi.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[-1])["step"] == QUICK.steps
    assert "jsonl" not in (folder / "manifest.json").read_text("utf-8")


def test_an_adapter_loads_by_name_and_changes_images(adapted, lesions):
    folder, _ = adapted
    batch = lesions(2, tiny.SIDE)
    plain, own = load(folder), load(folder, "busi")
    weights = [engine.pipeline.unet.state_dict() for engine in (plain, own)]
    name = next(name for name in weights[0] if name.endswith("to_q.weight"))
    assert not torch.equal(weights[0][name], weights[1][name])
    assert all(value.isfinite().all() for value in weights[1].values())
    assert (plain.render(*batch) != own.render(*batch)).mean() > 0.1


def test_a_second_adapter_leaves_the_first_and_none_is_replaced(adapted, start, tmp_path):
    folder, _ = adapted
    before = checked_hash(folder, "busi")
    data = real(tmp_path / "real", "breast")
    plan = planned(start, data, folder, "breast")
    train(plan, lambda _: None, lambda images, _: {"n": len(images)})
    assert checked_hash(folder, "busi") == before != checked_hash(folder, "breast")
    assert checked_hash(folder) == checked_hash(start)
    assert (folder / "evidence" / "adapter_busi.jsonl").is_file()
    with pytest.raises(UserError, match=r"an adapter must be new in .*, got breast"):
        planned(start, data, folder, "breast")
    other = tmp_path / "other"
    with write_folder(other, KIND) as partial:
        tiny.save(partial, seed=1)
    with pytest.raises(UserError, match="or hold the generator that is adapted"):
        planned(start, data, other, "breast")
    assert planned(folder, data, tmp_path / "new", "breast").out == tmp_path / "new"
