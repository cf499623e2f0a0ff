"""The benchmark of images: its own counting, on images and patients whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from busgen.bench import harness
from busgen.bench.harness import interval, mean
from busgen.bench.images import (
    benchmark,
    control,
    findings,
    speed,
    text,
)
from busgen.bench.real import overlays
from busgen.errors import DataError
from busgen.io import encode_png
from busgen.priors.findings import check
from busgen.real.crops import Crops
from busgen.schema import TISSUES, scanner_of
from busgen.stats.roc import auc_score

SIDE = 256


def disc(row, col, tall, wide, side=SIDE):
    """Return the mask of an ellipse with half axes in pixels."""
    rows, cols = np.mgrid[:side, :side]
    return ((((rows - row) / tall) ** 2 + ((cols - col) / wide) ** 2) <= 1).astype(np.uint8)


def real_lesions():
    """Return a described benign lesion, a malignant one without words, a normal image."""
    masks = np.stack(
        [disc(90, 120, 20, 40), disc(100, 110, 50, 30), np.zeros((SIDE,) * 2, np.uint8)]
    )
    result = {"tissue": None, "birads": None, "shape": None, "margin": None, "echo_pattern": None,
            "posterior": None, "halo": None, "calcification": None, "scanner": None,
            "width_mm": None, "crop_width": None}  # fmt: skip
    words = {"shape": "oval", "margin": ["circumscribed"], "echo_pattern": "anechoic",
             "posterior": "enhancement", "halo": False, "calcification": "none",
             "tissue": "homogeneous_fat", "birads": "2", "width_mm": 8.1,
             "crop_width": 81 / SIDE}  # fmt: skip
    rows = (
        {**result, **words, "dataset": "breast", "pathology": "benign"},
        {**result, "dataset": "bus_bra", "scanner": "GE Logiq 5", "pathology": "malignant"},
        {**result, "dataset": "busi", "pathology": "normal"},
    )
    crops = Crops(
        np.full((3, SIDE, SIDE), 90, np.uint8),
        masks,
        np.zeros_like(masks),
        np.array([row["dataset"] for row in rows]),
        np.array([scanner_of(row["scanner"], row["dataset"]) for row in rows]),
        np.array([row["pathology"] for row in rows]),
        np.array(["a", "b", "c"]),
    )
    return findings.Lesions(crops, rows)


def test_findings_stand_for_their_crops():
    real = real_lesions()
    request = findings.match_findings(real, 3)
    assert all(check(finding, SIDE) is finding for finding in request.findings)
    np.testing.assert_array_equal(request.masks, real.crops.masks)
    result, silent, normal = request.findings
    stated = (result.echo_pattern, result.posterior, result.margin, result.tissue)
    assert stated == ("anechoic", "enhancement", ("circumscribed",), "homogeneous_fat")
    assert (result.width_mm, result.height_mm, result.pixel_mm) == pytest.approx((8.1, 4.1, 0.1))
    assert (result.orientation, silent.orientation) == ("parallel", "not_parallel")
    assert [f.scanner for f in request.findings] == [
        "linear_12mhz_compound", "linear_7mhz", "linear_10mhz"]  # fmt: skip
    assert (silent.pathology, normal.pathology, normal.width_mm) == ("malignant", "normal", None)
    assert "anechoic" in result.text.lower()


def test_a_finding_does_not_depend_on_the_crops_beside_its_own():
    real = real_lesions()
    first = findings.match_findings(real.pick(np.array([True, False, False])), 3)
    assert first.findings == findings.match_findings(real, 3).findings[:1]


def test_drawn_findings_share_class_and_machine_alone():
    request = findings.draw_findings(real_lesions(), 3)
    assert [f.pathology for f in request.findings] == ["benign", "malignant", "normal"]
    assert request.findings[1].scanner == "linear_7mhz"
    assert request.masks.any(axis=(1, 2)).tolist() == [True, True, False]


def test_an_unknown_device_is_refused():
    with pytest.raises(DataError, match="got New One: add it to STYLES"):
        findings._style_for({"scanner": "New One", "dataset": "busi"})


def test_crops_are_spread_evenly():
    real = real_lesions()
    assert real.subsample(2).crops.groups.tolist() == ["a", "c"]
    assert real.subsample(9).crops.groups.tolist() == ["a", "b", "c"]


def test_intervals_are_of_patients_and_values_that_are_none_are_left_out():
    groups = np.array(["a", "a", "b", "b"])
    figure = mean(np.array([0.0, 0.0, 1.0, np.nan]), groups, "1", "test")
    assert (figure.value, figure.n, figure.interval) == (pytest.approx(1 / 3), 3, (0.0, 1.0))
    same = np.array([True, True])
    assert interval(auc_score(same, np.array([0.1, 0.2])), groups[:2], "AUC", "test") is None
    assert mean(np.array([]), groups[:0], "1", "test") is None


def test_a_gap_is_real_minus_rendered():
    malignant = np.array([True, True, False, False])
    gap = control.auc_loss(malignant, np.array([4.0, 3, 2, 1]), np.array([4.0, 1, 3, 2]))
    assert gap(np.arange(4)) == pytest.approx(0.5)


class _Seeing:
    """A judge that finds what is black and holds bright images for malignant."""

    sha256 = ""

    def segment(self, pictures):
        return (pictures == 0).astype(np.float32)

    def classify(self, pictures, masks):
        return pictures.mean(axis=(1, 2)) / 255


def test_orientation_is_that_of_the_largest_found_part():
    tall = disc(40, 40, 20, 8, 96)
    speck = disc(80, 80, 2, 6, 96)
    assert control.agree((tall + speck) > 0, tall)
    assert not control.agree(disc(40, 40, 8, 20, 96) > 0, tall)
    assert not control.agree(np.zeros_like(tall) > 0, tall)


def test_control_is_full_on_real_and_lost_on_empty_images():
    masks = np.stack([disc(40, 40, 9 + k, 20 - k, 96) for k in range(8)])
    labels = np.array(["benign", "malignant"] * 4)
    shade = np.where(labels == "malignant", 200, 100).astype(np.uint8)
    images = np.where(masks > 0, 0, shade[:, None, None]).astype(np.uint8)
    names = np.array([f"patient-{k}" for k in range(8)])
    crops = Crops(images, masks, 0 * masks, names, names, labels, names)
    generated = {"ours": np.full_like(images, 90), "theirs": images}
    result = control.figures(_Seeing(), crops, generated, "ours")
    assert result["control_dice_real"].value == result["control_dice_theirs"].value == 1
    assert (result["control_dice_ours"].value, result["control_dice_gap"].value) == (0, 1)
    assert result["control_auc_real"].value == 1
    assert result["control_auc_gap"].value == pytest.approx(0.5)
    assert result["control_orientation_gap"].value == 1
    assert result["control_dice_apart"].value == 1
    too_well = control.figures(_Seeing(), crops, {"ours": images}, "ours")
    assert too_well["control_dice_apart"].value == 0


def terms(values, field, words):
    """Return lesions whose echo, band and rim are `values`, a patient each."""
    rows = [{"echo_pattern": "hypoechoic", "posterior": "none", "halo": False, field: word}
            for word in words]  # fmt: skip
    columns = {name: np.array(values, np.float64) for name in text.MEASURES}
    return text.Lesions(columns, rows, np.arange(len(rows)).astype(str))


def test_terms_are_told_apart_in_the_direction_that_they_ask_for():
    words = ["shadowing"] * 5 + ["none"] * 5
    right = terms([-5, -4, -3, -2, -1, 0, 1, 2, 3, 4], "posterior", words)
    wrong = terms([5, 4, 3, 2, 1, 0, -1, -2, -3, -4], "posterior", words)
    held_out = np.arange(10) % 2 == 0
    result = text._term_figures({"ours": wrong}, right, held_out, "ours")
    assert (result["terms_shadowing_real"].value, result["terms_shadowing_ours"].value) == (1, 0)
    assert "terms_shadowing_real_held_out" not in result  # three and two are too few
    assert result["terms_gap_worst"].value == 1
    assert (result["band_shadowing_real"].value, result["band_shadowing_sign_real"].value) == (
        -3,
        1,
    )
    assert result["band_shadowing_sign_ours"].value == 0


def test_terms_that_cannot_be_told_on_real_lesions_are_no_test():
    words = ["shadowing"] * 5 + ["none"] * 5
    blind = terms([0, 1] * 5, "posterior", words)
    wrong = terms([5, 4, 3, 2, 1, 0, -1, -2, -3, -4], "posterior", words)
    result = text._term_figures({"ours": wrong}, blind, np.zeros(10, bool), "ours")
    assert result["terms_shadowing_ours"].value < result["terms_shadowing_real"].value
    assert "terms_gap_worst" not in result


def test_lesions_without_room_for_a_measure_do_not_count():
    words = ["none"] * 5 + ["enhancement"] * 6
    lesions = terms([0] * 5 + [1] * 5 + [np.nan], "posterior", words)
    contrast = next(c for c in text.CONTRASTS if c.name == "enhancement")
    figure = text._measure_contrast(lesions, contrast, "test")
    assert (figure.value, figure.n) == (1, 10)


def test_tissue_is_told_within_a_machine_not_between_machines():
    pick = np.random.default_rng(0)
    tissues = [TISSUES[k % 3] for k in range(60)]
    spread = {tissue: 10 + 12 * k for k, tissue in enumerate(TISSUES)}
    noise = pick.normal(size=(60, 64, 64)) * np.array([spread[t] for t in tissues])[:, None, None]
    machines = np.where(np.arange(60) < 30, "dark", "bright")
    level = np.where(machines == "dark", 90, 150)[:, None, None]
    images = np.clip(level + noise, 5, 255).astype(np.uint8)
    groups = np.arange(60).astype(str)
    seen = text.make_examples(images, machines, tissues, groups)
    assert text.measure(text.fit(seen), seen).value > 0.95
    few = text.make_examples(images[:3], machines[:3], tissues[:3], groups[:3])
    assert text.measure(text.fit(seen), few) is None


class _Obeying:
    """An engine whose lesions are black where a finding says anechoic, and halos bright."""

    name, sha256 = "obeying", ""

    def render(self, findings, masks):
        noise = np.random.default_rng(1).normal(120, 20, masks.shape)
        inside = np.array([5 if f.echo_pattern == "anechoic" else 60 for f in findings])
        grey = np.where(masks > 0, inside[:, None, None], noise)
        return np.clip(grey, 1, 255).astype(np.uint8)


def test_pairs_count_where_the_measure_of_the_word_moves_as_asked():
    request = findings.match_findings(real_lesions(), 3)
    base = control.select(request, 9)
    assert [f.echo_pattern for f in base.findings] == ["hypoechoic"] * 2

    def inside(picture, mask):
        return float(picture[mask > 0].mean())

    def nothing(picture, mask):
        return float("nan")

    measures = {"echo": inside, "darkness": inside, "posterior": nothing, "rim": nothing}
    result = control.measure(_Obeying(), base, measures, "ours")
    assert result["pairs_echo_pattern_anechoic_hypoechoic_ours"].value == 1
    assert result["pairs_echo_pattern_isoechoic_hyperechoic_ours"].value == 0
    assert result["pairs_halo_no_yes_ours"].n == 0
    assert result["counterfactual_moved_ours"].value == pytest.approx(1 / 3, abs=1e-4)
    assert result["counterfactual_moved_ours"].n == 6
    assert result["pairs_darkness_kept_ours"].value == 1


def test_a_changed_word_leaves_seed_box_and_phrasing():
    request = findings.match_findings(real_lesions(), 3)
    plain = control.select(request, 1)
    after = control._change_terms(plain, {"halo": True}).findings[0]
    (before,) = plain.findings
    assert replace(after, halo=False, text=before.text) == before
    words, others = before.text.split(), after.text.split()
    assert set(words) ^ set(others) <= {"No", "no", "a", "A", "an", "absent.", "present.", "halo,"}


def test_engines_that_learned_devices_are_asked_for_them():
    class _Told:
        sha256 = ""

        def __init__(self, name) -> None:
            self.name = name

        def render(self, findings, masks):
            return [finding.scanner for finding in findings]

    request = findings.match_findings(real_lesions(), 3)
    devices = ["BrEaST", "GE Logiq 5", "BUSI"]
    assert findings.render(_Told("diffusion"), request) == devices
    assert findings.render(_Told("phantom"), request) == [f.scanner for f in request.findings]


def test_overlays_are_counted_by_image_beside_clean_ones(monkeypatch):
    monkeypatch.setattr(overlays, "find_overlays", lambda image: image == 255)
    clean = np.zeros((4, 8, 8), np.uint8)
    clean[0, 0, 0] = 255
    result = overlays.measure(clean, {"ours": 255 - clean}, "ours")
    assert (result["overlays_real"].value, result["overlays_ours"].value) == (0.25, 1)
    assert result["overlays_excess"].value == 0.75
    assert result["overlays_area_real"].value == 1 / 256
    assert result["overlays_area_real"].interval == (0, 1 / 64)


def test_clean_images_are_listed_ones_and_unlisted_ones_of_the_clean_dataset(tmp_path, monkeypatch):
    listed = tmp_path / "names.csv"
    listed.write_text("dataset,source_file,kinds,where\nbreast,a,ruler,\nbusi,b,none,\n")
    monkeypatch.setattr(overlays, "LISTED", listed)
    result = {"a": "breast", "b": "busi", "c": "busi", "d": "breast"}
    rows = [
        {"dataset": dataset, "source_file": name, "pathology": "normal", "flags": [], "mask": None,
         "image": {"bytes": encode_png(np.full((300, 300), 40 + 10 * k, np.uint8))}}
        for k, (name, dataset) in enumerate(result.items())
    ]  # fmt: skip

    def some_rows(tables, cohort, *, splits, columns, usable):
        assert "train" not in splits
        return filter(usable, rows)

    monkeypatch.setattr(overlays, "read_rows", some_rows)
    images = overlays.read_images([], tmp_path)
    assert images[:, 128, 128].tolist() == [50, 70]


def test_training_is_measured_against_products(monkeypatch):
    import torch

    weights = torch.ones(64, 64)
    monkeypatch.setattr(speed, "measure_time", lambda work: (work(), 0.5)[1])
    monkeypatch.setattr(speed, "_measure_product", lambda dtype, device: 1e-3)
    step, place = (lambda: weights @ weights), torch.device("cpu")
    result = speed._measure_training(step, 2, place, half=False)
    assert result["train_samples_per_s"].value == 4
    assert result["train_gflop_per_sample"].value == pytest.approx(64**3 / 1e9)
    assert result["train_share_of_limit"].value == pytest.approx(4 * 64**3 / 1e6)


def test_a_child_tells_rate_memory_and_evaluations(tmp_path):
    result = speed.measure("phantom", 2, tmp_path)
    assert list(result) == ["images_per_s", "memory_gib"]  # the phantom evaluates no network
    assert result["images_per_s"].n == 2
    assert 0.05 < result["memory_gib"].value < 4


def test_bars_of_images_hold_at_their_bounds(monkeypatch):
    figures = {key: harness.Figure(bar.bound, "1", 1) for key, bar in benchmark.BARS.items()}
    monkeypatch.setattr(benchmark, "measure", lambda *, quick: figures)
    assert all(bar["holds"] for bar in harness.run("images")["bars"].values())
    del figures["terms_gap_worst"]  # no term was asked for often enough
    bars = harness.run("images")["bars"]
    assert [key for key, bar in bars.items() if not bar["holds"]] == ["terms_gap_worst"]
