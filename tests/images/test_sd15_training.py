"""Training preset sd15 on a tiny model: a kill costs nothing, engines run what it leaves."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny as tiny_real
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors.torch import load_file

from busgen.bench.images.speed import SHARED, UNET
from busgen.cli.learn import Options, _train as train_asked
from busgen.errors import DataError, UserError
from busgen.folders import copy_folder, write_folder
from busgen.images.contract import ModelOptions
from busgen.images.engines import load_image_engine
from busgen.images.stable_diffusion.engine import to_text
from busgen.images.stable_diffusion.training import library
from busgen.images.stable_diffusion.training.examples import prepare
from busgen.images.stable_diffusion.training.library import KIND, save_adapter, save_model
from busgen.images.stable_diffusion.training.stage import Recipe, Run, add_adapter, train
from busgen.params.load import Params
from busgen.real.crops import Crops
from busgen.seeds import rng

QUICK = Recipe(size_px=64, epochs=2, batch=2, accumulate=2, rate=1e-3, warmup=2, keep=2)
ADAPTER = replace(QUICK, lora_rank=2)


class KillError(Exception):
    """Stands in for a kill."""


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def crops(n=8, side=48):
    draws = np.random.default_rng(0)
    masks = np.zeros((n, side, side), np.uint8)
    masks[:, 10:30, 5:25] = 1
    words = np.array(["benign", "malignant"] * (n // 2))
    images = draws.integers(0, 256, masks.shape, np.uint8)
    return Crops(images, masks, np.zeros_like(masks), words, words, words, words)


def prompts(of):
    return [to_text(label, None, None) for label in of.labels]


def fit(base, work, recipe=QUICK, tick=lambda _: None, of=None):
    of = crops() if of is None else of
    return train(base, of, prompts(of), recipe, Run(5, work, "cpu", tick))


def write_model(trained, base, recipe, out):
    with write_folder(out, KIND) as partial:
        save_model(trained, base, recipe, partial)


def write_adapter(trained, recipe, model, name):
    with write_folder(model, KIND) as partial:
        copy_folder(model, partial)
        save_adapter(trained, recipe, partial, name)


def learnt(trained):
    return {k: v for k, v in trained.net.named_parameters() if v.requires_grad}


def told(work):
    lines = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in ("step", "loss", "rate")} for line in lines]


@pytest.mark.parametrize("recipe", [QUICK, ADAPTER], ids=["controlnet", "adapter"])
def test_a_killed_training_ends_with_the_same_bytes(tiny_sd, tmp_path, recipe):
    seen = []

    def kill(count):
        seen.append(count)
        if sum(seen) > 8:  # in the third step of four; the second was kept
            raise KillError

    whole = fit(tiny_sd, tmp_path / "a", recipe)
    with pytest.raises(KillError):
        fit(tiny_sd, tmp_path / "b", recipe, kill)
    ticks = []
    again = fit(tiny_sd, tmp_path / "b", recipe, ticks.append)
    assert ticks == [8, 4, 4]
    assert all(torch.equal(weights, learnt(again)[key]) for key, weights in learnt(whole).items())
    assert told(tmp_path / "a") == told(tmp_path / "b")
    assert told(tmp_path / "a")[-1]["step"] == 4


def test_only_what_should_learn_does_and_the_global_generator_is_left_alone(tiny_sd, tmp_path):
    state = torch.get_rng_state()
    trained = fit(tiny_sd, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    before = load_file(tiny_sd / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(before[key], value) for key, value in trained.unet.state_dict().items())
    begun = trained.controlnet.state_dict()["conv_in.weight"]
    assert not torch.equal(begun, before["conv_in.weight"])
    assert torch.allclose(begun, before["conv_in.weight"], atol=0.01)
    assert trained.controlnet.state_dict()["controlnet_mid_block.weight"].any()


def test_engines_run_what_training_leaves(tiny_sd, tmp_path, sample):
    finding, mask = sample(64, pixel_mm=0.6)
    out = tmp_path / "out"
    write_model(fit(tiny_sd, tmp_path / "a"), tiny_sd, QUICK, out)
    trained = fit(out, tmp_path / "b", replace(ADAPTER, rate=0.1))
    write_adapter(trained, ADAPTER, out, "clinic")
    images = []
    for learned in (ModelOptions(str(out), steps=2), ModelOptions(str(out), "clinic", steps=2)):
        engine = load_image_engine("stable_diffusion", 64, "cpu", 1, learned)
        images.append(engine.render([finding], mask[None]))
    assert images[0].shape == (1, 64, 64)
    assert not np.array_equal(*images)
    with pytest.raises(UserError, match="an adapter's name must be"):
        write_adapter(trained, ADAPTER, out, "../clinic")
    with pytest.raises(UserError, match="the output folder must not exist"):
        write_model(trained, out, QUICK, tmp_path / "a")


def test_the_native_size_becomes_the_recipes(tiny_sd, tmp_path):
    recipe = replace(QUICK, size_px=128, epochs=1, batch=4)
    write_model(fit(tiny_sd, tmp_path / "a", recipe), tiny_sd, recipe, tmp_path / "out")
    engine = load_image_engine(
        "stable_diffusion", 64, "cpu", 1, ModelOptions(str(tmp_path / "out"), steps=1)
    )
    assert engine.drawn_px == 128


def test_hidden_pixels_teach_nothing_and_mirrored_pairs_stay_pairs(tiny_sd):
    of = crops(side=64)
    of.ignore[0, :8, :16] = 1
    material = prepare(tiny_sd, of, prompts(of), 64, torch.device("cpu"))
    batches = [material.pick(np.array([0]), 0.0, rng(seed, "a")) for seed in range(8)]
    mirrored = [not batch.control[0, 0, :, 5].any() for batch in batches]
    assert 0 < sum(mirrored) < 8
    for batch, flipped in zip(batches, mirrored, strict=True):
        hidden = batch.weights[0, 0].flip(-1) if flipped else batch.weights[0, 0]
        assert hidden.sum() == 62
        assert not hidden[0, :2].any()
    silent = material.pick(np.arange(8), 1.0, rng(1, "a")).texts
    assert all(torch.equal(text, material.texts[-1]) for text in silent)
    heard = material.pick(np.arange(2), 0.0, rng(1, "a")).texts
    assert torch.equal(heard, material.texts[[0, 1]])


def test_the_rate_rises_then_stays():
    schedule = Recipe().schedule(450, 0)
    assert schedule.rate_at(0) == pytest.approx(2e-7)
    assert schedule.rate_at(499) == schedule.rate_at(22_399) == 1e-4
    assert schedule.steps == 200 * 112


def test_the_benchmarks_networks_and_the_adapter_are_as_large_as_the_predecessors():
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNET).requires_grad_(False)
        controlnet = ControlNetModel(**SHARED)
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
    assert sum(p.numel() for p in controlnet.parameters()) == 361_279_120
    add_adapter(unet, 8)
    assert sum(p.numel() for p in unet.parameters() if p.requires_grad) == 1_594_368


def test_bad_input_says_rule_value_remedy(tiny_sd, tmp_path):
    fit(tiny_sd, tmp_path / "kept", replace(QUICK, epochs=1))
    with pytest.raises(UserError, match="this training's checkpoint, or none"):
        fit(tiny_sd, tmp_path / "kept", replace(QUICK, epochs=1, rate=1e-2))
    with pytest.raises(UserError, match="size_px must be a multiple of 64, got 500"):
        fit(tiny_sd, tmp_path / "a", replace(QUICK, size_px=500))
    with pytest.raises(UserError, match="a prompt each, got 8 crops, 2 prompts"):
        train(tiny_sd, crops(), ["a", "b"], QUICK, Run(5, tmp_path / "a", "cpu"))
    with pytest.raises(UserError, match="lora_rank must be at least 1"):
        fit(tiny_sd, tmp_path / "a", replace(QUICK, lora_rank=0))
    with pytest.raises(DataError, match="loss must be finite, got nan at step"):
        fit(tiny_sd, tmp_path / "b", replace(QUICK, rate=1e30))


@pytest.fixture
def real(tmp_path):
    """Return a folder of real data: BrEaST's layout, eight patients to learn from."""
    told = {"dataset": "breast", "posterior": "none"}
    rows = [
        tiny_real.row(k, name, "benign", sample_id=f"breast-{k}", **told)
        for k, name in enumerate(tiny_real.patients("train", 8))
    ]
    return tiny_real.write_real(tmp_path / "real é", rows, dataset="breast")


def logged(folder):
    return json.loads((folder / "log.jsonl").read_text("utf-8").splitlines()[-1])["step"]


def test_a_model_and_its_adapters_come_from_canonical_folders(real, tiny_sd, tmp_path):
    seen = []
    first = library.plan(library.Options(real, tmp_path / "model", tiny_sd), 5, QUICK)
    model = library.train(first, seen.append)
    assert sum(seen) == first.images_seen == 16
    assert logged(model) == 4
    assert not first.work.exists()
    out = shutil.copytree(model, tmp_path / "out")
    write_adapter(fit(out, tmp_path / "work", replace(ADAPTER, epochs=1)), ADAPTER, out, "clinic")
    request = library.Options(real, out, model, "breast", 2)
    library.train(library.plan(request, 5, replace(QUICK, epochs=1)), seen.append)
    assert {path.name for path in (out / "adapters").iterdir()} == {"breast", "clinic"}
    assert logged(out / "adapters" / "breast") == 2
    load_image_engine("stable_diffusion", 64, "cpu", 1, ModelOptions(str(out), "breast"))
    with pytest.raises(UserError, match=r"an adapter must be new in .*, got breast"):
        library.plan(request, 5, QUICK)
    with pytest.raises(UserError, match="or hold the model that is adapted"):
        library.plan(replace(request, start=tiny_sd), 5, QUICK)


def test_what_cannot_be_trained_is_refused_before_images_are_read(tmp_path):
    nowhere = library.Options(tmp_path / "no data", tmp_path / "out", tmp_path / "no model")
    with pytest.raises(UserError, match="a Stable Diffusion folder must hold"):
        library.plan(nowhere, 5)
    request = Options("images", tmp_path, tmp_path / "out", "sd15", tmp_path, rank=8)
    with pytest.raises(UserError, match="--rank must come with --adapt, got 8"):
        train_asked(request, Params())
