"""Readers by name, their summary, and the canonical folder."""

import json

import pyarrow.parquet as pq
import pytest

from busgen import schema
from busgen.errors import UserError
from busgen.real.readers import read_dataset, summary, write_canonical


def test_unknown_dataset_and_missing_folder(tmp_path):
    with pytest.raises(UserError, match="choose from breast"):
        read_dataset("mnist", tmp_path)
    with pytest.raises(UserError, match="must be a folder"):
        read_dataset("breast", tmp_path / "nowhere")


def test_summary_counts_what_applies(breast):
    folder = breast(Calcifications="indefinable")
    (folder / "BrEaST-Lesions_USG-images_and_masks" / "case002.png").unlink()
    told = summary(read_dataset("breast", folder))
    assert told["read"] == 2
    assert told["by_pathology"] == {"benign": 1, "normal": 1}
    assert told["complete"]["shape"] == [1, 1]
    assert told["complete"]["calcification"] == [0, 1]
    assert told["complete"]["scanner"] == [0, 2]
    assert told["notes"] == {"calcifications indefinable": 1}
    assert [name for name, _ in told["left_out"]] == ["case002.png"]


def test_canonical_folder_is_the_reading(breast, tmp_path):
    reading = read_dataset("breast", breast())
    out = tmp_path / "real" / "breast"
    write_canonical(reading, out)
    write_canonical(reading, out)  # again: replaces
    assert pq.read_table(out / "table.parquet").equals(reading.table)
    assert pq.read_schema(out / "table.parquet") == schema.arrow_schema("real")
    assert json.loads((out / "left_out.json").read_text()) == {"left_out": []}
    info = json.loads((out / "info.json").read_text())
    assert info["licence"] == "CC BY 4.0"
    assert info["summary"]["read"] == 3
    assert sorted(p.name for p in out.parent.iterdir()) == ["breast"]


def test_what_else_is_in_the_folder_is_kept(breast, tmp_path):
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="must not exist or be empty"):
        write_canonical(read_dataset("breast", breast()), out)
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]
