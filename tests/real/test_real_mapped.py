"""Datasets that no reader knows, read by a map: three imitations, guessed and corrected."""

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml
from imitations import box_mask, lay_out_hospital, save, speckle
from typer.testing import CliRunner

from busgen.cli import app
from busgen.errors import UserError
from busgen.image_sets.open import open_set
from busgen.io import read_json
from busgen.params.real import DatasetMap, RealParams, load_map
from busgen.priors.fitting.lesions import COLUMNS, make_lesions
from busgen.priors.network import load_prior
from busgen.real.cohort import ADDED, SHARES, find_cohort, find_tables, read_rows
from busgen.real.crops import read_crops
from busgen.real.prepare import prepare
from busgen.real.readers.mapped import propose


def _classes(root):
    """Write folders named after classes, masks beside the images, no table."""
    for k, label in enumerate(("Benign", "Malignant", "Benign")):
        save(speckle(20 + k), root / label / f"{k}.jpg")
        save(box_mask(), root / label / f"{k}_mask.png")
    save(speckle(29), root / "Normal" / "n.jpg")
    return root


def _workbook(root):
    """Write two masks an image under names of their own, and an Excel table."""
    book = openpyxl.Workbook()
    book.active.append(["Image_ID", "Case ID", "Diagnosis", "Shape", "Halo"])
    for k in range(3):
        save(speckle(40 + k), root / "us" / f"{k:03d}.bmp")
        for reader in "ab":
            save(box_mask(), root / "annotation" / f"{k:03d}-reader-{reader}.png")
        book.active.append([f"{k:03d}", k, ("benign", "malignant", "malignant")[k],
                            ("oval", "Irregular", "round")[k], ("no", "yes", "no")[k]])  # fmt: skip
    book.save(root / "cases.xlsx")
    return root


def _prepared(name, path, out, **changes):
    guessed = yaml.safe_load(propose(f"{name}={path}")) | {"licence": "own"} | changes
    given = DatasetMap(**guessed)
    record = prepare({name: path}, out, maps={name: given})
    rows = pq.read_table(out / name / "table.parquet").to_pylist()
    return guessed, record, {row["source_file"]: row for row in rows}


def test_a_hospital_of_its_own_words(tmp_path):
    guess, record, rows = _prepared(
        "my_clinic", lay_out_hospital(tmp_path / "MÜ"), tmp_path / "out"
    )
    assert guess["table"] == "info.csv"
    assert guess["file"] == "File"
    assert guess["columns"]["pathology"]["terms"] == {"B": "benign", "M": "malignant", "X": None}
    assert record["all"]["read"] == 4  # the unknown class is read, as such
    one = rows["images/scan 1.png"]
    assert (one["pathology"], one["birads"], one["birads_category"]) == ("malignant", "4c", "4")
    assert one["margin"] == ["spiculated", "angular"]
    assert one["pixel_mm"] == pytest.approx(0.12)
    assert one["width_mm"] == pytest.approx(30 * 0.12)
    assert one["patient_id"] == rows["images/scan 0.png"]["patient_id"] == "my_clinic-P0"
    assert rows["images/scan 0.png"]["birads"] == "3"
    assert rows["images/scan 3.png"]["pathology"] is None
    left = read_json(tmp_path / "out" / "my_clinic" / "left_out.json")["left_out"]
    assert [each["source_file"] for each in left] == ["images/stray.png"]
    assert "must name each image once" in left[0]["reason"]
    info = read_json(tmp_path / "out" / "my_clinic" / "info.json")
    assert (info["licence"], info["weights_may_ship"]) == ("own", False)


def test_folders_named_after_classes(tmp_path):
    guess, record, rows = _prepared("c", _classes(tmp_path / "c"), tmp_path / "out")
    assert guess["folders"] == {
        "pathology": {"Benign": "benign", "Malignant": "malignant", "Normal": "normal"}
    }
    assert record["all"]["left_out"] == {}
    assert {name: row["pathology"] for name, row in rows.items()} == {
        "Benign/0.jpg": "benign",
        "Benign/2.jpg": "benign",
        "Malignant/1.jpg": "malignant",
        "Normal/n.jpg": "normal",
    }
    assert rows["Benign/0.jpg"]["mask"] is not None
    assert rows["Normal/n.jpg"]["mask"] is None


def test_masks_by_a_pattern_and_a_workbook(tmp_path):
    changes = {"images": "us/*", "masks": "annotation/{stem}-reader-?.png",
               "stated": {"scanner": "Mindray DC-70", "pixel_mm": 0.1}}  # fmt: skip
    path = _workbook(tmp_path / "w")
    guess, record, rows = _prepared("w", path, tmp_path / "out", **changes)
    assert (guess["table"], guess["file"]) == ("cases.xlsx", "Image_ID")
    assert record["all"]["read"] == 3
    one = rows["us/001.bmp"]
    assert (one["shape"], one["halo"], one["scanner"]) == ("irregular", True, "Mindray DC-70")
    assert one["width_mm"] == pytest.approx(3.0)


def test_a_name_that_several_images_or_rows_have_labels_none(tmp_path):
    root, lines = tmp_path / "m", ["file,class", "x/1.png,benign", "1,malignant", "2,benign"]
    for k, name in enumerate(("x/1", "y/1", "y/2", "y/3")):
        save(speckle(50 + k), root / f"{name}.png")
    (root / "t.csv").write_text("\n".join([*lines, "3,benign", "3.png,malignant"]))
    given = DatasetMap(name="m", licence="own", table="t.csv", file="file",
                       columns={"pathology": "class"})  # fmt: skip
    prepare({"m": root}, tmp_path / "out", maps={"m": given})
    rows = pq.read_table(tmp_path / "out" / "m" / "table.parquet").to_pylist()
    assert {row["source_file"]: row["pathology"] for row in rows} == {
        "x/1.png": "benign",
        "y/2.png": "benign",
    }
    left = read_json(tmp_path / "out" / "m" / "left_out.json")["left_out"]
    assert {each["source_file"]: each["reason"].split()[-2] for each in left} == {
        "y/1.png": "0",
        "y/3.png": "2",
    }


def test_beside_a_public_dataset_copies_are_found(tmp_path):
    first, second = _classes(tmp_path / "a"), _classes(tmp_path / "b")
    maps = {
        name: DatasetMap(**yaml.safe_load(propose(f"{name}={path}")))
        for name, path in (("a", first), ("b", second))
    }
    record = prepare({"b": second, "a": first}, tmp_path / "out", maps=maps)
    assert record["all"]["redundant"] == 4
    assert record["all"]["across"] == 4
    names = [path.parent.name for path in find_tables(tmp_path / "out")]
    assert names == ["a", "b"]


def test_later_stages_work_on_it(tmp_path):
    _prepared("my_clinic", lay_out_hospital(tmp_path / "h"), tmp_path / "out")
    tables, cohort = find_tables(tmp_path / "out"), find_cohort(tmp_path / "out")
    crops = read_crops(tables, cohort, tuple(SHARES))
    assert len(crops) == 4
    assert set(crops.datasets) == set(crops.scanners) == {"my_clinic"}
    rows = list(read_rows(tables, cohort, columns=[n for n in COLUMNS if n not in ADDED]))
    lesions = make_lesions(rows, load_prior())
    assert sorted(lesions.pathology.tolist())[:3] == [0, 1, 1]
    assert len(open_set(tmp_path / "out").rows) == 4


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ("name: busi\nlicence: x\n", "busi is read without a map"),
        ("name: m\n", "licence"),
        ("name: m\nlicence: x\ncolumns: {pathology: c}\n", "columns need a table"),
        ("name: m\nlicence: x\nstated: {age: 3}\n", "age is no column to fill"),
        ("name: m\nlicence: x\nimage: y\n", "unknown key"),
        ("name: M!\nlicence: x\n", "name"),
        (
            "name: m\nlicence: x\ntable: t\nfile: f\n"
            "columns: {halo: {column: h, terms: {no: no}}}\n",
            "need quotes",
        ),
        ("name: m\nlicence: x\nmasks: /masks/{stem}.png\n", "must lie in the dataset's folder"),
        ("name: m\nlicence: x\nimages: ../*\n", "must lie in the dataset's folder"),
        ("name: [m\n", "must be YAML"),
    ],
)
def test_a_broken_map_names_what_is_wrong(tmp_path, broken, rule):
    (tmp_path / "m.yaml").write_text(broken, encoding="utf-8")
    with pytest.raises(UserError, match=rule):
        load_map(tmp_path / "m.yaml")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"images": "nowhere/*"}, "images of m must lie where its map says"),
        ({"masks": "masks/{id}.png"}, "masks must be named by"),
        ({"table": "none.csv"}, "table must be there"),
        ({"file": "Class"}, "must name images"),
        ({"masks": "masks/scan*.png"}, "a mask must be of one image"),
    ],
)
def test_a_map_of_another_folder_is_refused(tmp_path, changes, rule):
    path = lay_out_hospital(tmp_path / "h")
    with pytest.raises(UserError, match=rule):
        _prepared("m", path, tmp_path / "out", **changes)
    assert not (tmp_path / "out" / "m").exists()


def test_from_the_command_line(tmp_path):
    path, run = _classes(tmp_path / "c"), CliRunner()
    guessed = run.invoke(app, ["real", f"c={path}", "--guess"])
    assert guessed.exit_code == 0
    (tmp_path / "c.yaml").write_text(guessed.stdout, encoding="utf-8")
    words = ["real", f"c={path}", "--map", str(tmp_path / "c.yaml"), "--json"]
    found = run.invoke(app, words)
    assert found.exit_code == 0, found.output
    assert '"c"' in found.stdout
    assert RealParams(maps={"c": load_map(tmp_path / "c.yaml")}).maps["c"].name == "c"
    with pytest.raises(ValueError, match="must be named so"):
        RealParams(maps={"d": load_map(tmp_path / "c.yaml")})
