"""Training of the judges: what it draws, that it resumes, calibrates and scores as it should."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from tiny_judges import CLASSIFIER, SEGMENTER, ellipses, tiny_judges

from busgen.errors import DataError, UserError
from busgen.imaging.decode import Box
from busgen.io import read_json
from busgen.judges.judges import SHIPPED, Window
from busgen.judges.training import batches, library, stage
from busgen.judges.training.fit import Member, Recipe, compute_loss, train
from busgen.params.presets import with_preset
from busgen.params.train_judges import TrainJudgesParams
from busgen.real import crops
from busgen.real.crops import (
    SPLITS,
    load_crops,
    probabilities,
    save_crops,
)
from busgen.seeds import rng
from busgen.stats import calibration
from busgen.stats.overlap import dice

QUICK = Recipe(epochs=2, batch=6, rate=3e-3, polish=1, half_precision=False)
PARAMS = TrainJudgesParams.model_validate(
    {
        "segmenter": {
            "members": 1,
            "size_px": 32,
            "widths": [4, 8],
            "epochs": 1,
            "batch": 6,
            "polish": 0,
        },
        "classifier": {
            "members": 1,
            "size_px": 32,
            "widths": [4, 8],
            "epochs": 1,
            "batch": 6,
            "blind": 0,
        },
    }
)


class KillError(Exception):
    """Stands in for a kill."""


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("spec", [SEGMENTER, CLASSIFIER], ids=["segmenter", "classifier"])
def test_a_killed_training_ends_with_the_same_bytes(tmp_path, spec):
    crops = ellipses(24)
    crops = crops.pick(crops.is_labelled)
    seen = []

    def kill(count):
        seen.append(count)
        if sum(seen) > 30:  # in the second epoch
            raise KillError

    member = Member(spec, 0, QUICK)
    whole = train(member, crops, 1, tmp_path / "a", lambda _: None)
    with pytest.raises(KillError):
        train(member, crops, 1, tmp_path / "b", kill)
    result = []
    again = train(member, crops, 1, tmp_path / "b", result.append)
    assert result[0] == 18  # one epoch was kept
    assert sum(result) == 54
    assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_seeds_differ_and_leave_the_global_generator_alone(tmp_path):
    crops, member = ellipses(12), Member(SEGMENTER, 0, Recipe(1, 6, 1e-3, half_precision=False))
    before = torch.get_rng_state()
    one = train(member, crops, 1, tmp_path / "a", lambda _: None)
    two = train(member, crops, 2, tmp_path / "b", lambda _: None)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(one["head.weight"], two["head.weight"])


def test_a_segmenter_learns_dark_ellipses(tmp_path):
    recipe = Recipe(epochs=12, batch=6, rate=1e-2, average=0.9, half_precision=False)
    weights = train(Member(SEGMENTER, 0, recipe), ellipses(60), 1, tmp_path / "a", lambda _: None)
    net = SEGMENTER.build(0)
    net.load_state_dict(weights)
    held_out = ellipses(12, seed=1)
    with torch.inference_mode():
        seen = torch.from_numpy(held_out.images[:, None, ::2, ::2].astype(np.float32)) / 255
        found = (net.eval()(seen)[:, 0] > 0).numpy()
    assert dice(found, held_out.masks[:, ::2, ::2] > 0).mean() > 0.8


def test_classes_are_equally_likely_on_every_scanner():
    crops = ellipses(60)
    weights = probabilities(crops, labelled=True)
    assert weights.sum() == pytest.approx(1)
    assert weights[crops.labels == "normal"].sum() == 0
    for scanner in ("rare", "common"):
        own = crops.scanners == scanner
        assert weights[own & crops.is_malignant].sum() == pytest.approx(weights[own].sum() / 2)
    ratio = weights[crops.scanners == "common"].sum() / weights[crops.scanners == "rare"].sum()
    lesions = [np.sum(crops.is_labelled & (crops.scanners == s)) for s in ("common", "rare")]
    assert ratio == pytest.approx(np.sqrt(lesions[0] / lesions[1]))


def test_masks_move_with_their_image():
    masks = ellipses(5).masks
    for k in range(20):
        draws = rng(k, "test")
        mask = masks[k % 5]
        window = batches.random_window(64, draws)
        seen = batches.augment(
            mask * np.uint8(255), (mask * np.uint8(255),), window, 48, batches.Draws(draws, 1.0)
        )
        agreed = dice((seen[:1] > 90), (seen[1:] > 127))[0]
        assert agreed > 0.85 or (seen[1] > 127).sum() < 40


def test_a_window_beside_the_lesion_shows_none_of_it():
    box = Box(20, 5, 16, 18)
    for k in range(30):
        window = batches.window_outside(box, 64, rng(k, "test"))
        if window is not None:
            mask = np.zeros((64, 64), np.uint8)
            mask[21:35, 6:22] = 255  # a window ends on whole pixels
            assert not window.crop(mask, 32).any()
    assert batches.window_outside(Box(0, 0, 64, 64), 64, rng(0, "test")) is None


def test_a_view_is_black_where_it_leaves_the_image():
    seen = Window(-2, 2, 4, 4).crop(np.full((4, 4), 9, np.uint8), 4)
    assert seen.tolist() == [[0, 0, 0, 0]] * 2 + [[9, 9, 0, 0]] * 2
    assert not Window(9, 9, 4, 4).crop(np.full((4, 4), 9, np.uint8), 4).any()


def test_ignored_pixels_cost_nothing():
    logits = torch.zeros(1, 1, 8, 8)
    target, weight = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    target[..., :4] = 1
    weight[..., 0] = 0
    other = logits.clone()
    other[..., 0] = 7
    assert compute_loss(logits, target, weight) == compute_loss(other, target, weight)


def test_overlays_are_painted_out_and_ignored():
    from busgen.io import encode_png

    image = np.random.default_rng(0).integers(60, 120, (96, 96)).astype(np.uint8)
    ignore = np.zeros((96, 96), np.uint8)
    ignore[40:44, 30:60] = 255
    image[ignore > 0] = 255
    row = {
        "image": {"bytes": encode_png(image)},
        "mask": None,
        "ignore": {"bytes": encode_png(ignore)},
        "source_file": "a.png",
    }
    crop, mask, hidden = crops.crop(row)
    assert crop.max() < 200
    assert not mask.any()
    assert 0.005 < hidden.mean() < 0.05


def test_platt_mends_chances_that_are_too_sure():
    draws = rng(0, "test")
    truth = draws.normal(0, 1.5, 20_000)
    outcomes = draws.random(20_000) < expit(truth)
    sure = 3 * truth + 1
    found = calibration.fit_platt(sure, outcomes)
    assert found.slope == pytest.approx(1 / 3, rel=0.05)
    assert found.intercept == pytest.approx(-1 / 3, abs=0.05)
    assert calibration.calibration_error(expit(sure), outcomes) > 0.1
    assert calibration.calibration_error(found(sure), outcomes) < 0.02


def test_the_best_threshold_is_where_lesions_end():
    masks = ellipses(12).masks
    found = np.where(masks > 0, 0.38, 0.31).astype(np.float32)
    assert calibration.fit_threshold(found, masks) == pytest.approx(0.35)


def test_calibration_needs_both_classes():
    with pytest.raises(DataError, match="10 patients of either class"):
        calibration.fit_platt(np.zeros(30), np.arange(30) < 9)


def test_calibration_errors_of_known_chances():
    draws = rng(1, "test")
    true = draws.uniform(0, 1, 400)
    outcomes = draws.random(400) < true
    floor, high = calibration.error_floor(true, rng(2, "test"))
    assert 0.01 < floor < high < 0.08
    assert calibration.calibration_error(true, outcomes) < high
    many = np.repeat(0.7, 10_000)
    outcomes = np.arange(10_000) % 2 == 0
    assert calibration.calibration_error(many, outcomes) == pytest.approx(0.2, abs=1e-3)
    assert calibration.debiased_error(many, outcomes) == pytest.approx(0.2, abs=1e-3)


def test_dice_of_overlapping_and_empty_masks():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, :2] = True
    found = np.zeros((2, 4, 4), bool)
    found[0, 1:3] = True
    assert dice(found, masks).tolist() == [0.5, 1.0]


def test_auc_is_that_of_the_reference_implementation():
    draws = rng(3, "test")
    outcomes, weights = draws.random(80) < 0.3, draws.integers(0, 9, 80) / 9
    assert library.auc(outcomes, weights) == pytest.approx(roc_auc_score(outcomes, weights))
    assert np.isnan(library.auc(outcomes & False, weights))


def test_intervals_draw_whole_patients():
    values = np.repeat([0.0, 1.0], 50)
    apart, together = np.arange(100).astype(str), np.repeat(["a", "b"], 50)
    narrow = library.interval(library.mean_score(values), apart, rng(0, "test"), 200)
    assert 0.35 < narrow[0] < narrow[1] < 0.65
    assert library.interval(library.mean_score(values), together, rng(0, "test"), 200) == [0.0, 1.0]


def test_the_whole_training_scores_the_test_patients_alone(tmp_path):
    folders = {split: tmp_path / "work" / split for split in SPLITS}
    for seed, (split, n) in enumerate(zip(SPLITS, (24, 36, 18), strict=True)):
        save_crops(ellipses(n, seed=seed), folders[split])
    table = tmp_path / "busi" / "table.parquet"
    table.parent.mkdir()
    result = {"citation": "A.", "doi": "10/1", "licence": "CC BY 4.0", "weights_may_ship": True}
    (table.parent / "info.json").write_text(json.dumps(result))
    plan = stage.plan(PARAMS, folders["train"], tmp_path / "work")
    ticks = []
    judges = stage.train(
        plan, folders, tmp_path / "work", lambda jobs: stage.map_jobs(jobs, 2, ticks.append)
    )
    assert sum(ticks) == plan.n == 24 + 18
    assert (judges.classifier.slope, judges.classifier.intercept) != (1.0, 0.0)
    record = library.publish(tmp_path / "work" / "judges", PARAMS, [table], table, tmp_path / "out")
    assert "## Without breast, bus_bra" in (tmp_path / "out" / "segmenter.md").read_text()
    assert record["test"]["segmenter"]["busi"]["n"] == 15
    assert record["test"]["classifier"]["auc"]["busi"]["n"] == 15
    assert record["test"]["segmenter"]["normals_left_empty"]["n"] == 3
    assert record["data"]["busi"]["train"] == {
        "patients": 12,
        "benign": 12,
        "malignant": 8,
        "normal": 4,
    }
    assert "0." in (tmp_path / "out" / "segmenter.md").read_text()
    ticks.clear()
    stage.map_jobs(plan.jobs, 1, ticks.append)  # finished members are not trained again
    assert ticks == [job.n for job in plan.jobs]
    stored = load_file(tmp_path / "out" / "segmenter.safetensors")
    assert all(v.dtype == torch.float16 for v in stored.values() if v.is_floating_point())


def test_the_card_tells_what_changes_without_a_dataset():
    record = read_json(SHIPPED / library.SCORES)
    assert all("## Without" not in card for card in library.write_card(record).values())
    del record["data"]["busi"]
    scores = {name: {"busi": {"value": 0.5, "interval": [0.4, 0.6]}} for name in ("seg", "auc")}
    left_out = {"segmenter": scores["seg"], "classifier": {"auc": scores["auc"]}}
    cards = library.write_card(record | {"left_out": {"busi": left_out}})
    assert "## Without busi" in cards["segmenter.md"]
    assert (
        "| Dice, test patients, busi | 0.744 (0.679 to 0.813) | 0.500 (0.400 to 0.600) |"
        in (cards["segmenter.md"])
    )
    assert (
        "| AUC, test patients, busi | 0.967 (0.930 to 0.993) | 0.500 (0.400 to 0.600) |"
        in (cards["classifier.md"])
    )


def test_crops_are_read_as_written(tmp_path):
    crops = ellipses(6)
    save_crops(crops, tmp_path / "crops")
    read = load_crops(tmp_path / "crops")
    assert all(np.array_equal(getattr(read, name), values) for name, values in vars(crops).items())


def test_the_work_folder_is_named_by_what_decides_the_weights(tmp_path):
    table, cohort = tmp_path / "table", tmp_path / "cohort"
    table.write_text("a")
    cohort.write_text("b")
    one = stage.work_folder([table], cohort, PARAMS, tmp_path)
    faster = PARAMS.model_copy(update={"workers": 1})
    other = PARAMS.model_copy(update={"seed": 8})
    assert stage.work_folder([table], cohort, faster, tmp_path) == one
    assert stage.work_folder([table], cohort, other, tmp_path) != one
    table.write_text("c")
    assert stage.work_folder([table], cohort, PARAMS, tmp_path) != one


def test_what_cannot_be_trained_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"NAME/table\.parquet"):
        library.resolve(tmp_path, tmp_path / "out", PARAMS)
    with pytest.raises(UserError, match="rehearsal"):
        with_preset(PARAMS, "train_judges", "large")
    assert with_preset(PARAMS, "train_judges", "rehearsal").classifier.members == 1
    assert tiny_judges(tmp_path / "j").segmenter.members == 2
