"""The benchmark of masks: its own counting, on masks whose truth is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from busgen.bench.masks import outlines, realism, utility
from busgen.bench.masks.outlines import _crosses, measure_agreement
from busgen.bench.masks.realism import WINDOW, Cases, classify, crop, embed, nearest, overlap
from busgen.imaging.geometry import measure
from busgen.masks.engines import load_mask_engine
from busgen.metrics.two_sample import Recipe
from busgen.real.crops import Crops, join

RNG = np.random.default_rng(0)


def groups(n):
    return np.array([f"p{k}" for k in range(n)])


def crops_of(masks, label="benign"):
    n = len(masks)
    words = [np.full(n, word) for word in ("busi", "busi", label)]
    return Crops(masks, masks, np.zeros_like(masks), *words, groups(n))


@pytest.fixture(scope="module")
def drawn(mixed):
    """Return findings of some size and their masks."""
    findings = [f for f in mixed if min(f.width_mm, f.height_mm) > 5][:120]
    return findings, load_mask_engine("curvature").draw(findings)


def centred(mask):
    """Return the mask with its box in the middle."""
    left, top, width, height = cv2.boundingRect(mask)
    return np.roll(mask, (128 - top - height // 2, 128 - left - width // 2), (0, 1))


def test_crossings_are_seen():
    t = 2 * np.pi * np.arange(48) / 48 + 0.01
    assert not _crosses(np.stack([np.cos(t), np.sin(t)], axis=1))
    assert _crosses(np.stack([np.sin(t), np.sin(2 * t)], axis=1))


def test_boxes_that_are_as_asked_agree_and_others_do_not(drawn):
    findings, masks = drawn
    result = measure_agreement(masks, findings)
    assert result["size_within_5_percent"].value > 0.95
    assert result["box_error_px"].value <= 1
    wider = [replace(f, width_mm=1.2 * f.width_mm) for f in findings]
    assert measure_agreement(masks, wider)["size_within_5_percent"].value < 0.05


def test_trees_tell_rough_from_smooth_and_nothing_from_itself(drawn):
    _, masks = drawn
    held = Cases(masks, groups(len(masks)))
    real = embed(masks)
    noisy = real + 0.01 * RNG.standard_normal(real.shape)
    assert 0.3 < classify(noisy, real, held).value < 0.7
    other = real.copy()
    other[:, 7] -= 3  # far smoother
    assert classify(other, real, held).value > 0.95


def test_the_small_cnn_tells_squares_from_lesions(drawn):
    _, masks = drawn
    squares = np.zeros_like(masks)
    for square, mask in zip(squares, masks, strict=True):
        left, top, width, height = cv2.boundingRect(mask)
        square[top : top + height, left : left + width] = 1
    recipe = Recipe(2, 40, 16, 1e-2, WINDOW, grid=1, widths=(8, 16, 32))
    result = realism.two_sample("squares", squares, Cases(masks, groups(len(masks))), recipe)
    assert result["two_sample_cnn_squares"].value > 0.9
    assert result["two_sample_trees_squares"].value > 0.9


def test_windows_hold_the_lesion_in_their_middle(drawn):
    _, masks = drawn
    for mask, window in zip(masks, crop(masks), strict=True):
        rows, cols = np.nonzero(window > 127)
        assert window.shape == (WINDOW, WINDOW)
        assert abs((rows.min() + rows.max()) / 2 - WINDOW / 2) <= 1.5
        assert abs((cols.min() + cols.max()) / 2 - WINDOW / 2) <= 1.5
        if mask.any(axis=0).sum() < 100 and mask.any(axis=1).sum() < 100:
            assert (window > 127).sum() == mask.sum()


def test_coverage_and_density_of_points_that_are_known():
    real = np.random.default_rng(1).standard_normal((400, 3))
    same = np.random.default_rng(2).standard_normal((400, 3))
    coverage, density = overlap(same, real)
    assert coverage > 0.93
    assert density == pytest.approx(1, abs=0.1)
    assert overlap(same + 50, real) == (0, 0)
    assert overlap(np.repeat(real[:1], 400, axis=0), real)[0] < 0.1


def test_a_copy_is_near_wherever_and_however_large(drawn):
    _, masks = drawn
    assert nearest(masks[:5], masks).tolist() == [1.0] * 5
    moved = np.stack([centred(mask) for mask in masks[:5]])
    assert (nearest(moved, masks) > 0.9).all()
    assert (nearest(masks[:5, :, ::-1], masks) > 0.9).all()
    result = realism.novelty({"copy": moved}, Cases(masks[5:10], groups(5)), masks[:5])
    assert result["closer_than_real_copy"].value == 1
    assert result["nearest_iou_max_copy"].value > result["nearest_iou_max_real"].value


def test_ellipses_lie_or_stand_by_class_alone(drawn):
    findings, _ = drawn
    for pathology, tall in (("benign", False), ("malignant", True)):
        own = [replace(f, pathology=pathology) for f in findings[:30]]
        masks = utility.draw_ellipses(own, 256)
        upright = [(s := measure(m, 1.0)).height_mm > s.width_mm for m in masks]
        assert np.mean(upright) == pytest.approx(float(tall), abs=0.25)
        for finding, mask in zip(own, masks, strict=True):
            area = np.pi / 4 * finding.width_mm * finding.height_mm
            assert mask.sum() * 0.15**2 == pytest.approx(area, rel=0.35)


def test_deformed_real_masks_are_of_the_same_class_and_box(drawn):
    findings, masks = drawn
    round_, flat = crops_of(masks[:1], "benign"), crops_of(masks[1:2], "malignant")
    both = join([round_, flat])
    generated = utility.deform(findings[:10], both, 256)
    for finding, mask in zip(findings, generated, strict=False):
        shape = measure(mask, 0.15)
        assert shape.width_mm == pytest.approx(finding.width_mm, rel=0.3)
    again = utility.deform(findings[:10], both, 256)
    assert np.array_equal(generated, again)


def test_terms_that_show_are_read_and_others_are_not(drawn):
    findings, masks = drawn
    result = [{"shape": f.shape, "margin": f.margin} for f in findings]
    mixed_up = [result[k] for k in np.random.default_rng(3).permutation(len(result))]
    lots = {
        "right": Cases(masks, groups(len(result)), result),
        "wrong": Cases(masks, groups(len(result)), mixed_up),
    }
    figures = realism.terms(lots["right"], lots)
    assert figures["shape_read_right"].value > figures["shape_read_wrong"].value + 0.1
    assert figures["margin_auc_right"].value > figures["margin_auc_wrong"].value + 0.2


def test_the_same_patients_are_within_the_limit_and_others_are_not():
    rng = np.random.default_rng(4)

    def lesions(shift, n):
        return {name: rng.normal(shift, 0.3, n) for name in ("ratio", "area")}

    real = {label: lesions(0.5, 300) for label in ("benign", "malignant")}
    generated = {"benign": lesions(0.5, 5000), "malignant": lesions(0.8, 5000)}
    result = outlines._compare_marginals(generated, real)
    assert result["prior_ratio_benign"].value < 1 < result["prior_ratio_malignant"].value
    assert result["taller_benign"].value == pytest.approx(0.048, abs=0.01)


def test_proportions_are_measured_on_boxes(drawn):
    findings, masks = drawn
    values = outlines.measure(masks)
    request = np.log([f.width_mm / f.height_mm for f in findings])
    assert np.allclose(values["ratio"], request, atol=0.1)
    area = [f.width_mm * f.height_mm / (256 * 0.15) ** 2 for f in findings]
    assert np.allclose(values["area"], np.log(area), atol=0.15)
