"""Repeats: identical, mirrored, cropped images of an earlier release are counted, others not."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from busgen.errors import DataError
from busgen.evaluation.release_statistics import find_previous
from busgen.io import encode_png, sha256_array
from busgen.seeds import rng
from busgen.similarity.search import hash_image

SIDE = 128


def picture(k):
    """Return an image of structures of several sizes, no two alike."""
    pick = rng(k, "earlier")
    waves = [cv2.GaussianBlur(pick.normal(size=(SIDE, SIDE)), (0, 0), s) * s for s in (2, 5, 11)]
    return np.clip(120 + 35 * sum(waves), 12, 245).astype(np.uint8)


def release(folder, images):
    """Write what a release has of its images; the index has a rejected one more."""
    (folder / "data").mkdir(parents=True)
    rows = [
        {
            "sample_id": f"{folder.name}-{k}",
            "family_id": f"{k}",
            "image": {"bytes": encode_png(image), "path": "x.png"},
        }
        for k, image in enumerate(images)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data/train-0.parquet", row_group_size=4)
    index = [
        {"accepted": k < len(images), "image_sha256": sha256_array(image),
         "image_dhash": hash_image(image)}
        for k, image in enumerate([*images, picture(999)])
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(index), folder / "index.parquet")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return a release, one with 5 of its images, changed or not, and one with none."""
    root = tmp_path_factory.mktemp("releases é")
    images = [picture(k) for k in range(12)]
    cropped = cv2.resize(images[2][8:-8, 8:-8], (SIDE, SIDE))
    brighter = np.clip(images[3] * 1.1 + 5, 0, 255).astype(np.uint8)
    changed = [images[0], images[4], images[1][:, ::-1].copy(), cropped, brighter]
    return (
        release(root / "now", images),
        release(root / "earlier", [*changed, *(picture(k) for k in range(50, 56))]),
        release(root / "other", [picture(k) for k in range(80, 90)]),
    )


def test_what_is_in_an_earlier_release_too_is_counted(folders):
    now, earlier, other = folders
    result = find_previous(now, [earlier, other], 1000)
    first, second = result["earlier"]
    assert (first["n"], first["identical"], first["near"], first["looked_at"]) == (11, 2, 5, 12)
    assert first["same_hash"] >= 2
    assert (second["n"], second["identical"], second["same_hash"], second["near"]) == (10, 0, 0, 0)
    score = result["score"]
    assert score["samples"] == [f"now-{k}" for k in range(5)]
    assert (score["value"], score["n"]) == (5 / 12, 12)
    assert score["interval"][0] < 5 / 12 < score["interval"][1]


def test_a_release_repeats_itself_wholly_and_a_part_may_be_looked_at(folders):
    now, _, _ = folders
    result = find_previous(now, [now], 6)
    assert result["earlier"][0]["identical"] == 12
    assert result["earlier"][0]["looked_at"] == result["score"]["n"] == 6
    assert result["score"]["value"] == 1.0


def test_a_folder_that_is_no_release_is_named(folders, tmp_path):
    with pytest.raises(DataError, match=r"must be a release folder.*quality\.previous"):
        find_previous(folders[0], [tmp_path], 10)
