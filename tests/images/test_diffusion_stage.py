"""The generator trained whole on a handful of images: published, loaded, learned on."""

import json

import cv2
import pytest
import tiny_diffusion as tiny
import torch

from busgen.errors import UserError
from busgen.folders import open_work
from busgen.images.contract import ModelOptions
from busgen.images.diffusion.engine import load_model
from busgen.images.diffusion.training import plan as planning
from busgen.images.diffusion.training.plan import resolve
from busgen.images.diffusion.training.stage import train
from busgen.images.engines import load_image_engine
from busgen.images.training.examples import SPLITS, Caption, ImageSet, save_examples
from busgen.io import dumps, write_text
from busgen.params.presets import with_preset
from busgen.params.train_images import TrainImagesParams

CAPTION = Caption(pathology="benign", shape="oval", halo=False)
REHEARSAL = with_preset(TrainImagesParams(), "train_images", "rehearsal")


def silent(_count):
    pass


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Return a function that plans a training whose images are read already."""
    folder = tmp_path_factory.mktemp("real é")
    table, cohort = folder / "breast" / "table.parquet", folder / "cohort.parquet"
    result = {"citation": "c", "doi": "d", "licence": "CC BY 4.0", "weights_may_ship": True}
    for path, text in ((table, "t"), (cohort, "c"), (table.parent / "info.json", dumps(result))):
        write_text(path, text)

    def plan(out, params):
        training = resolve([table], cohort, params, out.with_name("work"), out)
        open_work(training.work)
        for split in SPLITS:
            images = ImageSet(tiny.make_crops(4), (CAPTION,) * 4)
            save_examples(images, training.work / split)
        write_text(training.work / "bounds.json", dumps({"bounds": []}))
        return training

    return plan


@pytest.fixture(scope="module", autouse=True)
def _quick_sheets():
    """Let sample sheets, whose images nothing here sees, take one step of the solver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "STEPS", 1)
        yield


@pytest.fixture(scope="module")
def trained(planned, tmp_path_factory):
    return train(planned(tmp_path_factory.mktemp("out") / "images", REHEARSAL), silent)


def test_what_is_trained_draws(trained, lesions):
    engine = load_image_engine("diffusion", 256, "cpu", 2, ModelOptions(str(trained), steps=2))
    images = engine.render(*lesions(2, 256))
    assert images.shape == (2, 256, 256)
    assert images.std() > 0


def test_the_card_tells_data_steps_and_that_nothing_is_measured(trained):
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert "NOT FOR CLINICAL USE" in card
    assert "| breast | CC BY 4.0 | 2 / 2 |" in card
    assert "| guided | 2 | 2 | 4 | step 2, loss" in card
    assert "| decoder | 2 | 2 | 4 | step 2, critic" in card
    assert "| last_steps | 2 | 2 | 4 | step 2, drawn" in card
    assert "## Without bus_bra, busi" in card  # which the one that ships learned from
    assert "| images, train | 1636 | 2 |" in card
    assert "Not measured yet" in card
    assert "](evidence/samples.png)" in card
    assert cv2.imread(str(trained / "evidence" / "samples.png")).shape == (768, 1024, 3)
    log = (trained / "evidence" / "flow.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["validation_loss"] > 0


def test_guidance_moves_the_weights(trained, planned, tmp_path):
    plain = REHEARSAL.model_copy(
        update={"guided": REHEARSAL.guided.model_copy(update={"steps": 0})}
    )
    other = train(planned(tmp_path / "plain", plain), silent)
    weights = [f / "unet" / "diffusion_pytorch_model.safetensors" for f in (trained, other)]
    assert weights[0].read_bytes() != weights[1].read_bytes()
    assert not (other / "evidence" / "guided.jsonl").exists()


def test_a_generator_learns_on_with_its_own_latents(trained, planned, tmp_path):
    request = REHEARSAL.model_copy(update={"start": trained})
    further = train(planned(tmp_path / "on", request), silent)
    before, after = (load_model(folder, torch.device("cpu")) for folder in (trained, further))
    same = {
        name: tiny.tensors_equal(get(before), get(after))
        for name, get in {
            "encoder": lambda pipeline: pipeline.autoencoder.encoder,
            "decoder": lambda pipeline: pipeline.autoencoder.decoder,
            "unet": lambda pipeline: pipeline.unet,
        }.items()
    }
    assert same == {"encoder": True, "decoder": False, "unet": False}
    card = (further / "README.md").read_text(encoding="utf-8")
    assert "| flow | 2 |" in card
    assert "| autoencoder |" not in card


def test_a_generator_of_another_network_is_refused_at_once(trained, planned, tmp_path):
    wider = REHEARSAL.flow.model_copy(update={"widths": (16, 64)})
    request = REHEARSAL.model_copy(update={"start": trained, "flow": wider})
    with pytest.raises(UserError, match=r"flow.widths and flow.layers must be those of .*16, 64"):
        planned(tmp_path / "on", request)
    assert not (tmp_path / "work").exists()


def test_presets_are_named():
    base = with_preset(TrainImagesParams(), "train_images", "base")
    assert base.flow.batch > TrainImagesParams().flow.batch
    assert with_preset(TrainImagesParams(), "train_images", "small") == TrainImagesParams()
    with pytest.raises(UserError, match="choose from small, base, rehearsal"):
        with_preset(TrainImagesParams(), "train_images", "huge")
