"""Whatever is altered in a release is found, and its file named."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_candidates as tiny

from busgen.io import encode_png
from busgen.release import files
from busgen.release.contract.expectations import validate
from busgen.release.verify import verify
from busgen.seeds import rng

FILES = (*files.NAMES, "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet")


@pytest.fixture
def copy(release, tmp_path):
    return shutil.copytree(release, tmp_path / "copy é [1]")


def test_a_release_is_sound(release):
    assert verify(release) == []


@pytest.mark.parametrize("name", FILES)
def test_any_flipped_byte_is_found(copy, name):
    path = copy / name
    whole = path.read_bytes()
    places = rng(1, name).integers(0, len(whole), 12).tolist()
    for place in {0, len(whole) - 1, *places}:
        data = bytearray(whole)
        data[place] ^= 1 << (place % 8)
        path.write_bytes(data)
        assert name in {problem.file for problem in files.check_sums(copy)}, place


def test_every_byte_of_the_list_of_sums_matters(copy):
    path = copy / files.SUMS
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert files.SUMS in {problem.file for problem in files.check_sums(copy)}, place


def test_missing_and_truncated_files_are_found(copy):
    listed = [name for name in FILES if name != files.SUMS]
    truncated, missing = listed[::2], listed[1::2]
    for name in truncated:
        data = (copy / name).read_bytes()
        (copy / name).write_bytes(data[: len(data) // 2])
    for name in missing:
        (copy / name).unlink()
    assert {problem.file for problem in verify(copy)} == set(listed)


@pytest.mark.parametrize("name", [files.INDEX, files.SUMS, FILES[-1]])
def test_one_missing_file_is_found(copy, name):
    (copy / name).unlink()
    assert name in {problem.file for problem in verify(copy)}


def test_flips_in_all_files_are_all_named(copy):
    for name in FILES:
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
    found = {problem.file for problem in verify(copy)}
    assert files.SUMS in found
    assert len(found) >= len(FILES) - 1  # the line of one file may be what is flipped


def test_an_extra_file_is_found(copy):
    (copy / "data" / "notes.txt").write_text("x")
    assert [(p.file, p.rule) for p in verify(copy)] == [
        ("data/notes.txt", "must be listed in sha256sums.txt")
    ]


def _forge(folder, name, change):
    """Change a table and write the checksums anew, as a forger or a bug of ours would."""
    path = folder / name
    table = pq.read_table(path)
    rows = table.to_pylist()
    pq.write_table(pa.Table.from_pylist(change(rows), table.schema), path, row_group_size=100)
    files.write_sums(folder)


def _mask(row, change):
    mask = np.zeros((tiny.SIZE, tiny.SIZE), np.uint8)
    mask[4:9, 4:9] = 255
    return row | {"mask": {"bytes": change(mask), "path": "m.png"}}


FORGERIES = [
    (lambda row: _mask(row, lambda m: encode_png(m)[:-20]), "mask must be a whole PNG"),
    (lambda row: _mask(row, lambda m: encode_png(m)[:60]), "mask must be a whole PNG"),
    (lambda row: _mask(row, lambda m: b""), "mask must be a whole PNG"),
    (lambda row: _mask(row, lambda m: encode_png(m // 2)), "mask must hold 0 and 255 only"),
    (lambda row: _mask(row, lambda m: encode_png(m[:, :-1])), "mask must have the image's size"),
    (lambda row: _mask(row, lambda m: encode_png(m * 0)), "mask must be empty exactly"),
    (lambda row: row | {"image": row["mask"]}, "image_sha256 must be that"),
    (lambda row: row | {"image_sha256": "0" * 64}, "image_sha256 must be that"),
]


def test_forged_images_are_found(copy):
    name = "data/train-00000-of-00001.parquet"
    ids = []

    def forge(rows):
        lesions = [i for i, row in enumerate(rows) if row["pathology"] != "normal"]
        for i, (change, _) in zip(lesions, FORGERIES, strict=False):
            rows[i] = change(rows[i])
            ids.append(rows[i]["sample_id"])
        return rows

    _forge(copy, name, forge)
    rules = [problem.rule for problem in verify(copy) if problem.file == name]
    assert len(rules) == len(FORGERIES) == len(ids)
    for sample, (_, words), rule in zip(ids, FORGERIES, rules, strict=True):
        assert words in rule
        assert sample in rule


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "test"}, "must hold rows of split train only"),
        ({"text": "another"}, "must equal the rows of the data files"),
    ],
)
def test_a_forged_row_is_found(copy, change, words):
    name = "data/train-00000-of-00001.parquet"
    _forge(copy, name, lambda rows: [rows[0] | change, *rows[1:]])
    assert any(words in problem.rule for problem in verify(copy))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[1:],
        lambda rows: [*rows, rows[0]],
        lambda rows: [rows[0] | {"sample_id": "x"}, *rows[1:]],
    ],
)
def test_rows_lost_doubled_or_renamed_are_found(copy, change):
    _forge(copy, "data/train-00000-of-00001.parquet", change)
    assert any(problem.file == files.INDEX for problem in verify(copy))


def test_an_index_that_breaks_the_contract_is_found(copy):
    _forge(copy, files.INDEX, lambda rows: [rows[0] | {"shape": "square"}, *rows[1:]])
    assert any("shape must be in the lexicon" in problem.rule for problem in verify(copy))


BAD_NAMES = (  # a path, a formula, an escape, too long, what collides on some disks, nothing
    "../../x", "a/1", "=cmd|'/c calc'!A1", "7-1\x1b[31m", "7" * 101, "Seven", "e\u0301", "",
)  # fmt: skip


def test_ids_that_are_no_file_names_are_found(copy):
    def forge(rows):
        ids = [*BAD_NAMES, *(row["sample_id"] for row in rows[len(BAD_NAMES) :])]
        return [row | {"sample_id": name} for row, name in zip(rows, ids, strict=True)]

    for file in (files.INDEX, FILES[-2]):
        _forge(copy, file, forge)
    found = verify(copy)
    (named,) = (p for p in found if p.rule.startswith("sample_id must be at most 100 small"))
    assert named.got.startswith(f"{len(BAD_NAMES)} that are not: ")
    assert all("\x1b" not in str(problem) for problem in found)


OBEYED = ("=1+1", "@x", "+1", "-1", "\t=1", "a\x1b[31m", "a\u202e", "a\nb", "a" * 1001)


@pytest.mark.parametrize("column", ["text", "scanner", "engine", "code_version"])
def test_texts_that_a_spreadsheet_or_a_screen_obeys_are_found(copy, column):
    def forge(rows):
        few = [row | {column: words} for row, words in zip(rows, OBEYED, strict=False)]
        return [*few, *rows[len(OBEYED) :]]

    _forge(copy, files.INDEX, forge)
    found = validate(copy / files.INDEX).failures
    assert (column, len(OBEYED)) in [(check.column, check.unexpected_count) for check in found]


def test_a_text_that_is_no_sentence_of_its_finding_is_found(copy):
    for file in (files.INDEX, FILES[-2]):
        _forge(copy, file, lambda rows: [row | {"text": "Round mass."} for row in rows])
    found = [p for p in verify(copy) if p.rule.startswith("text must be a sentence")]
    assert {problem.file for problem in found} == {FILES[-2]}
    assert len(found) == pq.read_metadata(copy / FILES[-2]).num_rows


def test_contradictory_findings_are_reported(copy):
    row = {"shape": "oval", "margin": ["spiculated"], "birads": "2", "halo": True}
    _forge(copy, files.INDEX, lambda rows: [rows[0] | row, *rows[1:]])
    rules = " ".join(problem.rule for problem in verify(copy))
    for part in ("margin=spiculated and shape=oval", "birads=2 and halo=yes"):
        assert f"must hold no {part}" in rules


def test_data_files_of_another_schema_or_number_are_found(copy):
    path = copy / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).drop_columns("text"), path)
    path.rename(copy / "data" / "train-00000-of-00002.parquet")
    files.write_sums(copy)
    rules = " ".join(problem.rule for problem in verify(copy))
    assert "columns of the schema" in rules
    assert "numbered 0 to N-1" in rules
