"""Near-duplicates within a release: mirrored and cropped copies are named, a family's are not."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from busgen.errors import DataError
from busgen.evaluation.release_statistics import NAMED, count_duplicates
from busgen.io import encode_png
from busgen.seeds import rng

SIDE = 96


def picture(k):
    """Return an image of structures of several sizes, no two alike."""
    pick = rng(k, "duplicates")
    waves = [cv2.GaussianBlur(pick.normal(size=(SIDE, SIDE)), (0, 0), s) * s for s in (2, 5, 11)]
    return np.clip(120 + 35 * sum(waves), 12, 245).astype(np.uint8)


def cropped(image):
    return cv2.resize(image[5:-5, 5:-5], (SIDE, SIDE))


def release(folder, images, families=None):
    """Write what a release has of its images, each a family of its own unless told."""
    (folder / "data").mkdir(parents=True)
    rows = [
        {
            "sample_id": f"s{k:02}",
            "family_id": family,
            "image": {"bytes": encode_png(x), "path": ""},
        }
        for k, (x, family) in enumerate(
            zip(images, families or map(str, range(len(images))), strict=True)
        )
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data/train-0.parquet", row_group_size=5)
    return folder


def named(told):
    return [(pair["first"], pair["second"]) for pair in told["pairs"]]


@pytest.fixture(scope="module")
def images():
    return [picture(k) for k in range(12)]


def test_images_of_their_own_have_none(images, tmp_path):
    result = count_duplicates(release(tmp_path / "é", images))
    assert result["interval"][0] == 0 < result["interval"][1] < 0.3
    assert {k: v for k, v in result.items() if k != "interval"} == {
        "value": 0.0, "n": 12, "pairs": [], "more": 0
    }  # fmt: skip


def test_mirrored_and_cropped_copies_are_found_and_named(images, tmp_path):
    planted = [images[2][:, ::-1].copy(), cropped(images[7])]
    result = count_duplicates(release(tmp_path / "planted", [*images, *planted]))
    assert sorted(named(result)) == [("s02", "s12"), ("s07", "s13")]
    assert all(0.75 <= pair["similarity"] <= 1 for pair in result["pairs"])
    assert (result["value"], result["n"], result["more"]) == (4 / 14, 14, 0)


def test_images_of_one_family_do_not_count_and_hide_no_other(images, tmp_path):
    """Of twelve alike in one family a thirteenth in another is found still."""
    noisy = [
        np.clip(images[0] + rng(k, "noise").normal(0, 4, images[0].shape), 0, 255).astype(np.uint8)
        for k in range(12)
    ]
    alone = count_duplicates(
        release(tmp_path / "alone", [*noisy, *images[1:]], ["0"] * 12 + [*"abcdefghijk"])
    )
    assert (alone["value"], alone["pairs"]) == (0.0, [])
    copy = cropped(images[0])
    generated = [*noisy, *images[1:], copy]
    result = count_duplicates(
        release(tmp_path / "copied", generated, ["0"] * 12 + [*"abcdefghijkl"])
    )
    assert named(result)
    assert {second for _, second in named(result)} == {"s23"}
    assert result["value"] == len({s for pair in named(result) for s in pair}) / 24


def test_the_most_alike_pairs_are_named_and_the_others_counted(images, tmp_path):
    result = count_duplicates(release(tmp_path / "many", [x for x in images[:3] for _ in range(7)]))
    assert result["value"] == 1.0
    assert len(result["pairs"]) == NAMED
    assert result["more"] == 3 * 7 * 6 // 2 - NAMED
    alike = [pair["similarity"] for pair in result["pairs"]]
    assert alike == sorted(alike, reverse=True)


def test_a_release_without_images_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="must hold samples"):
        count_duplicates(tmp_path)
    pq.write_table(pa.table({"sample_id": ["a"]}), tmp_path / "data/train-0.parquet")
    with pytest.raises(DataError, match=r"images must be readable.*busgen verify"):
        count_duplicates(tmp_path)
