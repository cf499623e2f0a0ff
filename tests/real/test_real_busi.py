"""The BUSI reader: on the published files, and on an imitation with every trap."""

from collections import Counter

import numpy as np
import pytest
from canonical import read_dataset
from imitations import lay_out_busi, save, speckle

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


def test_a_file_in_the_wrong_folder_is_left_out(tmp_path):
    root = lay_out_busi(tmp_path)
    save(speckle(5), root / "benign" / "malignant (7).png")
    (file, reason), *rest = read_dataset("busi", root).left_out
    assert (file, rest) == ("benign/malignant (7).png", [])
    assert reason == "folder and file name must agree, got malignant in benign"
