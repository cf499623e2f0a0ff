"""The BrEaST reader: on the publisher's files, and on an imitation with every fault."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from canonical import read_dataset

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.io import decode_png
from busgen.real.readers.breast import COLUMNS, IMAGES
from busgen.real.readers.files import read_rows


def read_breast(folder):
    return read_dataset("breast", folder)


def row_of(reading, case):
    rows = reading.table.drop_columns(["image", "mask", "ignore"]).to_pylist()
    return next(row for row in rows if row["source_file"] == f"{case}.png")


def test_published_counts(published):
    table = published.table
    assert table.schema == schema.arrow_schema("real")
    assert published.left_out == ()
    counts = Counter(table["pathology"].to_pylist())
    assert counts == {"benign": 154, "malignant": 98, "normal": 4}
    assert len(set(table["patient_id"].to_pylist())) == 256
    shapes = Counter(table["shape"].to_pylist())
    assert shapes == {"irregular": 140, "oval": 97, "round": 15, None: 4}
    assert Counter(table["calcification"].to_pylist()) == {
        "none": 225,
        "in_a_mass": 23,
        "intraductal": 2,
        None: 6,  # 4 normal, 2 indefinable
    }
    assert table["scanner"].null_count == 256


def test_published_case001(published):
    row = row_of(published, "case001")
    assert row["pathology"] == "benign"
    assert row["birads"] == "2"
    assert row["tissue"] == "heterogeneous"
    assert row["shape"] == "irregular"
    assert row["margin"] == ["indistinct"]
    assert row["echo_pattern"] == "heterogeneous"
    assert row["posterior"] == "shadowing"
    assert row["halo"] is False
    assert row["calcification"] == "none"
    assert row["pixel_mm"] == 0.078125
    assert (row["width_mm"], row["height_mm"]) == (20.625, 16.640625)
    assert row["orientation"] == "parallel"
    assert row["age"] == 57
    assert row["diagnosis"] is None
    assert row["notes"] == ["skin thickening"]


def test_published_case010(published):
    row = row_of(published, "case010")
    assert row["margin"] == ["indistinct", "angular"]
    assert row["tissue"] is None
    assert row["halo"] is True
    assert row["pixel_mm"] == 0.1078
    assert row["orientation"] == "not_parallel"
    assert row["notes"] == ["alpha of the mask has odd values"]
    mask = decode_png(published.table["mask"][9].as_py()["bytes"])
    assert set(np.unique(mask)) == {0, 255}


def test_published_oddities(published):
    assert row_of(published, "case119")["margin"] == ["indistinct", "microlobulated", "spiculated"]
    assert row_of(published, "case031")["tissue"] is None
    assert row_of(published, "case031")["notes"] == ["lactating"]
    assert row_of(published, "case052")["tissue"] == "heterogeneous"
    assert "calcifications indefinable" in row_of(published, "case058")["notes"]
    assert "other lesions in the image: 4" in row_of(published, "case140")["notes"]
    assert "sector_field" in row_of(published, "case013")["flags"]


def test_published_normal_states_no_lesion(published):
    row = row_of(published, "case045")
    assert row["birads"] == "1"
    assert all(row[c.name] is None for c in schema.columns("real") if c.lesion)
    assert published.table["mask"][44].as_py() is None


def test_published_values_stay_within_the_schema(published):
    for column in schema.columns("real"):
        values = published.table[column.name].to_pylist()
        stated = [value for value in values if value is not None]
        if column.range:
            low, high = column.range
            assert all(low <= value <= high for value in stated), column.name
        if column.values:
            terms = {t for v in stated for t in (v if isinstance(v, list) else [v])}
            assert terms <= set(column.values), column.name
    median = float(np.median(published.table["pixel_mm"].to_numpy()))
    assert median == pytest.approx(0.078, abs=0.001)


def test_publishers_workbook_reads_as_the_csv(real_data):
    folder = real_data / "BrEaST"
    workbook = next(folder.glob("*.xlsx"))
    assert read_rows(workbook, COLUMNS) == read_rows(folder / "clinical.csv", COLUMNS)


def test_imitation_reads_rgba_and_rgb_alike(breast):
    reading = read_breast(breast())
    assert reading.left_out == ()
    first, second, normal = reading.table.to_pylist()
    assert first["image"]["bytes"] == second["image"]["bytes"]
    assert decode_png(first["image"]["bytes"])[0].tolist() == list(range(50, 130))
    assert decode_png(first["mask"]["bytes"]).sum() == 255 * 20 * 30
    assert first["pixel_mm"] == 0.1
    assert (first["width_mm"], first["height_mm"]) == pytest.approx((3.0, 2.0))
    assert (first["center_x"], first["center_y"]) == pytest.approx((35 / 80, 20 / 60))
    assert first["sample_id"] == "breast-case001"
    assert normal["mask"] is None
    assert normal["age"] is None


def test_no_pixel_size_gives_no_millimetres(breast):
    row = read_breast(breast(Pixel_size="not available")).table.to_pylist()[0]
    assert row["pixel_mm"] is row["width_mm"] is row["height_mm"] is None
    assert row["orientation"] == "parallel"
    assert row["notes"] == ["pixel size not stated"]


def test_images_without_a_row_are_listed(breast):
    folder = breast()
    shutil.copy(folder / IMAGES / "case001.png", folder / IMAGES / "case009.png")
    assert read_breast(folder).left_out == (("case009.png", "not in the clinical table"),)


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ({"Shape": "lobular"}, "Shape of case 1.*'lobular'"),
        ({"Margin": "not circumscribed - fuzzy&angular"}, "Margin of case 1.*fuzzy"),
        ({"Margin": "circumscribed - angular"}, "Margin of case 1"),
        ({"Pixel_size": "12"}, "Pixel_size of case 1.*'12'"),
        ({"Age": "-3"}, "Age of case 1.*'-3'"),
        ({"Classification": "not available"}, "Classification of case 1"),
    ],
)
def test_an_unknown_term_names_row_and_term(breast, cells, named):
    with pytest.raises(DataError, match=named):
        read_breast(breast(**cells))


def test_a_normal_image_with_a_lesion_is_left_out(breast):
    reading = read_breast(breast(Classification="normal"))
    assert reading.left_out[0][0] == "case001.png"
    assert "a normal image must have no lesion" in reading.left_out[0][1]


def rewrite(folder: Path, change) -> None:
    table = folder / "clinical.csv"
    rows = list(csv.reader(table.open(encoding="utf-8-sig")))
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(change(rows))


def test_repeated_rows_are_one_and_contradicting_rows_none(breast):
    folder = breast()
    rewrite(folder, lambda rows: [*rows, rows[1], [*rows[2][:-1], "malignant"]])
    reading = read_breast(folder)
    assert reading.table["source_file"].to_pylist() == ["case001.png", "case003.png"]
    assert dict(reading.left_out) == {
        "case001.png": "row repeated",
        "case002.png": "2 rows that contradict each other",
    }


def test_a_column_that_is_missing_is_named(breast):
    folder = breast()
    rewrite(folder, lambda rows: [["Form", *rows[0][1:]], *rows[1:]])
    with pytest.raises(DataError, match="no CaseID"):
        read_breast(folder)


def test_a_broken_workbook_is_an_error(breast):
    folder = breast()
    (folder / "clinical.csv").unlink()
    (folder / "BrEaST-Lesions-USG-clinical-data-x.xlsx").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="readable workbook"):
        read_breast(folder)


def test_a_workbook_alone_is_enough(breast):
    folder = breast()
    book = openpyxl.Workbook()
    for row in csv.reader((folder / "clinical.csv").open(encoding="utf-8-sig")):
        book.active.append(row)
    expected = read_breast(folder).table
    (folder / "clinical.csv").unlink()
    book.save(folder / "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx")
    assert read_breast(folder).table.equals(expected)


def test_another_layout_says_what_is_expected(tmp_path):
    (tmp_path / "benign").mkdir()
    with pytest.raises(UserError, match="BrEaST-Lesions_USG-images_and_masks"):
        read_breast(tmp_path)


def test_a_folder_above_will_do(breast):
    assert read_breast(breast().parent).table.num_rows == 3


def test_nothing_readable_is_an_error(breast):
    folder = breast()
    for path in (folder / IMAGES).glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="readable image"):
        read_dataset("breast", folder)
