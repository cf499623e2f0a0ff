"""Models learn what can be learned, and nothing where there is nothing."""

import numpy as np
import pytest
import torch
from tiny_sets import cases, crops
from torch import nn

from busgen import training_loop
from busgen.downstream.arms import find_arm
from busgen.downstream.data.pools import make_pool
from busgen.downstream.learner import LOOKS, Recipe, Trainee, has_converged, train
from busgen.downstream.models.registry import Model, load_model
from busgen.downstream.runs import SCHEMA, fit_platt, predict
from busgen.errors import UserError
from busgen.judges.judges import ClassifierSpec, SegmenterSpec
from busgen.stats.roc import auc

TINY = {
    "classification": Model("classification", ClassifierSpec(32, (8, 16), 1, 1.8, 1)),
    "segmentation": Model("segmentation", SegmenterSpec(32, (8, 16), 1)),
}


def mine() -> nn.Module:
    """Return a user's classifier."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))


def wrong() -> nn.Module:
    """Return a network that answers in another shape."""
    return nn.Identity()


def nothing() -> str:
    """Return no network."""
    return "net"


def learned(task: str, arm: str, folder, steps: int = 60):
    """Return the answers to 40 new images of a model that saw 60."""
    model = TINY[task]
    pool = make_pool(find_arm(arm), crops(60), [], task, 1)
    recipe = Recipe(steps, 12, 1e-2, looks=3)
    net, losses = train(model, pool, crops(20, 2), recipe, 7, folder)
    scale = fit_platt(model, net, crops(40, 3))
    return list(predict(model, net, scale, cases(40, 4))), losses


def auc_told(rows) -> float:
    truth = np.array([row["pathology"] == "malignant" for row in rows])
    return auc(truth, np.array([row["probability"] for row in rows]))


def test_a_classifier_learns_and_shuffled_labels_teach_nothing(tmp_path):
    rows, losses = learned("classification", "real", tmp_path / "a")
    assert auc_told(rows) > 0.95
    assert len(losses) == 3
    control, _ = learned("classification", "shuffled", tmp_path / "b", 30)
    assert abs(auc_told(control) - 0.5) < 0.25


def test_a_segmenter_learns_and_shuffled_masks_teach_nothing(tmp_path):
    rows, _ = learned("segmentation", "real", tmp_path / "a")
    assert np.mean([row["dice"] for row in rows]) > 0.75
    assert {row["pixel_mm"] for row in rows} == {0.5}
    control, _ = learned("segmentation", "shuffled", tmp_path / "b")
    assert np.mean([row["dice"] for row in control]) < 0.2


def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path):
    pool = make_pool(find_arm("real_augmented"), crops(12), [], "classification", 1)
    own, recipe = (TINY["classification"], pool, crops(4, 2)), Recipe(4, 4, looks=2)
    whole, losses = train(*own, recipe, 7, tmp_path / "whole")
    seen = []

    def stop(count: int) -> None:
        seen.append(count)
        if sum(seen) == 12:
            raise KeyboardInterrupt

    begun = Trainee(*own, recipe, 7, tmp_path / "again" / LOOKS)
    with pytest.raises(KeyboardInterrupt):
        training_loop.train(begun, recipe.schedule(7), tmp_path / "again", stop)
    again, others = train(*own, recipe, 7, tmp_path / "again")
    assert (len(losses), losses) == (2, others)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_rows_hold_what_the_schema_names():
    model = TINY["segmentation"]
    names = {name for row in predict(model, model.build().eval(), None, cases(3)) for name in row}
    assert names | {"task", "train", "arm", "seed", "fold", "test", "probability"} == set(
        SCHEMA.names
    )


def test_few_validation_patients_leave_chances_as_they_are():
    model = TINY["classification"]
    net = model.build().eval()
    assert fit_platt(model, net, crops(10)) is None
    assert fit_platt(model, net, crops(20)) is not None
    assert fit_platt(TINY["segmentation"], net, crops(20)) is None


def test_levelled_off():
    assert has_converged([0.9, 0.5, 0.495])
    assert not has_converged([0.9, 0.5, 0.4])
    assert not has_converged([0.9])


def test_a_users_model_is_taken_by_import_path():
    model = load_model("classification", f"{__name__}:mine")
    assert isinstance(model.build(), nn.Sequential)
    assert model.fingerprint != load_model("classification").fingerprint


@pytest.mark.parametrize(("path", "rule"), [
    ("no.such:net", "must be an import path"), (f"{__name__}:missing", "must be an import path"),
    ("", "must be an import path"), (f"{__name__}:TINY", "must be a function"),
    (f"{__name__}:nothing", r"torch\.nn\.Module"), (f"{__name__}:wrong", "logits of shape"),
])  # fmt: skip
def test_a_model_that_does_not_fit_is_refused(path, rule):
    with pytest.raises(UserError, match=rule):
        load_model("classification", path)
