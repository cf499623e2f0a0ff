"""The benchmark's rows, times and references, rehearsed on a few images."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from busgen.bench.harness import reaches
from busgen.bench.quality import (
    benchmark,
    reference_programs,
    speed,
)
from busgen.io import decode_png, sha256_array
from busgen.judges.judges import load_judges
from busgen.release.files import INDEX, find_files
from busgen.seeds import rng
from busgen.similarity.known_images import describe_texture, make_known

N = 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    generated = tmp_path_factory.mktemp("rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "DRAWN", 4)
        speed.make_rows(N, generated)
    return generated


@pytest.fixture(scope="module")
def rows(folder):
    return list(speed._rows(folder / "release"))


def test_every_row_is_a_image_of_its_own(folder, rows):
    assert len(rows) >= N
    images = [decode_png(row["image"]["bytes"], "image") for row in rows]
    assert len({sha256_array(image) for image in images}) == len(rows)
    assert [sha256_array(image) for image in images] == [row["image_sha256"] for row in rows]
    assert len({row["sample_id"] for row in rows}) == len(rows)
    assert len({row["family_id"] for row in rows}) < len(rows)  # copies of one finding
    index = pq.read_table(folder / "release" / INDEX)
    assert sum(index["accepted"].to_pylist()) == len(rows)
    assert len(find_files(folder / "release")) == 1


def test_all_gates_are_asked_of_all_rows(rows):
    judges = load_judges(device="cpu")
    textures = [describe_texture(decode_png(row["image"]["bytes"], "image")) for row in rows]
    strange = rng(0, "strange").integers(0, 255, (1, *textures[0].shape)).astype(np.uint8)
    assert speed.judge(iter(rows), judges, make_known(np.array(textures))) == 0
    assert speed.judge(iter(rows), judges, make_known(strange)) > 0


def test_quality_and_report_are_timed_and_written(folder):
    result = speed.report(str(folder))
    assert set(result) == {"quality_s", "report_s"}
    assert min(result.values()) > 0
    assert (folder / "report" / "index.html").is_file()


def test_planted_copies_are_found_among_others():
    pytest.importorskip("faiss")
    pick = rng(0, "images")
    fields = pick.normal(size=(6, 12, 12)).repeat(16, axis=1).repeat(16, axis=2)
    images = np.clip(110 + 40 * fields + 10 * pick.normal(size=fields.shape), 5, 250)
    result = benchmark._find_planted(list(images.astype(np.uint8)), quick=True)
    assert {name for name in benchmark.BARS if "near_duplicates" in name} <= set(result)
    assert result["near_duplicates_100000_s"].n == benchmark.FEW_ROWS
    assert result["near_duplicates_flip_recall"].value == 1
    assert result["near_duplicates_recall"].n == 30


def test_scores_agree_with_their_references():
    pytest.importorskip("torchmetrics.image.fid")
    pytest.importorskip("monai.metrics")
    result = reference_programs.figures()
    name = "score_reference_error"
    assert reaches(result[name], benchmark.BARS[name])
    assert result[name].value == max(f.value for key, f in result.items() if key != name)
