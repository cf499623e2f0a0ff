"""The engine `diffusion`: its contract, its folder, and what it refuses."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny_diffusion as tiny

from busgen.errors import DataError, UserError
from busgen.images.contract import ModelOptions
from busgen.images.diffusion.engine import INDEX, checked_hash, write_manifest
from busgen.images.engines import load_image_engine
from busgen.io import read_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models é") / "images")


@pytest.fixture(scope="module")
def batch(lesions):
    return lesions(5, tiny.SIDE)


def load(folder, **learned):
    return load_image_engine("diffusion", tiny.SIDE, "cpu", 2, ModelOptions(str(folder), **learned))


def test_images_are_grey_levels_of_the_asked_size(folder, batch):
    images = load(folder).render(*batch)
    assert images.shape == (5, tiny.SIDE, tiny.SIDE)
    assert images.dtype == np.uint8
    assert images.std() > 0


def test_the_same_request_draws_the_same_bytes(folder, batch):
    assert np.array_equal(load(folder).render(*batch), load(folder).render(*batch))


def test_a_image_does_not_depend_on_its_batch(folder, batch):
    findings, masks = batch
    together = load(folder).render(findings, masks).astype(int)
    alone = load(folder).render(findings[3:4], masks[3:4]).astype(int)
    assert np.abs(together[3] - alone[0]).max() <= 1


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 99},
        {"scanner": "BUSI"},
        {"echo_pattern": "anechoic"},
        {"tissue": "homogeneous_fat"},
    ],
)
def test_seed_style_and_terms_change_the_image(folder, batch, change):
    findings, masks = batch
    engine = load(folder)
    finding = replace(findings[0], scanner="BrEaST", echo_pattern="isoechoic")
    before = engine.render([finding], masks[:1])
    assert not np.array_equal(before, engine.render([replace(finding, **change)], masks[:1]))


def test_the_mask_changes_the_image(folder, batch):
    findings, masks = batch
    engine = load(folder)
    before = engine.render(findings[:1], masks[:1])
    assert not np.array_equal(before, engine.render(findings[:1], masks[:1, ::-1].copy()))


def test_other_sizes_are_resampled(folder, lesions):
    learned = ModelOptions(str(folder))
    for size in (32, 96):
        engine = load_image_engine("diffusion", size, "cpu", 1, learned)
        assert engine.render(*lesions(2, size)).shape == (2, size, size)


def test_guidance_costs_an_evaluation_more_a_step(folder, batch):
    plain, guided = load(folder, steps=3), load(folder, steps=3, guidance=2.0)
    assert (plain.evaluations, guided.evaluations) == (3, 6)
    assert not np.array_equal(plain.render(*batch), guided.render(*batch))


def test_the_hash_follows_weights_steps_and_guidance(folder, tmp_path):
    other = tiny.save(tmp_path / "other", seed=1)
    engines = [load(folder), load(folder, steps=3), load(folder, guidance=2.0), load(other)]
    assert len({engine.sha256 for engine in engines}) == 4
    assert load(folder).sha256 == engines[0].sha256


def test_no_weights_are_named(tmp_path):
    with pytest.raises(UserError, match=r"must hold model_index\.json"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["elsewhere", "..", "../unet", "/", ""])
def test_an_adapter_that_is_none_of_the_folders_is_named(folder, name):
    rule = f"adapter must be in the model's folder, got {name!r}"
    with pytest.raises(UserError, match=re.escape(rule)):
        load(folder, adapter=name)


@pytest.mark.parametrize("index", ["pipeline", "component", "module", "none"])
def test_code_that_a_folder_brings_is_never_run(folder, tmp_path, index):
    copy, owned = shutil.copytree(folder, tmp_path / "copy"), tmp_path / "OWNED"
    for place in (".", "unet"):
        (copy / place / "evil.py").write_text(f"open({str(owned)!r}, 'w')\nclass Evil: pass\n")
    record = read_json(copy / INDEX)
    record |= {
        "pipeline": {"_class_name": ["evil", "Evil"]},
        "component": {"unet": ["evil", "Evil"]},
        "module": {"unet": ["antigravity", "Evil"]},
        "none": {"unet": None},
    }[index]
    (copy / INDEX).write_text(json.dumps(record))
    write_manifest(copy)
    with pytest.raises(DataError, match="must hold a generator as busgen writes it"):
        load(copy)
    assert not owned.exists()


def test_weights_that_are_not_the_manifests_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataError, match=r"unet/.* must be the file that manifest.json names"):
        load(copy)
    weights.unlink()
    with pytest.raises(DataError, match="restore the folder"):
        load(copy)


def test_weights_of_another_version_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"version": 0}))
    with pytest.raises(DataError, match="weights must be of version 3, got 0"):
        load(copy)


def test_the_manifest_leaves_cards_and_evidence_out(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = checked_hash(copy)
    (copy / "README.md").write_text("a card")
    (copy / "evidence").mkdir(exist_ok=True)
    (copy / "evidence" / "bench.json").write_text("{}")
    write_manifest(copy)
    assert checked_hash(copy) == before


def test_masks_and_findings_must_fit(folder, batch):
    findings, masks = batch
    engine = load(folder)
    for wrong, rule in (
        ((findings[:2], masks[:3]), "masks must be uint8 of shape"),
        ((findings, masks[:, :32]), "masks must be uint8 of shape"),
        ((findings, masks * np.uint8(255)), "masks must hold 0 and 1, got 255"),
        ((findings, masks * 0), "a lesion must have a mask that is not empty"),
    ):
        with pytest.raises(UserError, match=rule):
            engine.render(*wrong)


def test_words_reach_the_image_through_the_findings_terms_alone(folder, batch):
    findings, masks = batch
    other = [replace(finding, text="Anechoic round mass.") for finding in findings]
    assert np.array_equal(load(folder).render(findings, masks), load(folder).render(other, masks))


def test_an_unknown_scanner_or_term_is_refused(folder, batch):
    findings, masks = batch
    engine = load(folder)
    with pytest.raises(UserError, match="scanner must be one that was learned"):
        engine.render([replace(findings[0], scanner="abacus")], masks[:1])
    with pytest.raises(UserError, match="echo_pattern must be one of the lexicon's terms"):
        engine.render([replace(findings[0], echo_pattern="loud")], masks[:1])


def test_a_gpu_that_is_not_there_is_refused(folder):
    with pytest.raises(UserError, match="device must be one that is here"):
        load_image_engine("diffusion", tiny.SIDE, "cuda:7", 1, ModelOptions(str(folder)))


def test_an_adapter_is_folded_in_by_name(tmp_path, batch):
    folder = tiny.save(tmp_path / "adapted")
    for name, seed in (("here", 1), ("there", 2)):
        tiny.save_adapter(folder, name, seed)
    plain, here, there = (load(folder, adapter=name) for name in (None, "here", "there"))
    assert len({engine.sha256 for engine in (plain, here, there)}) == 3
    weights = [engine.pipeline.unet.state_dict() for engine in (plain, here, there)]
    assert weights[0].keys() == weights[1].keys()
    key = next(name for name in weights[0] if name.endswith("to_q.weight"))
    assert not np.array_equal(weights[0][key], weights[1][key])
    assert not np.array_equal(here.render(*batch), there.render(*batch))
