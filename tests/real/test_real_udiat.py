"""The UDIAT reader on imitations of both ways in which its labels are given."""

import shutil

import openpyxl
import pytest
from canonical import read_dataset
from imitations import lay_out_udiat

from busgen.errors import DataError, UserError
from busgen.real.readers.registry import list_images

pytestmark = pytest.mark.usefixtures("no_overlays")


@pytest.fixture
def root(tmp_path):
    return lay_out_udiat(tmp_path)


def to_folders(root):
    """Lay the images out in folders of their classes, without workbook."""
    (root / "DatasetB.xlsx").unlink()
    for n, label in ((1, "Benign"), (2, "Malignant"), (3, "Benign")):
        (root / label).mkdir(exist_ok=True)
        shutil.move(root / "original" / f"{n:06d}.png", root / label)
    (root / "original").rmdir()


def test_labels_from_the_workbook(root):
    reading = read_dataset("udiat", root)
    rows = reading.table.to_pylist()
    assert reading.left_out == ()
    assert [row["sample_id"] for row in rows] == [f"udiat-00000{n}" for n in (1, 2, 3)]
    assert [row["pathology"] for row in rows] == ["benign", "malignant", "benign"]
    assert rows[0]["source_file"] == "original/000001.png"
    assert all(row["patient_id"] == row["sample_id"] for row in rows)
    assert {row["scanner"] for row in rows} == {"Siemens ACUSON Sequoia C512"}


def test_labels_from_folders(root):
    expected = read_dataset("udiat", root).table["pathology"].to_pylist()
    to_folders(root)
    table = read_dataset("udiat", root).table
    assert table["pathology"].to_pylist() == expected
    assert table["source_file"][1].as_py() == "Malignant/000002.png"


def test_labels_that_disagree_leave_the_image_out(root):
    workbook = (root / "DatasetB.xlsx").read_bytes()
    to_folders(root)
    (root / "DatasetB.xlsx").write_bytes(workbook)
    shutil.move(root / "Benign" / "000001.png", root / "Malignant")
    ((file, reason),) = read_dataset("udiat", root).left_out
    assert file == "Malignant/000001.png"
    assert reason == "an image must have one label, got benign and malignant"


def test_an_image_in_both_folders_is_left_out(root):
    to_folders(root)
    shutil.copy(root / "Benign" / "000001.png", root / "Malignant")
    ((_, reason),) = read_dataset("udiat", root).left_out
    assert "one image and one mask" in reason


def test_no_labels_at_all_is_an_error(root):
    (root / "DatasetB.xlsx").unlink()
    with pytest.raises(UserError, match="must have labels"):
        list_images("udiat", root)


def test_a_broken_workbook_is_an_error(root):
    (root / "DatasetB.xlsx").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"DatasetB\.xlsx must be a readable workbook"):
        list_images("udiat", root)


def test_a_class_without_image_number_is_an_error(root):
    book = openpyxl.Workbook()
    book.active.append(["first", "Benign"])
    book.save(root / "DatasetB.xlsx")
    with pytest.raises(DataError, match="must name its image"):
        list_images("udiat", root)


def test_other_names_unlabelled_and_absent_images_are_listed(root):
    shutil.copy(root / "original" / "000001.png", root / "original" / "copy.png")
    shutil.copy(root / "original" / "000001.png", root / "original" / "000009.png")
    (root / "original" / "000003.png").unlink()
    assert dict(read_dataset("udiat", root).left_out) == {
        "original/copy.png": "a name that is no number",
        "original/000009.png": "an image must have one label, got none",
        "GT/000003.png": "a mask without its image",
        "000003": "in the workbook, but no image",
    }
