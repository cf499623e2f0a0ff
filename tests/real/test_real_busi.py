"""The BUSI reader: on the published files, and on an imitation with every trap."""

import shutil
from collections import Counter

import numpy as np
import pytest
from canonical import read_dataset
from imitations import lay_out_busi, save, speckle
from PIL import Image

from busgen.errors import UserError
from busgen.io import decode_png
from busgen.real.readers.registry import list_images

pytestmark = pytest.mark.usefixtures("no_overlays")


@pytest.fixture
def rows(tmp_path):
    reading = read_dataset("busi", lay_out_busi(tmp_path))
    assert reading.left_out == ()
    return {row["source_file"]: row for row in reading.table.to_pylist()}


def test_published_counts(real_data):
    listing = list_images("busi", real_data / "BUSI")
    assert listing.left_out == ()
    found = [entry.load() for entry in listing.entries]
    counts = Counter(published.stated["pathology"] for published in found)
    assert counts == {"benign": 437, "malignant": 210, "normal": 133}
    assert sum(published.flags == ("several_masks",) for published in found) == 17
    lesions = Counter(published.stated["pathology"] for published in found if published.mask.any())
    assert lesions == {"benign": 437, "malignant": 210}
    assert listing.entries[1].source_file == "benign/benign (2).png"


def test_classes_and_ids_in_order(rows):
    assert [(row["sample_id"], row["pathology"]) for row in rows.values()] == [
        ("busi-benign_1", "benign"),
        ("busi-benign_2", "benign"),
        ("busi-benign_10", "benign"),
        ("busi-malignant_1", "malignant"),
        ("busi-malin_2-95928ce5", "malignant"),
        ("busi-normal_1", "normal"),
    ]
    assert all(row["patient_id"] == row["sample_id"] for row in rows.values())


def test_several_masks_are_united_and_not_measured(rows):
    row = rows["benign/benign (2).png"]
    assert row["flags"] == ["several_masks"]
    mask = decode_png(row["mask"]["bytes"])
    assert np.flatnonzero(mask).size == 20 * 30 + 20 * 10
    assert row["orientation"] is row["center_x"] is row["crop_width"] is None


def test_a_normal_image_needs_no_lesion(rows):
    row = rows["normal/normal (1).png"]
    assert (row["mask"], row["flags"], row["pathology"]) == (None, [], "normal")


def test_an_unmodified_download_is_larger_and_rgb(tmp_path):
    root = lay_out_busi(tmp_path)
    image = speckle(1).convert("RGB")
    save(image, root / "benign" / "benign (1).png")
    row = read_dataset("busi", root).table.to_pylist()[0]
    assert np.array_equal(decode_png(row["image"]["bytes"]), np.asarray(speckle(1)))
    assert row["notes"] == []


@pytest.mark.parametrize("kept", [("benign", "malignant"), ("malignant",), ("normal",)])
def test_classes_that_many_leave_out_may_be_missing(tmp_path, kept):
    root = lay_out_busi(tmp_path)
    for name in {"benign", "malignant", "normal"} - {*kept}:
        shutil.rmtree(root / name)
    table = read_dataset("busi", root).table
    counts = {"benign": 3, "malignant": 2, "normal": 1}
    assert Counter(table["pathology"].to_pylist()) == {name: counts[name] for name in kept}


@pytest.mark.parametrize("masks", [".jpg", ".png"])
def test_images_may_be_jpeg_with_masks_of_either_kind(tmp_path, masks):
    root = lay_out_busi(tmp_path)
    for path in root.glob("*/*.png"):
        kind = masks if "_mask" in path.name else ".jpg"
        Image.open(path).convert("L").save(path.with_suffix(kind), quality=95)
        if kind != ".png":
            path.unlink()
    reading = read_dataset("busi", root)
    assert (reading.table.num_rows, reading.left_out) == (6, ())
    rows = {row["source_file"]: row for row in reading.table.to_pylist()}
    row = rows["benign/benign (2).jpg"]
    area = np.flatnonzero(decode_png(row["mask"]["bytes"])).size
    assert abs(area - (20 * 30 + 20 * 10)) <= 20  # soft edges


def test_what_a_folder_holds_instead_is_said(tmp_path):
    for name in ("Benign images", "images", "masks"):
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="or some of them, got Benign images, images, masks in"):
        list_images("busi", tmp_path)


def test_a_file_in_the_wrong_folder_is_left_out(tmp_path):
    root = lay_out_busi(tmp_path)
    save(speckle(5), root / "benign" / "malignant (7).png")
    (file, reason), *rest = read_dataset("busi", root).left_out
    assert (file, rest) == ("benign/malignant (7).png", [])
    assert reason == "folder and file name must agree, got malignant in benign"
