"""Readers by name, their summary, and the canonical folder."""

import json

import pyarrow.parquet as pq
import pytest
from canonical import read_dataset
from imitations import lay_out_busi, lay_out_stu

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.real.readers import registry
from busgen.real.readers.registry import DATASETS, READERS, summary, write_canonical

pytestmark = pytest.mark.usefixtures("no_overlays")


def test_unknown_dataset_and_missing_folder(tmp_path):
    with pytest.raises(UserError, match="choose from breast, bus_bra, busi, bus_uclm, stu, udiat"):
        read_dataset("mnist", tmp_path)
    with pytest.raises(UserError, match="must be a folder"):
        read_dataset("breast", tmp_path / "nowhere")


def test_registry_follows_the_schema():
    assert tuple(READERS) == tuple(DATASETS) == schema.DATASETS
    assert [name for name, info in DATASETS.items() if info.weights_may_ship] == [
        "breast",
        "bus_bra",
        "busi",
    ]
    for info in DATASETS.values():
        assert info.citation
        assert info.doi.startswith("10.")
        assert info.licence
        assert info.pixels_may_show == info.weights_may_ship


def test_summary_counts_what_applies(breast):
    folder = breast(Calcifications="indefinable")
    (folder / "BrEaST-Lesions_USG-images_and_masks" / "case002.png").unlink()
    reading = read_dataset("breast", folder)
    result = summary(reading.info, reading.table, reading.left_out)
    assert result["read"] == 2
    assert result["by_pathology"] == {"benign": 1, "normal": 1}
    assert result["complete"]["shape"] == [1, 1]
    assert result["complete"]["calcification"] == [0, 1]
    assert result["complete"]["scanner"] == [0, 2]
    assert result["notes"] == {"calcifications indefinable": 1}
    assert [name for name, _ in result["left_out"]] == ["case002.png"]


def test_canonical_folder_is_the_reading(breast, tmp_path):
    folder = breast()
    reading = read_dataset("breast", folder)
    out = tmp_path / "real" / "breast"
    write_canonical("breast", folder, out)
    result = write_canonical("breast", folder, out)  # again: replaces
    assert result == summary(reading.info, reading.table, reading.left_out)
    assert pq.read_table(out / "table.parquet").equals(reading.table)
    assert pq.read_schema(out / "table.parquet") == schema.arrow_schema("real")
    assert json.loads((out / "left_out.json").read_text()) == {"left_out": []}
    info = json.loads((out / "info.json").read_text())
    assert info["licence"] == "CC BY 4.0"
    assert info["summary"]["read"] == 3
    assert sorted(p.name for p in out.parent.iterdir()) == ["breast"]


def test_rows_do_not_depend_on_the_group(tmp_path, monkeypatch):
    root = lay_out_busi(tmp_path)
    whole = read_dataset("busi", root).table
    monkeypatch.setattr(registry, "ROWS_PER_GROUP", 2)
    assert read_dataset("busi", root).table.equals(whole)


def test_an_id_stands_once(tmp_path):
    root = lay_out_busi(tmp_path)
    first, copy = root / "benign" / "benign (1).png", root / "benign" / "benign 1.png"
    copy.write_bytes(first.read_bytes())
    reading = read_dataset("busi", root)
    assert dict(reading.left_out) == {"benign/benign (1).png": "busi-benign_1 is there already"}


def test_what_else_is_in_the_folder_is_kept(breast, tmp_path):
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="must not exist or be empty"):
        write_canonical("breast", breast(), out)
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]


def test_nothing_is_written_where_nothing_can_be_read(tmp_path):
    root = lay_out_stu(tmp_path / "in")
    for path in root.iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="must have a readable image"):
        write_canonical("stu", root, tmp_path / "out" / "stu")
    assert not (tmp_path / "out").exists()
