"""What gates catch: counted as verdicts are given, gate by gate and together."""

import numpy as np
import pytest

from busgen.gates.calibration.fault_injection import detect, detection_rate, score
from busgen.gates.calibration.faults import Pair
from busgen.params.gates import DEFAULT_GATES, Gate
from busgen.stats.proportions import wilson_interval

GATES = {
    "grey_sd": Gate(min=15),
    "saturated": Gate(max=0.1),
    "mask_agreement": Gate(action="flag", min=0.5),
    "sharpness": Gate(action="off", min=1),
}


def test_rejected_and_flagged_are_counted_apart_and_gates_each():
    scores = [
        {"grey_sd": 10.0, "saturated": 0.2, "sharpness": 0.0},
        {"grey_sd": 20.0, "saturated": 0.2, "mask_agreement": 0.1},
        {"grey_sd": 20.0, "saturated": 0.0, "mask_agreement": 0.1},
        {"grey_sd": 20.0, "saturated": float("nan"), "mask_agreement": None},
    ]
    result = detect("blank", 0.5, scores, GATES)
    assert result == {
        "fault": "blank", "strength": 0.5, "n": 4, "rejected": 3, "flagged": 1,
        "gates": {"grey_sd": 1, "saturated": 3, "mask_agreement": 2},
        "interval": [round(end, 4) for end in wilson_interval(3, 4)]}  # fmt: skip


class Certain:
    """Finds a lesion in the left half, holds every lesion for malignant."""

    sha256 = "certain"

    def segment(self, images):  # noqa: D102
        found = np.zeros(images.shape, np.float32)
        found[:, :, : images.shape[2] // 2] = 1
        return found

    def classify(self, images, masks):  # noqa: D102
        return np.full(len(images), 0.9)


def test_scores_are_those_of_the_gates_and_judges_are_asked_of_stated_lesions():
    image = np.random.default_rng(3).integers(20, 200, (128, 128)).astype(np.uint8)
    left, nothing = np.zeros((128, 128), np.uint8), np.zeros((128, 128), np.uint8)
    left[:, :64] = 1
    pairs = [
        Pair(image, left, True, "hypoechoic"),
        Pair(image, 1 - left, False),
        Pair(image, nothing, None),
    ]
    own, other, normal = score(pairs, Certain())
    assert (own["mask_agreement"], own["label_confidence"]) == (1.0, 0.9)
    assert (other["mask_agreement"], other["label_confidence"]) == (0.0, pytest.approx(0.1))
    assert "contrast" in own
    assert other["contrast"] is None
    assert not set(normal) & {"mask_agreement", "label_confidence", "contrast"}
    assert set(own) <= set(DEFAULT_GATES)
    assert score(pairs, None)[0]["grey_sd"] == own["grey_sd"]


def test_a_curve_tells_what_is_below_bounds_that_spare_the_clean():
    clean, faulty = np.arange(100.0), np.array([-1.0, 3.5, 50.0, 200.0])
    assert detection_rate(clean, faulty, (0.0, 0.05, 1.0)) == [0.25, 0.5, 0.75]
