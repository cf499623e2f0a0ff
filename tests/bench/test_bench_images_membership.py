"""The membership test: it finds a network that knows its images, and no other."""

import numpy as np
import pytest
import tiny_diffusion as tiny
import torch

from busgen.bench.images import membership
from busgen.bench.images.findings import STATED, Lesions
from busgen.images.diffusion.training.autoencoder import standardise, to_input

COUNT = 40


@pytest.fixture
def pipeline(monkeypatch):
    made = tiny.make_pipeline()
    standardise(made.autoencoder, tiny.make_crops(COUNT))
    monkeypatch.setattr(membership, "load_model", lambda *_: made)
    return made


def make_lesions(seed):
    crops = tiny.make_crops(COUNT, seed=seed)
    row = dict.fromkeys((*STATED, "scanner", "width_mm", "crop_width"))
    pairs = zip(crops.labels.tolist(), crops.datasets.tolist(), strict=True)
    return Lesions(crops, tuple(row | {"pathology": a, "dataset": b} for a, b in pairs))


def test_a_network_that_knows_its_images_is_found(pipeline, monkeypatch):
    known, unknown = make_lesions(1), make_lesions(2)
    with torch.inference_mode():
        learned = pipeline.autoencoder.encode(to_input(np.asarray(known.crops.images)))

    def recall(_unet, _tokens, points, time, _conditions):
        level = (time / 1000)[:, None, None, None]
        apart = (points[:, None] - (1 - level)[:, None] * learned).square().sum(dim=(2, 3, 4))
        return (points - learned[apart.argmin(dim=1)]) / level

    monkeypatch.setattr(membership, "predict_velocity", recall)
    assert membership.measure(known, unknown, 0).value > 0.95


def test_one_that_never_saw_them_tells_nobody(pipeline):
    found = membership.measure(make_lesions(1), make_lesions(2), 0)
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.n == 2 * COUNT
