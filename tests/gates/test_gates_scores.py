"""Gates: one test a rejection reason, scores exact on planted images."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from busgen.gates.judged_scores import JUDGED_AT_ONCE, ask_judges, judge_pairs
from busgen.gates.scores import (
    LESION,
    LOST,
    mask_error,
    score_lesion,
    score_pair,
    sharpness,
    verdict,
)
from busgen.imaging.geometry import measure
from busgen.judges.judges import load_judges
from busgen.params.gates import DEFAULT_GATES, Gate
from busgen.priors.findings import Finding
from busgen.schema import JUDGED

SIZE = 128


def finding(**changes) -> Finding:
    values = {
        "sample_id": "t-1",
        "seed": 1,
        "family_id": "t-1",
        "pathology": "benign",
        "birads": "3",
        "tissue": "heterogeneous",
        "shape": "oval",
        "orientation": "parallel",
        "margin": ("circumscribed",),
        "echo_pattern": "hypoechoic",
        "posterior": "none",
        "halo": False,
        "calcification": "none",
        "width_mm": 12.0,
        "height_mm": 8.0,
        "center_x": 0.5,
        "center_y": 0.5,
        "pixel_mm": 0.25,
        "scanner": "linear_10mhz",
        "text": "a mass",
    }
    return Finding(**values | changes)


NORMAL = finding(pathology="normal", birads="1", shape=None, orientation=None, margin=None,
                 echo_pattern=None, posterior=None, halo=None, calcification=None, width_mm=None,
                 height_mm=None, center_x=None, center_y=None)  # fmt: skip


def ellipse(width_mm: float = 12.0, height_mm: float = 8.0) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    axes = (round(width_mm / 0.5) - 1, round(height_mm / 0.5) - 1)
    cv2.ellipse(mask, (64, 64), axes, 0, 0, 360, 1, -1)
    return mask


def speckled(mask: np.ndarray, inside: float = 60, outside: float = 120) -> np.ndarray:
    noise = np.random.default_rng(4).rayleigh(1, mask.shape) / 1.25
    return np.clip(np.where(mask, inside, outside) * noise, 1, 250).astype(np.uint8)


BLURRED = cv2.GaussianBlur(speckled(ellipse(), 10, 180), (0, 0), 3)


def judge(asked: Finding, mask: np.ndarray, image: np.ndarray):
    scores = score_pair(asked, mask, image, measure(mask, asked.pixel_mm))
    return verdict(scores, DEFAULT_GATES)


def test_a_good_pair_is_accepted():
    assert judge(finding(), ellipse(), speckled(ellipse())) == (True, None, [])


def test_a_good_normal_is_accepted():
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    assert judge(NORMAL, nothing, speckled(nothing)) == (True, None, [])


@pytest.mark.parametrize(
    ("reason", "asked", "mask", "image"),
    [
        ("mask_error", finding(), ellipse(16.0), speckled(ellipse(16.0))),
        ("mask_error", finding(), ellipse() * 0, speckled(ellipse())),
        ("mask_error", NORMAL, ellipse(), speckled(ellipse())),
        ("mask_error", finding(center_x=0.3), ellipse(), speckled(ellipse())),
        ("grey_sd", finding(), ellipse(), np.full((SIZE, SIZE), 90, np.uint8)),
        ("grey_sd", finding(), ellipse(), np.zeros((SIZE, SIZE), np.uint8)),
        ("saturated", finding(), ellipse(), np.where(speckled(ellipse()) > 99, 255, 9)),
        ("sharpness", finding(), ellipse(), BLURRED),
        ("contrast", finding(), ellipse(), speckled(ellipse(), 120, 60)),
        ("contrast", finding(echo_pattern="hyperechoic"), ellipse(), speckled(ellipse(), 20)),
    ],
)
def test_each_fault_is_rejected_for_its_own_reason(reason, asked, mask, image):
    assert judge(asked, mask, image.astype(np.uint8)) == (False, reason, [])


def test_mask_error_is_relative_beyond_one_pixel():
    exact = measure(ellipse(), 0.25)
    assert exact is not None
    request = finding(width_mm=exact.width_mm, height_mm=exact.height_mm,
                    center_x=exact.center_x, center_y=exact.center_y)  # fmt: skip
    assert mask_error(request, exact, SIZE) == 0
    smaller = replace(request, width_mm=exact.width_mm - 1.25)
    assert mask_error(smaller, exact, SIZE) == pytest.approx(1.0 / (exact.width_mm - 1.25))
    aside = replace(request, center_x=exact.center_x + 2.25 / (SIZE * 0.25))
    assert mask_error(aside, exact, SIZE) == pytest.approx(2.0 / exact.width_mm)
    upright = replace(request, orientation="not_parallel")
    lean = exact.width_mm - exact.height_mm - 0.25
    assert mask_error(upright, exact, SIZE) == pytest.approx(lean / exact.width_mm)
    assert mask_error(finding(), None, SIZE) == LOST


def test_a_posterior_shadow_is_no_contrast():
    mask = ellipse()
    image = speckled(mask, 120, 120)
    image[96:, 40:88] //= 8
    scores = score_pair(finding(), mask, image, measure(mask, 0.25))
    assert abs(scores["contrast"]) < 5


def test_isoechoic_asks_for_no_sign():
    request = finding(echo_pattern="isoechoic")
    assert judge(request, ellipse(), speckled(ellipse(), 110, 120))[0]
    assert judge(request, ellipse(), speckled(ellipse(), 120, 110))[0]


class Oracle:
    """Finds what is darker than 90, and tells its mean grey, over 255, as malignancy."""

    def segment(self, images):  # noqa: D102
        return (images < 90).astype(np.float32)

    def classify(self, images, masks):  # noqa: D102
        inside = (images * masks).sum(axis=(1, 2))
        return inside / np.maximum(masks.sum(axis=(1, 2)), 1) / 255


def test_judges_agree_with_mask_and_class():
    masks = np.stack([ellipse(), ellipse(16.0), ellipse() * 0])
    found = np.where(np.stack([ellipse(), ellipse(), ellipse()]), 51, 120).astype(np.uint8)
    result = judge_pairs(Oracle(), found, masks, np.array([True, False, True]))
    area, larger = ellipse().sum(), ellipse(16.0).sum()
    assert result[0, [0, 1, 3]].tolist() == [1.0, 0.0, 0.2]
    assert 0 < result[1, 1] < 4 / 32  # 8 px wider of 32 x 16: half of it at either end, at most
    assert result[1, 0] == pytest.approx(2 * area / (area + larger), abs=1e-4)
    mean = (51 * area + 120 * (larger - area)) / larger / 255
    assert result[1, 3] == pytest.approx(1 - mean, abs=1e-4)
    assert np.isnan(result[2]).all()


def test_normal_findings_are_not_judged_nor_is_anything_without_judges():
    masks = np.stack([ellipse() * 0, ellipse()])
    images = np.where(masks, 51, 120).astype(np.uint8)
    request = [NORMAL, finding(pathology="malignant")]
    nothing = dict.fromkeys(JUDGED)
    result = ask_judges(request, masks, images, Oracle())
    assert result[0] == nothing
    assert (result[1]["mask_agreement"], result[1]["label_confidence"]) == (1.0, 0.2)
    assert result[1]["boundary_distance"] == 0
    assert tuple(result[1]) == JUDGED
    assert ask_judges(request, masks, images, None) == [nothing, nothing]
    assert ask_judges([NORMAL], masks[:1], images[:1], Oracle()) == [nothing]


def test_a_pairs_judgement_does_not_depend_on_its_batch(tiny_judges):
    judges, pick = load_judges(tiny_judges, "cpu"), np.random.default_rng(5)
    n = JUDGED_AT_ONCE + 3
    images = pick.integers(0, 255, (n, 64, 64)).astype(np.uint8)
    masks = np.zeros_like(images)
    for k in range(n):
        masks[k, 10 : 30 + k, 20:40] = 1
    malignant = np.arange(n) % 2 == 0
    together = judge_pairs(judges, images, masks, malignant)
    order = pick.permutation(n)
    assert (judge_pairs(judges, images[order], masks[order], malignant[order])
            == together[order]).all()  # fmt: skip
    for k in (0, n - 1):
        own = slice(k, k + 1)
        alone = judge_pairs(judges, images[own], masks[own], malignant[own])
        assert (alone == together[own]).all()
    assert np.ptp(together, axis=0).min() > 0


@pytest.mark.parametrize("score", JUDGED)
@pytest.mark.parametrize(
    ("action", "said"),
    [("reject", (False, [])), ("flag", (True, ["it"])), ("off", (True, []))],
)
def test_judges_gates_reject_flag_or_let_pass(score, action, said):
    gates = {**DEFAULT_GATES, score: Gate(action=action, min=0.5)}
    accepted, reason, flags = verdict({score: 0.4}, gates)
    assert (accepted, ["it" for flag in flags if flag == score]) == said
    assert reason == (None if accepted else score)
    assert verdict({score: 0.5}, gates) == (True, None, [])
    assert verdict({score: None}, gates) == (True, None, [])


def test_flags_accumulate_and_the_first_rejecting_score_is_the_reason():
    gates = {"e": Gate(min=1), "d": Gate(action="off", min=1), "c": Gate(min=1), "b": Gate(min=1),
             "a": Gate(action="flag", min=1)}  # fmt: skip
    scores = {"a": 0.0, "b": 0.5, "c": 0.0, "d": 0.0, "e": None}
    assert verdict(scores, gates) == (False, "b", ["a"])


@pytest.mark.parametrize("action", ["flag", "off"])
@pytest.mark.parametrize("score", [float("nan"), LOST])
def test_nan_and_a_lost_mask_reject_whatever_the_action(action, score):
    gates = {"mask_error": Gate(action=action), "overlay": Gate(action=action)}
    assert verdict({"mask_error": score}, gates) == (False, "mask_error", [])
    assert verdict({"overlay": LOST}, gates) == (True, None, [])  # a count of pixels, no loss


def test_white_noise_is_sharp_and_blur_is_not():
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE)).astype(np.uint8)
    expected = 1 - np.pi * 0.12**2  # share of the unit square outside the disc of .12
    assert sharpness(noise) == pytest.approx(expected, abs=0.02)
    assert sharpness(cv2.GaussianBlur(noise, (0, 0), 4)) < 0.05
    assert sharpness(np.zeros((SIZE, SIZE), np.uint8)) == 0


@pytest.mark.parametrize(
    ("out_of_domain", "said"),
    [("flag", (True, None, ["a"])), ("off", (True, None, [])), (None, (False, "a", []))],
)
def test_a_gate_says_what_it_does_to_images_whose_like_did_not_teach_it(out_of_domain, said):
    gates = {"a": Gate(min=1, out_of_domain=out_of_domain)}
    assert verdict({"a": 0.0}, gates) == (False, "a", [])
    assert verdict({"a": 0.0}, gates, taught=False) == said


def test_what_real_images_taught_flags_what_they_did_not_teach():
    taught = {name for name, gate in DEFAULT_GATES.items() if gate.out_of_domain}
    assert taught == {"overlay", "anomaly", "orientation_check", "intensity", "mask_fit"}
    assert all(DEFAULT_GATES[name].out_of_domain == "flag" for name in taught)


def test_lesion_scores_are_asked_where_their_terms_are_stated():
    image, mask = speckled(ellipse()), ellipse()
    image, mask = (np.kron(one, np.ones((2, 2), np.uint8)) for one in (image, mask))
    result = score_lesion(image, mask, None, None)
    assert result["contrast"] is result["descriptor_agreement"] is None
    assert result["intensity"] > 0
    assert None not in score_lesion(image, mask, "hypoechoic", "none").values()
    assert np.isnan(list(score_lesion(image, mask * 0, "hypoechoic", "none").values())).all()
    normal = score_pair(NORMAL, mask * 0, image, None)
    assert [normal[name] for name in LESION] == [None] * 3
