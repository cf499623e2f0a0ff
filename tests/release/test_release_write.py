"""What a release holds, opened by the tools that users open it with, offline."""

import json
import shutil
import subprocess
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_candidates as tiny
import yaml

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.io import dumps, read_json, sha256_array
from busgen.params.release import ReleaseParams
from busgen.release import files, rows
from busgen.release.write import write_release
from busgen.seeds import rng

ACCEPTED = {tiny.sample_id(k) for k in range(tiny.N) if k != tiny.GIVEN_UP}


@pytest.fixture
def damaged(candidates, tmp_path):
    return shutil.copytree(candidates, tmp_path / "damaged é")


def test_datasets_gives_images_by_split(release, tmp_path):
    import datasets

    data = datasets.load_dataset(str(shutil.copytree(release, tmp_path / "a release é")),
                                 cache_dir=str(tmp_path / "cache"))  # fmt: skip
    assert set(data) == {"train", "test"}
    assert {row["sample_id"] for split in data.values() for row in split} == ACCEPTED
    for split, part in data.items():
        row = part[0]
        assert row["split"] == split
        names = part.features["pathology"].int2str(part["pathology"][:])
        (file,) = (release / "data").glob(f"{split}-*")
        assert names == pq.read_table(file)["pathology"].to_pylist()  # strings
        assert row["image"].mode == "L"
        assert sha256_array(np.asarray(row["image"])) == row["image_sha256"]
        assert set(np.unique(np.asarray(row["mask"]))) <= {0, 255}


def test_mlcroissant_reads_samples_and_attempts(release):
    import mlcroissant

    dataset = mlcroissant.Dataset(str(release / "croissant.json"))
    told = dataset.metadata
    assert not told.issues.errors
    assert "phantom" in told.data_collection
    for words in (told.data_biases, told.data_limitations, told.data_use_cases):
        assert words
    assert "no image shows a patient" in told.personal_sensitive_information[0]
    samples = {
        record["samples/sample_id"].decode(): record for record in dataset.records("samples")
    }
    assert set(samples) == ACCEPTED
    record = samples[tiny.sample_id(6)]
    digest = sha256_array(np.asarray(record["samples/image"])).encode()
    assert digest == record["samples/image_sha256"]
    assert record["samples/margin"] == [b"angular", b"spiculated"]
    assert samples[tiny.sample_id(tiny.NORMAL)]["samples/shape"] is None
    assert len(list(dataset.records("attempts"))) == 33


def test_duckdb_reads_index_and_data(release):
    data = ", ".join(f"'{path}'" for path in _escaped(files.find_files(release)))
    index = _escaped([release / "index.parquet"])[0]
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet([{data}])").fetchall() == [(29,)]
    counts = duckdb.sql(f"SELECT accepted, count(*) FROM '{index}' GROUP BY 1 ORDER BY 1")
    assert counts.fetchall() == [(False, 4), (True, 29)]


def _escaped(paths):
    return [str(path).replace("[", "[[]").replace("'", "''") for path in paths]


def test_sha256sum_accepts_the_list(release):
    done = subprocess.run(["sha256sum", "--strict", "-c", files.SUMS], cwd=release, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files.list_files(release)) - 1


def test_same_candidates_give_same_bytes(candidates, release, tmp_path):
    write_release(candidates, tmp_path / "again", tiny.PARAMS)
    write_release(candidates, tmp_path / "again", tiny.PARAMS)  # replaces a release
    assert (tmp_path / "again" / files.SUMS).read_bytes() == (release / files.SUMS).read_bytes()


def test_card_and_licence_name_every_dataset_that_taught_a_part(tmp_path):
    candidates = tiny.write_candidates(tmp_path / "candidates")
    plan = read_json(candidates / "plan.json")
    plan["learned_from"] = {"prior": ["breast", "busi"], "images": ["busi", "unknown"]}
    plan["drawn_px"] = 256
    (candidates / "plan.json").write_text(dumps(plan), encoding="utf-8")
    write_release(candidates, tmp_path / "release", ReleaseParams())
    card, licence = (
        (tmp_path / "release" / n).read_text("utf-8") for n in ("README.md", "LICENSE")
    )
    assert "drawn at 256 x 256 and resampled" in card
    assert "| busi | images, prior | disputed" in card
    assert "do not report results on breast, busi, unknown as if they were unseen" in card
    assert "Al-Dhabyani et al. 2020" in licence
    assert "- unknown: not stated with the weights. Licence: not stated." in licence


def test_card_tells_what_was_measured(tmp_path, release):
    assert "Not measured when this was written" in (release / "README.md").read_text("utf-8")
    row = {"n": 60, "low": None, "high": 0.3}
    rows = [
        row | {"name": "ks_texture.pooled", "verdict": "fails", "value": 0.3721},
        row | {"name": "ks_grey.pooled", "verdict": "passes", "value": 0.2},
        {"name": "copies", "verdict": "not measured", "low": None, "high": None},
    ]
    scores = tmp_path / "scores.json"
    scores.write_text(dumps({"limits": {"verdict": "failing", "rows": rows}}), encoding="utf-8")
    candidates = tiny.write_candidates(tmp_path / "candidates")
    write_release(candidates, tmp_path / "release", ReleaseParams(), scores)
    card = (tmp_path / "release" / "README.md").read_text("utf-8")
    assert "Verdict: **failing**. 1 of 3 limits are kept; not measured: copies." in card
    assert "| ks_texture.pooled | 0.372 | at most 0.3 | 60 |" in card
    assert "ks_grey" not in card


def test_a_date_of_publication_is_told_if_it_is_given(candidates, release, tmp_path):
    params = tiny.PARAMS.model_copy(update={"date_published": date(2026, 12, 1)})
    write_release(candidates, tmp_path / "dated", params)
    assert read_json(tmp_path / "dated" / files.CROISSANT)["datePublished"] == "2026-12-01"
    assert "datePublished" not in read_json(release / files.CROISSANT)


def test_card_has_front_matter_and_banner(release):
    _, front, body = (release / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["pretty_name"] == tiny.PARAMS.title
    assert head["license"] == "cc-by-4.0"
    assert head["size_categories"] == ["n<1K"]
    assert [d["path"] for d in head["configs"][0]["data_files"]] == [
        "data/train-*.parquet",
        "data/test-*.parquet",
    ]
    assert "SYNTHETIC DATA - NOT FOR CLINICAL USE" in body
    assert "| contrast | 4 |" in body
    assert "arXiv:2507.07721" in body


def test_dictionary_lists_every_column(release):
    text = (release / "DATA_DICTIONARY.md").read_text(encoding="utf-8")
    assert all(f"| `{column.name}` |" in text for column in schema.columns("release"))


def test_nothing_but_the_plan_decides_provenance(release, candidates):
    record = json.loads((release / "provenance.json").read_text(encoding="utf-8"))
    assert record["plan"] == json.loads((candidates / "plan.json").read_text(encoding="utf-8"))
    assert record["release"] == tiny.PARAMS.model_dump(mode="json")
    assert record["unfilled"] == [tiny.sample_id(tiny.GIVEN_UP)]
    everything = "".join(
        (release / name).read_text(encoding="utf-8")
        for name in files.NAMES
        if "parquet" not in name
    )
    assert str(release.parent) not in everything


def test_families_stay_whole_and_shares_are_kept(release):
    index = pq.read_table(release / "index.parquet").to_pylist()
    splits = {}
    for row in index:
        if row["accepted"]:
            splits.setdefault(row["family_id"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    share = sum(found == {"test"} for found in splits.values()) / len(splits)
    assert share == pytest.approx(0.25, abs=2 / len(splits))


def test_all_go_to_train_unless_asked(candidates, tmp_path):
    write_release(candidates, tmp_path / "out")
    names = [path.name for path in files.find_files(tmp_path / "out")]
    assert names == ["train-00000-of-00001.parquet"]


def test_groups_of_100_rows_and_files_of_bounded_size(tmp_path, monkeypatch):
    table = pa.table({"image": pa.array([{"bytes": b"x" * 100, "path": "p"}] * 250, schema.IMAGE)})
    monkeypatch.setattr(rows, "FILE_BYTES", 100 * 100)
    paths = rows.write_split(iter([table.slice(0, 130), table.slice(130)]), tmp_path, "train")
    assert [path.name for path in paths] == [f"train-0000{i}-of-00003.parquet" for i in range(3)]
    assert [pq.read_metadata(path).num_rows for path in paths] == [100, 100, 50]


def _rewrite(path, change):
    table = change(pq.read_table(path))
    pq.write_table(table, path)


def _with(column, values):
    return lambda t: t.set_column(t.column_names.index(column), t.schema.field(column), values(t))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("shards/round-00-shard-00001.parquet",
         lambda p: p.write_bytes(p.read_bytes()[:-30]), "whole"),
        ("shards/round-00-shard-00001.parquet", lambda p: p.unlink(), "images"),
        ("index.parquet", lambda p: p.write_bytes(p.read_bytes()[:-30]), "Parquet"),
        ("index.parquet", lambda p: _rewrite(p, lambda t: t.drop_columns("shape")), "shape"),
        ("index.parquet", lambda p: _rewrite(p, lambda t: t.slice(1)), "add up"),
        ("plan.json", lambda p: p.write_text("{"), "JSON"),
        ("unfilled.json", lambda p: p.write_text(dumps({"unfilled": []})), "add up"),
        ("unfilled.json", lambda p: p.unlink(), "JSON"),
        ("shards/round-00-shard-00000.parquet",
         lambda p: _rewrite(p, _with("image", lambda t: _cut(t, "image"))), "image must be a wh"),
        ("shards/round-00-shard-00000.parquet",
         lambda p: _rewrite(p, _with("mask", lambda t: _cut(t, "mask"))), "mask must be a whole"),
        ("shards/round-00-shard-00000.parquet",
         lambda p: _rewrite(p, _with("image", lambda t: t["mask"])), "image_sha256"),
        ("shards/round-00-shard-00000.parquet",
         lambda p: _rewrite(p, _with("mask", lambda t: t["image"])), "mask must hold 0 and 255"),
    ],
)  # fmt: skip
def test_damaged_candidates_are_never_released(damaged, tmp_path, name, damage, message):
    damage(damaged / name)
    with pytest.raises(DataError, match=message):
        write_release(damaged, tmp_path / "out", tiny.PARAMS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged é"]


def test_a_flipped_byte_in_a_shard_is_an_error_or_of_no_account(damaged, tmp_path, release):
    path = damaged / "shards" / "round-00-shard-00000.parquet"
    whole = path.read_bytes()
    for place in rng(2, "flips").integers(0, len(whole), 3).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            write_release(damaged, tmp_path / "out", tiny.PARAMS)
        except DataError:
            assert not (tmp_path / "out").exists()
        else:
            sums = (tmp_path / "out" / files.SUMS).read_bytes()
            assert sums == (release / files.SUMS).read_bytes()
            shutil.rmtree(tmp_path / "out")


def _cut(table, name):
    images = table[name].to_pylist()
    images[2]["bytes"] = images[2]["bytes"][: len(images[2]["bytes"]) * 2 // 3]
    return pa.array(images, schema.IMAGE)


def test_a_broken_contract_names_rule_count_and_examples(damaged, tmp_path):
    def wrong(table):
        values = ["parallel" if value else None for value in table["orientation"].to_pylist()]
        return pa.array(values, pa.string())

    _rewrite(damaged / "index.parquet", _with("orientation", wrong))
    with pytest.raises(DataError) as detected:
        write_release(damaged, tmp_path / "out")
    assert "orientation must be" in str(detected.value)
    assert tiny.sample_id(0) in str(detected.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_release_is_not_replaced(candidates, tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(UserError, match="must not exist or be empty"):
        write_release(candidates, tmp_path)
    assert (tmp_path / "thesis.docx").exists()


def test_shares_fill_every_class(candidates, tmp_path):
    params = ReleaseParams(splits={"train": 0.5, "validation": 0.25, "test": 0.25})
    write_release(candidates, tmp_path / "out", params)
    assert [files.split_name(path) for path in files.find_files(tmp_path / "out")] == list(
        files.SPLITS
    )
