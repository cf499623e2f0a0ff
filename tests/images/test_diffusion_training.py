"""Training of the generator: exact resume, what is learned from, what is refused."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import tiny_diffusion as tiny
import torch

from busgen.errors import DataError
from busgen.images.diffusion.autoencoder import FACTOR, Autoencoder, draw_noise
from busgen.images.diffusion.conditions import empty_text
from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import Guidance
from busgen.images.diffusion.scanners import NO_STYLE
from busgen.images.diffusion.training import (
    autoencoder,
    decoder,
    flow,
    last_steps,
    last_steps_examples,
)
from busgen.images.diffusion.training.autoencoder import standardise
from busgen.images.diffusion.training.decoder_examples import (
    draw_examples,
    make_examples,
)
from busgen.images.diffusion.training.feature_distance import FeatureDistance
from busgen.images.diffusion.training.latents import (
    draw_batch,
    encode,
    load_examples,
    make_batch,
    save_examples,
    stated_terms,
)
from busgen.images.training.examples import Caption, ImageSet
from busgen.learning import trainees
from busgen.training_loop import Schedule, make_draws, train

CPU = torch.device("cpu")
CAPTION = Caption(pathology="benign", shape="oval", echo_pattern="hypoechoic")
PACE = Schedule(steps=6, batch=2, rate=1e-3, keep=2, validate=3, warmup=2)


class KilledError(Exception):
    """What stops a training in the middle."""


def killed_after(count):
    """Return a tick that stops a training after `count` images."""
    seen = [0]

    def tick(more):
        seen[0] += more
        if seen[0] >= count:
            raise KilledError

    return tick


@pytest.fixture(scope="module")
def views():
    model = trainees.build_network(lambda: Autoencoder(widths=(16, 16, 8, 8)), 0)
    crops = tiny.make_crops(6)
    return encode(standardise(model, crops), ImageSet(crops, (CAPTION,) * 6), 4)


@pytest.fixture(scope="module")
def stated():
    return stated_terms([CAPTION] * 6, 3, 0.8)


def make_flow(views, stated, guide=None):
    modules = flow.build_network(tiny.NETWORK, tiny.SIDE, 4, 0)
    both = {"train": views, "validation": views}
    return flow.Trainee(modules, both, {"train": stated, "validation": stated}, guide)


def make_autoencoder(monkeypatch):
    monkeypatch.setattr(autoencoder, "PATCH_PX", 32)
    model = trainees.build_network(lambda: Autoencoder(widths=(16, 16, 8, 8)), 0)
    splits = {"train": tiny.make_crops(6), "validation": tiny.make_crops(2, seed=1)}
    return autoencoder.Trainee(model, splits, PACE)


def make_decoder(monkeypatch):
    """Return what tunes a generator, and its pipeline as it was."""
    monkeypatch.setattr(decoder, "REAL", 100)
    pipeline = tiny.make_pipeline()
    images = ImageSet(tiny.make_crops(6), (CAPTION,) * 6)
    examples = make_examples(pipeline, images)
    model = copy.deepcopy(pipeline.autoencoder)
    return decoder.Trainee(model, examples, images.crops, PACE), pipeline


def make_last_steps(crops=None):
    """Return what tunes a network's last steps."""
    images = ImageSet(crops or tiny.make_crops(6), (CAPTION,) * 6)
    pipeline = tiny.make_pipeline()
    known, held_out = (
        last_steps_examples.make_examples(pipeline, images, views) for views in (2, 1)
    )
    return last_steps.Trainee(pipeline, known, held_out)


def told(folder):
    """Return the log without its times."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    timed = ("samples_per_s", "remaining_s")
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]


@pytest.mark.parametrize("which", ["autoencoder", "flow", "guided", "decoder", "last_steps"])
def test_a_killed_training_ends_with_the_same_weights_and_log(
    which, views, stated, tmp_path, monkeypatch
):
    def make():
        if which == "autoencoder":
            return make_autoencoder(monkeypatch)
        if which == "decoder":
            return make_decoder(monkeypatch)[0]
        if which == "last_steps":
            return make_last_steps()
        return make_flow(views, stated, Guidance(text=2.0) if which == "guided" else None)

    whole = train(make(), PACE, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(make(), PACE, tmp_path / "killed", killed_after(10))
    again = train(make(), PACE, tmp_path / "killed")
    for name, module in whole.items():
        assert tiny.tensors_equal(module, again[name]), name
    assert told(tmp_path / "whole") == told(tmp_path / "killed")
    assert len(told(tmp_path / "whole")) == 1


def test_accumulation_counts_images(views, stated, tmp_path):
    seen = []
    schedule = replace(PACE, steps=2, accumulate=3)
    train(make_flow(views, stated), schedule, tmp_path, seen.append)
    assert sum(seen) == schedule.images_seen == 12


def test_the_loss_falls_on_what_is_learned(views, stated, tmp_path):
    trainee = make_flow(views, stated)
    before = trainee.validate(trainee.modules, 0)["validation_loss"]
    mean = train(trainee, Schedule(steps=25, batch=8, rate=3e-3, warmup=5, average=0.8), tmp_path)
    assert trainee.validate(mean, 25)["validation_loss"] < 0.9 * before


def test_nan_in_the_training_data_is_named(views, stated, tmp_path):
    broken = replace(views, latents=views.latents * float("nan"))
    with pytest.raises(DataError, match=r"the training's loss must be finite, got nan at step 0"):
        train(make_flow(broken, stated), PACE, tmp_path)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_guidance_is_what_the_teacher_draws_with_it(views, stated):
    trainee = make_flow(views, stated, Guidance(text=3.0))
    every = np.ones((4, LEVELS), bool)
    batch = make_batch(views, stated, np.arange(4), np.zeros(4, np.int64), every)
    point, time = torch.randn(4, 4, 8, 8), torch.full((4,), 500.0)
    from busgen.images.diffusion.pipeline import predict_velocity

    unet, tokens = trainee.modules["unet"], trainee.modules["tokens"]
    with torch.no_grad():
        full = predict_velocity(unet, tokens, point, time, batch.conditions)
        less = predict_velocity(
            unet, tokens, point, time, batch.conditions.without(frozenset({"text"}))
        )
    assert torch.allclose(
        trainee._guided(point, time, batch.conditions), full + 2 * (full - less), atol=1e-5
    )


def test_views_are_whole_mirrored_and_windows_with_their_masks_and_weights():
    crops = tiny.make_crops(3)
    model = trainees.build_network(lambda: Autoencoder(widths=(16, 16, 8, 8)), 0)
    rare = replace(CAPTION, echo_pattern="anechoic")
    views = encode(model, ImageSet(crops, (rare, CAPTION, CAPTION)), 4)
    assert views.whole.tolist() == [True, False, False, False] * 3
    assert np.array_equal(views.masks[0], crops.masks[0])
    assert np.array_equal(views.masks[1], crops.masks[0][:, ::-1])
    assert views.masks.max() == 1
    assert views.weights[0, -1, -1] == 0  # text is burned in there
    assert views.weights[4].min() == 1
    assert np.array_equal(views.levels[0], views.levels[3], equal_nan=True)  # the whole image's
    assert np.array_equal(views.places[1], views.places[0][..., ::-1])
    assert views.chances.sum() == pytest.approx(1)
    assert views.chances[0] / views.chances[8] == pytest.approx(2**0.5)  # once to twice


def test_views_survive_their_file(views, tmp_path):
    save_examples(views, tmp_path / "v.safetensors")
    again = load_examples(tmp_path / "v.safetensors")
    assert np.array_equal(again.masks, views.masks)
    assert torch.allclose(again.latents, views.latents, atol=1e-2)
    assert np.array_equal(again.whole, views.whole)
    assert np.array_equal(again.levels, views.levels, equal_nan=True)
    assert np.array_equal(again.places, views.places)


def test_conditions_are_dropped_at_times(views, stated):
    batch = draw_batch(views, stated, 400, np.random.default_rng(0))
    silent = (batch.conditions.text == empty_text(400)).all(1).float().mean()
    assert 0.05 < silent < 0.25
    assert 0.05 < (batch.conditions.planes[:, -1, 0, 0] == 0).float().mean() < 0.2
    assert 0.05 < (batch.conditions.style == NO_STYLE).float().mean() < 0.25
    assert stated.isfinite().all()


def test_levels_are_told_unless_dropped_alone_or_with_text_or_mask(views, stated):
    known = replace(views, levels=np.ones_like(views.levels))
    batch = draw_batch(known, stated, 400, np.random.default_rng(0))
    told = (batch.conditions.levels[:, LEVELS:].amax(dim=(2, 3)) > 0).float()
    assert ((told.mean(0) > 0.55) & (told.mean(0) < 0.8)).all()
    lost = (batch.conditions.text == empty_text(400)).all(1) | (
        batch.conditions.planes[:, -1, 0, 0] == 0
    )
    assert not told[lost].any()
    unseen = replace(views, levels=np.full_like(views.levels, np.nan))
    assert not draw_batch(unseen, stated, 50, np.random.default_rng(0)).conditions.levels.any()


def test_dropping_text_or_mask_drops_what_is_told_by_levels(views, stated):
    every = np.ones((4, LEVELS), bool)
    known = replace(views, levels=np.ones_like(views.levels))
    told = make_batch(known, stated, np.arange(4), np.zeros(4, np.int64), every).conditions
    assert told.levels.any()
    assert not told.without(frozenset({"text"})).levels.any()
    assert not told.without(frozenset({"mask"})).levels.any()
    assert torch.equal(told.without(frozenset({"style"})).levels, told.levels)


def test_the_decoder_draws_other_grain_from_other_noise():
    model = trainees.build_network(lambda: Autoencoder(widths=(16, 16, 8, 8)), 0)
    latents = torch.zeros(1, 4, 8, 8)
    first, again, other = (
        model.decode(latents, draw_noise(1, 64, torch.Generator().manual_seed(seed)))
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_tuned_decoder_reads_the_same_latents_and_draws_others(tmp_path, monkeypatch):
    trainee, before = make_decoder(monkeypatch)
    after = train(trainee, PACE, tmp_path)["autoencoder"]
    assert tiny.tensors_equal(after.encoder, before.autoencoder.encoder)
    assert not tiny.tensors_equal(after.decoder, before.autoencoder.decoder)


def test_only_latents_of_real_images_teach_at_first(monkeypatch):
    trainee, _ = make_decoder(monkeypatch)
    early, late = (
        trainee.add_gradients(step, make_draws(0, step, CPU), PACE) for step in (0, PACE.steps - 1)
    )
    assert set(late) == set(early)
    drawn = round(decoder.DRAWN * PACE.batch)
    counts = {name: int(one.count) for name, one in trainee.distances.items()}
    assert counts == {"drawn": drawn, "encoded": 2 * PACE.batch - drawn}


def test_a_patch_is_cut_where_its_latents_are(monkeypatch):
    examples = make_decoder(monkeypatch)[0].examples
    crops = examples.crops
    shown = np.stack([crops.images, crops.images[:, :, ::-1]], axis=1)
    seen = torch.from_numpy(shown[:, :, None, ::FACTOR, ::FACTOR].astype(np.float32)).flatten(0, 1)
    own = replace(examples, views=replace(examples.views, latents=seen), drawn=seen + 1000)
    batch = draw_examples(own, 24, 8, make_draws(0, 0, CPU).rng)
    plain = batch.rows % 2 == 0  # mirrored pixels are not where every eighth one was
    latents = batch.latents - 1000 * (torch.arange(24) < 8)[:, None, None, None]
    pixels = ((batch.real + 1) * 127.5)[..., ::FACTOR, ::FACTOR]
    assert torch.allclose(pixels[plain], latents[plain], atol=1e-3)
    assert not plain.all()
    assert (batch.weight == 0).any()


def test_the_distance_of_features_falls_toward_real_ones():
    torch.manual_seed(0)
    styles = torch.zeros(300, dtype=torch.long)
    distance = FeatureDistance(torch.randn(300, 20), styles)
    drawn = (torch.randn(300, 20) + 1).requires_grad_()
    assert float(distance(drawn, styles).detach()) == 0  # nothing is remembered yet
    distance(drawn, styles).backward()
    assert float((drawn.grad.mean(dim=0) > 0).float().mean()) > 0.9  # downhill is toward them
    assert int(distance.count) == 600


def test_last_steps_bring_features_nearer_and_leave_the_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(last_steps, "REMEMBERED", 12)
    monkeypatch.setitem(last_steps.WEIGHTS, "drawn_spectrum", 0.0)  # of blocks
    """Of a decoder that never learned another one shows latents: as blocks, real ones brighter."""
    blocks = np.random.default_rng(0).normal(180, 30, (6, 8, 8)).clip(0, 255).astype(np.uint8)
    real = blocks.repeat(FACTOR, axis=1).repeat(FACTOR, axis=2)
    trainee = make_last_steps(replace(tiny.make_crops(6), images=real))
    before_it = copy.deepcopy(trainee.autoencoder)

    def decode(latents, _grain):
        grey = latents.mean(dim=1, keepdim=True)
        return grey.repeat_interleave(FACTOR, 2).repeat_interleave(FACTOR, 3).tanh()

    monkeypatch.setattr(trainee.autoencoder, "decode", decode)
    before = trainee.validate(trainee.modules, 0)["validation_shift"]
    pace = Schedule(80, batch=4, rate=5e-3, warmup=5, average=0.8, half_precision=False)
    mean = train(trainee, pace, tmp_path)
    assert trainee.validate(mean, 80)["validation_shift"] < 0.9 * before
    assert tiny.tensors_equal(trainee.autoencoder.encoder, before_it.encoder)


def test_last_steps_teach_network_and_decoder(tmp_path):
    trainee = make_last_steps()
    modules = {**trainee.network, "decoder": trainee.autoencoder.decoder}
    before = copy.deepcopy(modules)
    train(trainee, replace(PACE, steps=2), tmp_path)
    for name, module in modules.items():
        assert not tiny.tensors_equal(module, before[name]), name


def test_the_prior_is_asked_for_what_captions_leave_open():
    images = ImageSet(tiny.make_crops(4), (CAPTION, CAPTION, Caption("malignant"), Caption()))
    findings = last_steps_examples.ask_prior(images)
    assert [f.pathology for f in findings[:3]] == ["benign", "benign", "malignant"]
    assert findings[0].shape == "oval"
    assert findings[0].echo_pattern == "hypoechoic"
    assert findings[2].echo_pattern is not None
    assert [f.scanner for f in findings] == ["BrEaST", "BUSI"] * 2
    strange = replace(images.crops, scanners=np.array(["BrEaST", "a lab's", "BUSI", "BUSI"]))
    assert last_steps_examples.ask_prior(ImageSet(strange, images.captions))[1] is None
