"""Real images as numbers: overlays filled, crops scaled, judges asked, patients counted."""

import numpy as np
import pytest

from busgen.errors import DataError
from busgen.gates.calibration.real_samples import AT_ONCE, SCHEMA, measure
from busgen.gates.judged_scores import judge_pairs
from busgen.gates.scores import score_image
from busgen.imaging.statistics import measure_image
from busgen.io import encode_png
from busgen.judges.judges import load_judges

SIDE = 64


def row_of(table, k=0):
    return table.slice(k, 1).to_pylist()[0]


def test_a_row_is_what_is_measured_on_its_crop(make_row, make_image):
    image, mask = make_image(3)
    result = row_of(measure([make_row(3)], None, SIDE))
    for name, value in measure_image(image, mask, 0.4).items():
        assert result[name] == pytest.approx(value, rel=1e-5), name
    for name, value in score_image(image).items():
        expected = value if value is None else pytest.approx(value, rel=1e-5)
        assert result[f"gate_{name}"] == expected, name
    assert result["gate_contrast"] == pytest.approx(-result["contrast"], abs=5)  # dark as asked
    assert (result["dataset"], result["scanner"], result["split"]) == ("breast", "BrEaST", "test")
    assert result["gate_mask_agreement"] is result["gate_label_confidence"] is None


def test_crops_carry_their_scale(make_row):
    whole = row_of(measure([make_row(3)], None, SIDE))
    half = row_of(measure([make_row(3)], None, SIDE // 2))
    assert half["width_mm"] == pytest.approx(whole["width_mm"], abs=0.8)


def test_what_is_burned_in_is_not_measured(make_row, make_image):
    image, _ = make_image(0)
    overlay = np.zeros_like(image)
    overlay[44:60, 4:60] = 1
    marked = np.where(overlay, 255, image).astype(np.uint8)
    picture = {"bytes": encode_png(marked), "path": ""}
    ignore = {"bytes": encode_png(overlay * np.uint8(255)), "path": ""}
    plain = measure([make_row(0, image=picture)], None, SIDE)
    filled = measure([make_row(0, image=picture, ignore=ignore)], None, SIDE)
    assert row_of(plain)["gate_saturated"] > 0.2
    assert row_of(filled)["gate_saturated"] == 0
    assert row_of(filled)["hidden"] == pytest.approx(overlay.mean())
    assert (row_of(plain)["clean"], row_of(filled)["clean"]) == (True, False)


def test_judges_are_asked_of_lesions_and_of_the_stated_class(make_row, make_image, tiny_judges):
    judges = load_judges(tiny_judges, "cpu")
    rows = [make_row(0), make_row(1), make_row(2, pathology=None)]
    rows.append(make_row(4, pathology="normal", mask=None))
    result = measure(rows, judges, SIDE)
    images, masks = (np.stack(pair) for pair in zip(*map(make_image, range(3)), strict=True))
    request = judge_pairs(judges, images, masks // np.uint8(255), np.array([False, True, False]))
    assert result["gate_mask_agreement"].to_pylist()[:3] == pytest.approx(request[:, 0].tolist())
    confidence = result["gate_label_confidence"].to_pylist()
    assert confidence[:2] == pytest.approx(request[:2, -1].tolist())
    assert confidence[2:] == [None, None]
    assert result["gate_mask_agreement"].to_pylist()[3] is None


def test_patients_are_numbered_and_repeats_looked_for_in_others(make_row):
    rows = [make_row(k) for k in range(AT_ONCE + 2)]
    rows[3] |= {"image": rows[2]["image"]}  # the same patient's: no repeat
    rows[9] |= {"image": rows[4]["image"]}
    result = measure(rows, None, SIDE)
    assert result.schema == SCHEMA
    assert len(result["patient"].unique()) == len(rows) // 2
    repeats = result["gate_duplicate_distance"].to_pylist()
    assert repeats[4] == repeats[9] == 0
    assert repeats[2] > 0


def test_only_unmarred_images_are_clean(make_row):
    reference = ["sector_field", "black_border", "overlay"]  # text beside the field mars no crop
    flags = [[], reference, ["sector_field", "several_masks"]]
    result = measure([make_row(k, flags=f) for k, f in enumerate(flags)], None, SIDE)
    assert result["clean"].to_pylist() == [True, True, False]


def test_no_images_no_samples():
    with pytest.raises(DataError, match="real images"):
        measure([], None)
