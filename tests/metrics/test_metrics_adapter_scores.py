"""What an adaptation is judged by, where a small hospital's held-out patients are few."""

import numpy as np
import pytest

from busgen.errors import UserError
from busgen.io import dumps
from busgen.metrics.adapter_scores import score
from busgen.real.crops import Crops

SIDE = 256


def crops(count, *, lesions=True, patients=None):
    """Return speckle with an ellipse each, by default one image a patient."""
    rows, cols = np.mgrid[:SIDE, :SIDE] / SIDE
    ellipse = ((rows - 0.45) / 0.12) ** 2 + ((cols - 0.5) / 0.2) ** 2 < 1
    masks = np.repeat((ellipse & lesions)[None].astype(np.uint8), count, axis=0)
    images = speckle(count, 0)
    images[masks > 0] //= 3
    groups = [f"p{k}" for k in range(count)] if patients is None else patients
    words = np.array(["stu"] * count)
    labels = np.array(["benign" if lesions else "normal"] * count)
    return Crops(images, masks, np.zeros_like(masks), words, words, labels, np.array(groups))


def speckle(count, seed):
    drawn = np.random.default_rng(seed).rayleigh(60, (count, SIDE, SIDE))
    return drawn.clip(0, 255).astype(np.uint8)


def test_eight_patients_of_one_image_give_a_value_without_an_interval():
    result = score(speckle(8, 1), crops(8))
    kid = result["kid_us64"]
    assert (kid["n"], kid["interval"]) == (3, None)
    assert np.isfinite([kid["value"], kid["floor"], kid["floor_limit"]]).all()
    assert kid["note"] == "too few held-out patients for interval"
    assert result["dice"]["n"] == 8
    assert "null" in dumps(result)


def test_enough_patients_give_an_interval_and_no_note():
    kid = score(speckle(16, 1), crops(16))["kid_us64"]
    assert kid["interval"][0] <= kid["value"] <= kid["interval"][1]
    assert "note" not in kid


@pytest.mark.parametrize("patients", [["p0"] * 4, ["p0", "p0", "p1", "p2"]])
def test_where_no_score_can_be_made_the_record_says_so(patients):
    result = score(speckle(4, 1), crops(4, lesions=False, patients=patients))
    assert result["kid_us64"]["value"] is None
    assert "images of several families and patients" in result["kid_us64"]["note"]
    assert result["kid_us64"]["n"] == 4
    nothing = {"value": None, "real": None, "n": 0, "note": "no held-out crop shows a lesion"}
    assert result["dice"] == nothing
    dumps(result)


def test_images_must_pair_with_crops():
    with pytest.raises(UserError, match="one image for each crop"):
        score(speckle(3, 1), crops(4))
