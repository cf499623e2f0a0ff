"""The STU-Hospital reader on an imitation with every trap of the published files."""

import numpy as np
import pytest
from canonical import read_dataset
from imitations import lay_out_stu, save, speckle
from PIL import Image

from busgen.io import decode_png
from busgen.real.readers.stu import _resize_mask

pytestmark = pytest.mark.usefixtures("no_overlays")


@pytest.fixture
def rows(tmp_path):
    reading = read_dataset("stu", lay_out_stu(tmp_path))
    assert reading.left_out == ()
    return reading.table.to_pylist()


def test_numbers_are_in_order_and_nothing_is_invented(rows):
    assert [row["sample_id"] for row in rows] == ["stu-1", "stu-2", "stu-10"]
    for row in rows:
        assert row["patient_id"] == row["sample_id"]
        assert row["pathology"] is row["birads"] is row["scanner"] is row["pixel_mm"] is None
        assert row["orientation"] == "parallel"


def test_larger_masks_are_brought_to_the_images_size(rows):
    same, double, fraction = rows
    assert same["flags"] == same["notes"] == []
    assert double["flags"] == fraction["flags"] == ["mask_resized"]
    assert fraction["notes"] == ["mask brought to the image's size from 400 x 400"]
    masks = [decode_png(row["mask"]["bytes"]) for row in rows]
    assert set(np.unique(masks[1])) == {0, 255}
    assert np.array_equal(masks[0], masks[1])
    assert np.count_nonzero(masks[0] != masks[2]) <= 2 * (20 + 40)  # its outline at most


def test_area_averages_are_cut_at_half():
    wide = np.zeros((4, 8), np.uint8)
    wide[:2, :2] = 127  # averages 127: out
    wide[:2, 2:4] = 128  # in
    wide[2:, :2] = [[255, 255], [255, 0]]  # 191: in
    wide[2:, 6:] = [[255, 0], [0, 0]]  # 64: out
    assert _resize_mask("m.png", wide, (2, 4)).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


def test_a_mask_without_image_and_what_is_neither(tmp_path):
    root = lay_out_stu(tmp_path)
    (root / "Test_Image_2.png").unlink()
    save(speckle(1), root / "readme.png")
    assert dict(read_dataset("stu", root).left_out) == {
        "mask_2.png": "a mask without its image",
        "readme.png": "neither image nor mask",
    }


def test_a_smaller_mask_would_be_a_guess(tmp_path):
    root = lay_out_stu(tmp_path)
    save(Image.new("L", (64, 64), 255), root / "mask_1.png")
    ((file, reason),) = read_dataset("stu", root).left_out
    assert file == "Test_Image_1.png"
    assert reason == "mask_1.png must be as large as its image (128, 128), got (64, 64)"
