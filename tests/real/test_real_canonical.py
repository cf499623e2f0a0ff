"""Canonical rows: flags, cleaning and what is measured."""

import cv2
import numpy as np
import pytest
from imitations import speckle

from busgen import schema
from busgen.errors import DataError
from busgen.imaging.decode import PublishedImage
from busgen.imaging.square import find_field
from busgen.io import decode_png
from busgen.real import canonical
from busgen.real.canonical import _is_coloured, to_row
from busgen.real.readers.files import clean_mask, to_levels

pytestmark = pytest.mark.usefixtures("no_overlays")

SHAPE = (120, 160)


def row_of(mask=None, pathology="benign", pixels=None, **published):
    stated = {"sample_id": "busi-1", "patient_id": "busi-1", "pathology": pathology}
    pixels = np.asarray(speckle(1, SHAPE)) if pixels is None else pixels
    return to_row("busi", "1.png", PublishedImage(pixels, mask, stated, **published))


def boxes(*places: tuple[int, int, int, int]):
    """Return a mask with boxes (row, col, height, width)."""
    mask = np.zeros(SHAPE, np.uint8)
    for row, col, height, width in places:
        mask[row : row + height, col : col + width] = 1
    return mask


def test_a_row_has_the_schemas_columns_and_place_and_size():
    row = row_of(boxes((30, 40, 20, 40)))
    assert list(row) == schema.arrow_schema("real").names
    assert row["orientation"] == "parallel"
    assert (row["center_x"], row["center_y"]) == (60 / 160, 40 / 120)
    assert (row["crop_width"], row["crop_height"]) == pytest.approx((40 / 120, 20 / 120), abs=0.01)
    assert row["width_mm"] is row["birads"] is row["ignore"] is None
    assert row["flags"] == row["notes"] == []


@pytest.mark.parametrize("pathology", ["benign", "malignant", None])
def test_a_lesion_is_due_unless_the_image_is_normal(pathology):
    assert row_of(None, pathology)["flags"] == ["no_mask"]
    assert row_of(boxes(), pathology)["flags"] == ["empty_mask"]
    for mask in (None, boxes()):
        assert row_of(mask, "normal")["flags"] == []


def test_a_normal_image_with_a_lesion_and_a_mask_of_another_size_are_errors():
    with pytest.raises(DataError, match="normal image must have no lesion"):
        row_of(boxes((30, 40, 20, 40)), "normal")
    with pytest.raises(DataError, match=r"its image's size \(120, 160\), got \(120, 159\)"):
        row_of(boxes()[:, 1:])


def test_specks_are_removed_and_noted():
    row = row_of(boxes((30, 40, 20, 40), (100, 150, 1, 1)))
    assert row["notes"] == ["specks removed from the mask"]
    assert row["center_x"] == 60 / 160
    assert np.count_nonzero(decode_png(row["mask"]["bytes"])) == 800
    assert row["flags"] == []


def test_several_parts_are_flagged_and_not_measured():
    row = row_of(boxes((30, 40, 20, 40), (80, 100, 10, 10)))
    assert row["flags"] == ["several_masks"]
    assert row["orientation"] is row["center_x"] is row["crop_center_y"] is None
    assert np.count_nonzero(decode_png(row["mask"]["bytes"])) == 900


def test_overlays_become_the_ignore_mask(monkeypatch):
    planted = boxes((5, 5, 10, 30)).astype(np.bool_)
    monkeypatch.setattr(canonical, "find_overlays", lambda image: planted)
    row = row_of(boxes((30, 40, 20, 40)))
    assert row["flags"] == ["overlay"]
    assert np.array_equal(decode_png(row["ignore"]["bytes"]) == 255, planted)


def test_parts_touch_at_corners():
    mask, parts, specks = clean_mask(boxes((10, 10, 10, 10), (20, 20, 10, 10)))
    assert (parts, specks, int(mask.sum())) == (1, 0, 200)


def test_flags_are_in_the_schemas_order_and_once():
    row = row_of(None, flags=("label_conflict", "no_mask", "mask_resized"), notes=("odd",))
    assert row["flags"] == ["no_mask", "mask_resized", "label_conflict"]
    assert row["notes"] == ["odd"]


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ([[0, 1]], [[0, 255]]),
        ([[0, 200]], [[0, 200]]),
        ([[[0, 255, 0, 255], [0, 0, 0, 255]]], [[255, 0]]),  # RGBA: opacity does not count
        ([[[90, 255], [0, 255]]], [[90, 0]]),  # grey with opacity
    ],
)
def test_levels_of_masks(pixels, expected):
    assert to_levels(np.array(pixels, np.uint8)).tolist() == expected


def colour(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return an RGB image of speckle with colour of some kind, and its field."""
    grey = np.asarray(speckle(2, (300, 400)))
    pixels = np.dstack([grey] * 3)
    if kind == "doppler":
        cv2.ellipse(pixels, (200, 120), (14, 9), 30, 0, 360, (210, 40, 20), -1)
        cv2.ellipse(pixels, (220, 140), (12, 8), 0, 0, 360, (20, 60, 220), -1)
    if kind == "tint":
        pixels = (pixels * np.array([1.0, 0.85, 0.6])).astype(np.uint8)
    if kind == "marks":
        cv2.putText(pixels, "L1 12.4 mm", (20, 200), 0, 0.5, (255, 255, 0), 2)
        cv2.line(pixels, (50, 100), (300, 120), (0, 255, 0), 1)
    if kind == "logo":
        pixels = cv2.copyMakeBorder(pixels, 0, 0, 80, 0, cv2.BORDER_CONSTANT)
        cv2.circle(pixels, (30, 40), 15, (30, 90, 255), -1)
        grey = cv2.copyMakeBorder(grey, 0, 0, 80, 0, cv2.BORDER_CONSTANT)
    return pixels, find_field(grey)


@pytest.mark.parametrize("kind", ["doppler", "tint", "marks", "logo", "none"])
def test_only_patches_of_colour_in_the_field_are_doppler(kind):
    assert _is_coloured(*colour(kind)) is (kind == "doppler")


def test_grey_images_have_no_colour():
    grey = np.asarray(speckle(2, (300, 400)))
    assert not _is_coloured(grey, find_field(grey))
    assert not _is_coloured(np.dstack([grey, grey]), find_field(grey))
