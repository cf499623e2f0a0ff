"""Exports, opened by the rules of their formats."""

import csv
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from busgen.errors import DataError, UserError
from busgen.release.exports.coco import _run_lengths
from busgen.release.exports.export import FORMS, export
from busgen.release.read import read_image, read_mask, read_rows
from busgen.release.verify import verify


def _ids(release, split):
    return [i for t in read_rows(release, ["sample_id"], split) for i in t["sample_id"].to_pylist()]


def _grey(path):
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)


def test_folder(release, tmp_path):
    out = tmp_path / "a folder é"
    export(release, out, "folder")
    for split in ("train", "test"):
        rows = pq.read_table(out / split / "metadata.parquet").to_pylist()
        assert [row["sample_id"] for row in rows] == _ids(release, split)
        for row in rows:
            name = row["sample_id"]
            assert (_grey(out / split / row["file_name"]) == read_image(release, name)).all()
            assert (_grey(out / split / row["mask_file_name"]) == read_mask(release, name)).all()
    malignant = next(row for row in rows if row["pathology"] == "malignant")
    assert malignant["margin"] == ["angular", "spiculated"]
    with (out / "samples.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [row["sample_id"] for row in listed] == _ids(release, None)
    assert all((out / row["file_name"]).is_file() for row in listed)
    assert listed[-1]["margin"] == "|".join(rows[-1]["margin"])


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        ([[0, 0], [0, 0]], [4]),
        ([[255, 255], [255, 255]], [0, 4]),
        ([[0, 255], [0, 0]], [2, 1, 1]),
        ([[255, 0], [0, 0]], [0, 1, 3]),
    ],
)
def test_run_lengths(mask, counts):
    assert _run_lengths(np.array(mask, np.uint8)) == counts


def test_nothing_is_overwritten_or_half_written(release, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="must not exist or be empty"):
        export(release, tmp_path)
    with pytest.raises(UserError, match="form must be known"):
        export(release, tmp_path / "out", "tiff")
    with pytest.raises(UserError, match="release folder"):
        export(tmp_path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert verify(release) == []


def test_a_release_of_another_version_is_told_apart(release, tmp_path):
    earlier = shutil.copytree(release, tmp_path / "earlier")
    for path in (earlier / "data").glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["intensity"]), path)
    with pytest.raises(DataError, match="none of the name intensity"):
        export(earlier, tmp_path / "out", "folder")
    assert not (tmp_path / "out").exists()


def test_an_export_replaces_an_unchanged_one_and_no_release(release, tmp_path):
    copy = shutil.copytree(release, tmp_path / "copy")
    with pytest.raises(UserError, match="something else that busgen wrote: release"):
        export(copy, copy)
    assert verify(copy) == []
    for form in ("folder", "coco"):
        export(release, tmp_path / "out", form)
    assert (tmp_path / "out" / "annotations").is_dir()
    (tmp_path / "out" / "LICENSE").write_text("mine")
    with pytest.raises(UserError, match="LICENSE, which is another's or was changed"):
        export(release, tmp_path / "out")


def _rename(release, out, change):
    """Copy a release whose train samples are renamed, as by a forger or a bug of ours."""
    path = shutil.copytree(release, out) / "data" / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    rows = [change(k, row) for k, row in enumerate(table.to_pylist())]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path, row_group_size=100)
    return out


NAMES = ("../../x", "a/1", "=cmd|x", "7\x1b[31m", "7" * 300, "Seven", "twin")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_ids_that_name_no_files_of_their_own_are_refused_by_every_form(
    release, tmp_path, form, name
):
    forged = _rename(release, tmp_path / "forged", lambda k, row: row | {"sample_id": name})
    rule = "a sample_id must be at most 100 small letters, digits, - and _, each once, got "
    with pytest.raises(DataError, match=rule) as raised:
        export(forged, tmp_path / "out", form)
    assert "\x1b" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["forged"]


@pytest.mark.parametrize("words", ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "\r=1"])
def test_no_cell_of_a_csv_file_is_a_formula(release, tmp_path, words):
    forged = _rename(release, tmp_path / "forged", lambda k, row: row | {"text": words})
    export(forged, tmp_path / "out")
    with (tmp_path / "out" / "samples.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["text"] for row in rows if row["split"] == "train"} == {f"'{words}"}
    assert all(float(row["center_x"] or 0) >= 0 for row in rows)  # numbers stay numbers


EXPORT = """
import sys, time
from pathlib import Path
from busgen.errors import UserError
from busgen.release.exports.export import export
print("ready", flush=True)
sys.stdin.readline()
time.sleep(float(sys.argv[3]))
try:
    export(Path(sys.argv[1]), Path(sys.argv[2]))
except UserError as error:
    sys.exit(2)
"""


def test_of_two_exports_into_one_folder_none_ends_well_with_files_missing(release, tmp_path):
    export(release, tmp_path / "alone")
    names = {path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*")}
    for round_, wait in enumerate((0.0, 0.01)):
        out = tmp_path / f"out {round_}"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        runs = [subprocess.Popen([sys.executable, "-c", EXPORT, release, out, str(late)], **pipes)
                for late in (0, wait)]  # fmt: skip
        for run in runs:
            run.stdout.readline()
        for run in runs:
            run.communicate("\n")
        assert sorted(run.returncode for run in runs) in ([0, 0], [0, 2])
        assert {path.relative_to(out) for path in out.rglob("*")} == names
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alone", "out 0", "out 1"]
