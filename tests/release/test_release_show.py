"""A sample's history; a sample made anew by the engines that made it."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_candidates as tiny

from busgen.errors import FindingError, UserError
from busgen.io import dumps, encode_png, sha256_array
from busgen.release.show import read_history, redraw
from busgen.release.write import write_release


def test_history_holds_every_attempt_and_the_end(release):
    first, second, final = read_history(release, tiny.sample_id(tiny.RETRIED[0]))
    assert (first["attempt"], first["accepted"], first["reason"]) == (0, False, "contrast")
    assert (second["attempt"], second["accepted"], second["reason"]) == (1, True, None)
    assert first["seed"] != second["seed"]
    assert second["scores"]["grey_sd"] == 1.5
    assert second["geometry"]["mask_curvature"] == [1.0, 0.5, 0.25, 0.1, 0.05]
    assert final["final"] == "released"
    assert final["finding"]["shape"] == "oval"
    assert read_history(release, tiny.sample_id(tiny.GIVEN_UP))[-1]["final"] == "given up"


def test_history_names_the_others_of_a_family(release):
    assert read_history(release, tiny.sample_id(9))[-1]["family"] == [tiny.sample_id(8)]
    assert read_history(release, tiny.sample_id(tiny.ALONE[0]))[-1]["family"] == []


def test_an_unknown_sample_names_the_nearest(release):
    with pytest.raises(UserError, match="nearest: busgen-000017,"):
        read_history(release, "busgen-e000017")


def test_a_given_up_sample_cannot_be_made_anew(release):
    with pytest.raises(UserError, match="given up"):
        redraw(release, tiny.sample_id(tiny.GIVEN_UP))


PLAN = {
    "n": 2,
    "vary": None,
    "seed": 7,
    "size_px": 64,
    "engine": "phantom",
    "mask_engine": "curvature",
}


@pytest.fixture(scope="module")
def drawn(candidates, tmp_path_factory):
    """Return a release whose images the named engines made."""
    from busgen.images.engines import load_image_engine
    from busgen.masks.engines import load_mask_engine
    from busgen.priors.findings import from_row

    folder = shutil.copytree(candidates, tmp_path_factory.mktemp("drawn") / "candidates")
    masks, images = load_mask_engine("curvature", 64), load_image_engine("phantom", 64)
    index = pq.read_table(folder / "index.parquet")
    rows = [r | {"mask_engine_sha256": masks.sha256} for r in index.to_pylist()[:4]]
    findings = [from_row(row) for row in rows]
    drawn = masks.draw(findings)
    pictures = images.render(findings, drawn)
    for path in (folder / "shards").iterdir():
        table = pq.read_table(path)
        path.unlink()
    shard = [
        {"sample_id": row["sample_id"], "attempt": 0,
         "image": {"bytes": encode_png(image), "path": ""},
         "mask": {"bytes": encode_png(mask * 255), "path": ""}}
        for row, image, mask in zip(rows, pictures, drawn, strict=True)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(shard, table.schema), path)
    hashes = [{"image_sha256": sha256_array(image)} for image in pictures]
    rows = [row | digest for row, digest in zip(rows, hashes, strict=True)]
    pq.write_table(pa.Table.from_pylist(rows, index.schema), folder / "index.parquet")
    (folder / "plan.json").write_text(dumps(PLAN | tiny.LEARNED))
    (folder / "unfilled.json").write_text(dumps({"unfilled": []}))
    write_release(folder, folder.parent / "out é")
    return folder.parent / "out é"


def test_an_altered_finding_that_cannot_be_is_named(drawn, tmp_path):
    folder = shutil.copytree(drawn, tmp_path / "altered")
    index = pq.read_table(folder / "index.parquet")
    rows = [row | {"center_x": 0.999} for row in index.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, index.schema), folder / "index.parquet")
    with pytest.raises(FindingError, match="must lie inside the image"):
        redraw(folder, tiny.sample_id(1))


@pytest.mark.parametrize("k", [1, tiny.NORMAL])
def test_a_sample_made_anew_is_the_same(drawn, k):
    assert redraw(drawn, tiny.sample_id(k)) == {
        "sample_id": tiny.sample_id(k),
        "same_image": True,
        "same_mask": True,
        "max_abs_difference": 0,
        "engine_changed": ["engine"],  # the tiny index names another hash for it
    }
