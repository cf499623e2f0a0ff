"""Engine stable_diffusion on a tiny model of that architecture: contract, adapters, bad input."""

import json
import shutil

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from busgen.compute.devices import resolve_device
from busgen.errors import DataError, UserError
from busgen.images.contract import ModelOptions
from busgen.images.engines import load_image_engine
from busgen.images.stable_diffusion import layout
from busgen.images.stable_diffusion.engine import STEPS, to_text

SIDE = 64


def engine(folder, size_px=SIDE, **learned):
    result = ModelOptions(str(folder), **({"steps": 3} | learned))
    return load_image_engine("stable_diffusion", size_px, "cpu", 1, result)


@pytest.fixture(scope="module")
def drawn(tiny_sd):
    return engine(tiny_sd)


@pytest.fixture
def batch(sample, normal):
    pairs = [sample(SIDE, seed=k, pixel_mm=0.6) for k in (1, 2)]
    pairs.append(normal(size_px=SIDE, seed=3))
    findings, masks = zip(*pairs, strict=True)
    return list(findings), np.stack(masks)


@pytest.fixture
def copied(tiny_sd, tmp_path):
    return shutil.copytree(tiny_sd, tmp_path / "model")


def add_adapter(folder, name, scale, prefix="unet."):
    """Write an adapter of random layers, `scale` large."""
    unet = layout.read_part(folder, "unet", torch.float32)
    unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_v"]))
    layers = get_peft_model_state_dict(unet)
    noise = torch.Generator().manual_seed(0)
    generated = {
        f"{prefix}{key}": torch.randn(value.shape, generator=noise) * scale
        for key, value in layers.items()
    }
    path = folder / "adapters" / name / "pytorch_lora_weights.safetensors"
    path.parent.mkdir(parents=True)
    save_file(generated, path)


def test_images_are_8_bit_grey_and_replay(drawn, tiny_sd, batch):
    images = drawn.render(*batch)
    assert images.shape == (3, SIDE, SIDE)
    assert images.dtype == np.uint8
    assert (images.std((1, 2)) > 5).all()
    assert np.array_equal(engine(tiny_sd).render(*batch), images)
    assert drawn.render([], np.zeros((0, SIDE, SIDE), np.uint8)).shape == (0, SIDE, SIDE)


def test_a_sample_alone_is_what_it_is_in_a_batch(drawn, batch, monkeypatch):
    findings, masks = batch
    together = drawn.render(findings, masks)
    assert np.array_equal(drawn.render(findings[2:], masks[2:])[0], together[2])
    monkeypatch.setattr("busgen.images.stable_diffusion.engine.BATCH", {"cpu": 2})
    in_twos = drawn.render(findings, masks).astype(int)
    assert abs(in_twos - together).max() <= 1


def test_seed_mask_and_words_decide_the_image(drawn, sample):
    finding, mask = sample(SIDE, pixel_mm=0.6)
    other_words, _ = sample(SIDE, pixel_mm=0.6, pathology="malignant", margin=("spiculated",))
    unheard, _ = sample(SIDE, pixel_mm=0.6, posterior="shadowing", text="shadow")
    findings = [finding, sample(SIDE, seed=9)[0], other_words, unheard, finding]
    masks = np.stack([mask, mask, mask, mask, np.roll(mask, 20, 1)])
    plain, reseeded, reworded, same, moved = drawn.render(findings, masks)
    assert (plain != reseeded).mean() > 0.5
    assert not np.array_equal(plain, reworded)
    assert not np.array_equal(plain, moved)
    assert np.array_equal(plain, same)


@pytest.mark.parametrize(("size_px", "drawn_px"), [(32, 64), (64, 64), (100, 104)])
def test_it_draws_at_its_own_size_or_the_next_above(tiny_sd, sample, size_px, drawn_px):
    small = engine(tiny_sd, size_px, steps=1)
    finding, mask = sample(size_px, pixel_mm=38.4 / size_px)
    assert small.drawn_px == drawn_px
    assert small.render([finding], mask[None]).shape == (1, size_px, size_px)


def test_a_small_image_is_the_large_one_averaged(tiny_sd, drawn, sample):
    finding, mask = sample(32, pixel_mm=1.2)
    small = engine(tiny_sd, 32).render([finding], mask[None])[0]
    large = drawn.render([finding], mask.repeat(2, 0).repeat(2, 1)[None])[0]
    assert abs(small - large.reshape(32, 2, 32, 2).mean((1, 3))).max() <= 1


def test_the_sentence_is_the_predecessors():
    whole = "breast ultrasound image of malignant tumor with heterogeneous echogenicity"
    phrases = to_text("malignant", "heterogeneous", ("angular", "spiculated"))
    assert phrases == f"{whole} and unclear boundary."
    clear = "breast ultrasound image of benign tumor with homogeneous echogenicity and clear"
    assert to_text("benign", "anechoic", ("circumscribed",)) == f"{clear} boundary."
    assert to_text("benign", None, None) == "breast ultrasound image of benign tumor."
    assert to_text("", None, ()) == "breast ultrasound image of tumor."
    assert to_text("normal", None, None) == "breast ultrasound image without tumor."


def test_an_adapter_changes_the_image_and_the_hash(copied, drawn, batch):
    for name, scale in (("none", 0.0), ("clinic", 1.0)):
        add_adapter(copied, name, scale)
    plain = drawn.render(*batch)
    idle, adapted = engine(copied, adapter="none"), engine(copied, adapter="clinic")
    assert np.array_equal(idle.render(*batch), plain)
    assert (adapted.render(*batch) != plain).mean() > 0.1
    assert len({drawn.sha256, idle.sha256, adapted.sha256}) == 3


def test_the_hash_is_of_all_that_decides(copied, drawn):
    assert engine(copied).sha256 == drawn.sha256
    hashes = {drawn.sha256, engine(copied, steps=4).sha256, engine(copied, guidance=2.0).sha256}
    path = copied / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["decoder.conv_out.bias"] += 1
    save_file(weights, path, {"format": "pt"})
    hashes.add(engine(copied).sha256)
    assert len(hashes) == 4
    assert engine(copied, steps=None).steps == STEPS == 50
    assert engine(copied).guidance == 7.5


def test_guidance_and_steps_are_used(tiny_sd, drawn, batch):
    plain = drawn.render(*batch)
    assert not np.array_equal(engine(tiny_sd, guidance=1.0).render(*batch), plain)
    assert not np.array_equal(engine(tiny_sd, steps=5).render(*batch), plain)


def test_nothing_that_the_index_names_is_loaded(copied, batch, drawn):
    path = copied / "model_index.json"
    index = json.loads(path.read_text()) | {"unet": ["antigravity", "Fly"]}
    path.write_text(json.dumps(index))
    assert np.array_equal(engine(copied).render(*batch), drawn.render(*batch))


@pytest.mark.parametrize(
    ("learned", "message"),
    [
        ({"adapter": "nobody"}, "adapter must be in .*'nobody': the model has none"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 1001}, "steps must be at most the model's 1000, got 1001"),
        ({"guidance": 0.5}, "guidance must be at least 1"),
        ({"guidance": float("nan")}, "guidance must be at least 1"),
    ],
)
def test_settings_must_fit(tiny_sd, learned, message):
    with pytest.raises(UserError, match=message):
        engine(tiny_sd, **learned)


def test_a_model_must_be_named_and_found(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="ships no weights: model must be given"):
        load_image_engine("stable_diffusion", SIDE, "cpu")
    for name in ("nobody/nothing", str(tmp_path / "gone")):
        with pytest.raises(UserError, match="model must be a folder, or a name on a hub"):
            engine(name)


@pytest.mark.parametrize("part", ["controlnet", "tokenizer"])
def test_a_part_that_is_missing_is_named(copied, part):
    shutil.rmtree(copied / part)
    with pytest.raises(UserError, match=f"model without {part}: save it"):
        engine(copied)


def test_pickles_are_refused(copied):
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(UserError, match=r"weights must be safetensors.*pytorch_model\.bin"):
        engine(copied)


def test_broken_and_missing_weights_are_refused(copied):
    path = copied / "controlnet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["controlnet_mid_block.bias"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(DataError, match=r"1 weights missing, controlnet_mid_block\.bias first"):
        engine(copied)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="controlnet must hold a whole controlnet"):
        engine(copied)


def test_an_adapter_must_be_this_models(copied):
    add_adapter(copied, "elsewhere", 0.1, prefix="transformer.")
    with pytest.raises(DataError, match="an adapter must be one of this model's"):
        engine(copied, adapter="elsewhere")
    (copied / "adapters" / "pickled").mkdir()
    (copied / "adapters" / "pickled" / "pytorch_lora_weights.bin").write_bytes(b"")
    with pytest.raises(UserError, match="one safetensors file, got 0 in pickled"):
        engine(copied, adapter="pickled")
    with pytest.raises(UserError, match="choose from elsewhere, pickled"):
        engine(copied, adapter="..")


def test_masks_must_fit(drawn, batch):
    findings, masks = batch
    for wrong in (masks[:2], masks[:, ::2, ::2], masks * np.uint8(255), masks.astype(float)):
        with pytest.raises(UserError, match="masks must be uint8 of 0 and 1"):
            drawn.render(findings, wrong)


def test_a_device_must_be_there():
    with pytest.raises(UserError, match="device must be one that is here, got cuda:99"):
        resolve_device("cuda:99")
    assert resolve_device("cpu") == torch.device("cpu")
