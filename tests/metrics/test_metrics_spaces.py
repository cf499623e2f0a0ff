"""Feature spaces: measurements that mean what they say, extractors by path, names and versions."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTModel

from busgen.errors import DataError, UserError
from busgen.io import dumps, read_json, sha256_file, write_text
from busgen.metrics.spaces.radiomic import LESION, NAMES, embed, measure
from busgen.metrics.spaces.registry import load_space, load_spaces
from busgen.metrics.spaces.us64.training import blur
from busgen.metrics.spaces.user_network import Spec, load_model, resize
from busgen.seeds import rng


class Halves(torch.nn.Module):
    """Means of the left and of the right half, of the three channels (N, 6)."""

    def forward(self, x):
        """Return them."""
        return torch.cat([x[..., :150].mean(dim=(2, 3)), x[..., 150:].mean(dim=(2, 3))], dim=1)


@pytest.fixture
def scripted(tmp_path):
    """Return the path of a TorchScript extractor."""
    path = tmp_path / "halves é.pt"
    torch.jit.script(Halves()).save(str(path))
    return path


def test_a_vector_has_at_most_64_numbers_with_names_of_their_own(make_image):
    image, mask = make_image(0)
    result = measure(image, mask)
    assert len(NAMES) == len(set(NAMES)) == len(result) <= 64
    assert np.isfinite(result).all()
    alone = measure(image, None)
    assert np.isnan(alone[-len(LESION) :]).all()
    assert np.array_equal(alone[: -len(LESION)], result[: -len(LESION)])
    assert np.array_equal(result, measure(image, mask))


def test_numbers_mean_what_their_names_say(make_image):
    image, mask = make_image(1)
    plain = dict(zip(NAMES, measure(image, mask), strict=True))
    soft = dict(zip(NAMES, measure(blur(image, rng(0, "b")), mask), strict=True))
    assert soft["local_sd"] < plain["local_sd"]
    assert soft["local_snr"] > plain["local_snr"]
    assert soft["speckle_axial_px"] > plain["speckle_axial_px"]
    assert soft["spectrum_0.50"] < plain["spectrum_0.50"]
    assert soft["contrast_axial_1px"] < plain["contrast_axial_1px"]
    assert soft["homogeneity_axial_1px"] > plain["homogeneity_axial_1px"]
    assert plain["correlation_lateral_1px"] > plain["correlation_axial_1px"]  # wider speckle
    dark = np.where(mask > 0, image // 3, image).astype(np.uint8)
    darker = dict(zip(NAMES, measure(dark, mask), strict=True))
    assert darker["contrast"] < plain["contrast"] - 30
    assert darker["echo_level"] < plain["echo_level"]


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_image_has_finite_numbers(level):
    whole = measure(np.full((64, 64), level, np.uint8), None)[: -len(LESION)]
    assert np.isfinite(whole).all()


def test_coordinates_depend_on_the_image_alone_and_lack_a_lesion_that_is_not_there(make_image):
    images, masks = map(np.stack, zip(*(make_image(k) for k in range(3)), strict=True))
    masks[1] = 0
    together = embed(images, masks)
    alone = np.concatenate([embed(images[k : k + 1], masks[k : k + 1]) for k in range(3)])
    assert np.array_equal(together, alone, equal_nan=True)
    assert np.isfinite(together[[0, 2]]).all()
    assert np.isnan(together[1]).sum() == len(LESION)
    assert np.nanmax(np.abs(together)) <= 6
    assert embed(images[:0], masks[:0]).shape == (0, len(NAMES))


def test_images_are_resized_as_clean_fid_does():
    board = np.indices((598, 598)).sum(axis=0) % 2 * np.uint8(255)
    assert np.abs(resize(board.astype(np.uint8), 299)[2:-2, 2:-2] - 127.5).max() < 2  # antialiased
    assert resize(np.full((40, 40), 255, np.uint8), 64).tolist() == [[255.0] * 64] * 64
    seen = Spec().to_input(np.zeros((2, 40, 40), np.uint8))
    assert seen.shape == (2, 3, 299, 299)
    assert seen.unique().tolist() == [-1]


def test_a_users_extractor_is_a_space_and_only_its_frechet_distance_is_fid(scripted):
    space = load_space(str(scripted), allow_code=True)
    images = np.zeros((11, 64, 64), np.uint8)
    images[:, :, 32:] = 64
    points = space.embed(images, np.zeros_like(images))
    assert points.shape == (11, 6)
    assert points[0, [0, 3]] == pytest.approx([-1, -0.5], abs=0.02)
    assert (space.name, space.sha256) == ("halves é", sha256_file(scripted))
    assert space.fid
    assert [one.fid for one in load_spaces(None)] == [False, False]
    assert [len(one.version) for one in load_spaces(None)] == [12, 12]


def test_of_stylegans_inception_the_layers_are_asked(tmp_path):
    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = Halves()

        def forward(self, x):
            return self.layers(x) * 0

    torch.jit.script(Whole()).save(str(tmp_path / "inception.pt"))
    points = load_model(tmp_path / "inception.pt", allow_code=True).embed(
        np.zeros((1, 64, 64), np.uint8)
    )
    assert points.tolist() == [[-1.0] * 6]


@pytest.fixture
def vit():
    """Return the shape of a tiny vision transformer."""
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return ViTConfig(intermediate_size=16, image_size=32, patch_size=8, **tiny)


@pytest.fixture
def pretrained(tmp_path):
    """Return a function that saves a tiny model of the transformers library, and its folder."""

    def save(model, **seen):
        folder = tmp_path / "tiny é"
        model.eval().save_pretrained(folder)
        if seen:
            write_text(folder / "preprocessor_config.json", dumps(seen))
        return folder

    torch.manual_seed(0)
    return save


def test_a_folder_of_the_transformers_library_is_a_space(pretrained, vit, capfd):
    model = ViTModel(vit)
    folder = pretrained(model, image_mean=[0.2, 0.4, 0.6], image_std=[0.5, 0.25, 1.0])
    capfd.readouterr()
    space = load_space(str(folder))
    assert "".join(capfd.readouterr()) == ""  # no progress bar of the library's own
    images = np.stack([np.full((64, 64), level, np.uint8) for level in (0, 51)])
    points = space.embed(images, images)
    seen = torch.tensor([[-0.4, -1.6, -0.6], [0.0, -0.8, -0.4]])[:, :, None, None]
    with torch.inference_mode():
        request = model(seen.expand(2, 3, 32, 32)).pooler_output
    assert points == pytest.approx(request.numpy(), abs=1e-5)
    assert (space.name, space.fid) == ("tiny é", True)
    (folder / "preprocessor_config.json").write_text("{}")
    assert load_space(str(folder)).sha256 != space.sha256  # images are seen otherwise


@pytest.mark.parametrize("pooled", [True, False])
def test_without_weights_that_pool_the_last_features_are_averaged(pretrained, vit, pooled):
    model = ViTModel(vit, add_pooling_layer=pooled)
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32)).astype(np.uint8)
    extractor = load_model(pretrained(model))
    with torch.inference_mode():
        result = model(extractor.spec.to_input(images))
    expected = result.pooler_output if pooled else result.last_hidden_state.mean(dim=1)
    assert extractor.embed(images) == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_model_without_all_of_its_weights_is_refused(pretrained, vit):
    folder = pretrained(ViTModel(vit))
    weights = load_file(folder / "model.safetensors")
    del weights["embeddings.cls_token"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"1 weights missing, embeddings\.cls_token first"):
        load_model(folder)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"none must be a model of the transformers library"):
        load_space(str(tmp_path / "none"))


def test_a_torchscript_file_runs_only_where_it_is_allowed(scripted):
    with pytest.raises(UserError, match=r"must be allowed to run, got .*\.pt: .*--allow-code"):
        load_space(str(scripted))


OWN_CODE = {"AutoConfig": "configuration_evil.Evil", "AutoModel": "modeling_evil.Evil"}


@pytest.mark.parametrize("place", ["top", "inner", "known"])
def test_code_that_a_folder_brings_is_never_run_nor_asked_about(
    tmp_path, place, monkeypatch, pretrained, vit
):
    folder = tmp_path / "evil"
    if place == "known":  # a model that the library has itself
        folder = pretrained(ViTModel(vit))
    folder.mkdir(exist_ok=True)
    owned = tmp_path / "OWNED"
    for name in ("configuration_evil.py", "modeling_evil.py"):
        (folder / name).write_text(f"open({str(owned)!r}, 'w')\nclass Evil: pass\n")
    own = {"auto_map": OWN_CODE}
    config = {"model_type": "evil", "vision_config": own} if place == "inner" else own
    known = read_json(folder / "config.json") if place == "known" else {"model_type": "evil"}
    (folder / "config.json").write_text(json.dumps(known | config))
    save_file({"a": torch.zeros(2)}, folder / "model.safetensors")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(DataError, match="code that a folder brings is never run, got auto_map"):
        load_model(folder)
    assert not owned.exists()


def test_a_network_that_would_see_huge_images_is_refused(pretrained, vit):
    with pytest.raises(DataError, match=r"at most 2048 px, got 100000"):
        load_model(pretrained(ViTModel(vit), size={"height": 100_000, "width": 100_000}))


def test_what_is_no_space_is_refused(tmp_path, scripted):
    for name in ("inception", "weights.safetensors", "net.onnx"):
        with pytest.raises(UserError, match="us64, radiomic, lite1, a TorchScript file"):
            load_space(name)
    with pytest.raises(UserError, match="must be a file or folder"):
        load_space(str(tmp_path / "gone.pt"))
    (tmp_path / "broken.pt").write_bytes(b"no network")
    with pytest.raises(DataError, match=r"broken.pt must be a TorchScript file"):
        load_space(str(tmp_path / "broken.pt"), allow_code=True)
    with pytest.raises(UserError, match="different names"):
        load_spaces([str(scripted), str(scripted)], allow_code=True)
    narrow = torch.jit.script(torch.nn.Linear(4, 2))
    narrow.save(str(tmp_path / "narrow.pt"))
    images = np.zeros((1, 64, 64), np.uint8)
    with pytest.raises(UserError, match=r"must take \(N, 3, 299, 299\)"):
        load_space(str(tmp_path / "narrow.pt"), allow_code=True).embed(images, images)


def test_an_extractor_that_fails_on_a_image_is_refused(tmp_path):
    class Scaled(torch.nn.Module):
        """Columns' means in units of their spread: 0 / 0 of a blank image."""

        def forward(self, x):
            """Return them."""
            means = x.mean(dim=(1, 2))
            return (means - means.mean(1, keepdim=True)) / means.std(1, keepdim=True)

    torch.jit.script(Scaled()).save(str(tmp_path / "scaled.pt"))
    images = np.zeros((3, 64, 64), np.uint8)
    images[1:] = np.random.default_rng(0).integers(0, 255, (2, 64, 64))
    with pytest.raises(UserError, match="must give finite numbers, got others for 1 images"):
        load_space(str(tmp_path / "scaled.pt"), allow_code=True).embed(images, images)
