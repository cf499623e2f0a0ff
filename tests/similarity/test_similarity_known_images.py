"""Known images: copies are alike, others are not, and the file is what was saved."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from busgen.errors import DataError, UserError
from busgen.gates.calibration.fault_injection import COPIED
from busgen.gates.calibration.faults import Pair
from busgen.gates.scores import score_copies
from busgen.io import encode_png
from busgen.seeds import rng
from busgen.similarity.known_images import (
    ASKED,
    describe_texture,
    load_known,
    make_known,
    save_known,
)

SIDE = 256


def picture(k):
    """Return an image of coarse and fine structure."""
    pick = rng(k, "known")
    waves = [cv2.GaussianBlur(pick.normal(size=(SIDE, SIDE)), (0, 0), s) * s for s in (3.0, 9.0)]
    return np.clip(110 + 60 * (waves[0] + waves[1]), 12, 245).astype(np.uint8)


@pytest.fixture(scope="module")
def textures():
    return np.array([describe_texture(picture(k)) for k in range(6)])


@pytest.mark.parametrize(
    ("name", "strength"),
    [("noise", 10), ("crop", 0.05), ("crop", 0.18), ("flip", 1), ("brightness", 0.3),
     ("elastic", 3)],
)  # fmt: skip
def test_copies_are_more_alike_than_other_images(textures, name, strength):
    known = make_known(textures)
    pair = Pair(picture(2), np.zeros((SIDE, SIDE), np.uint8), None)
    copy = COPIED[name][0](pair, rng(0, name), strength).image
    strange = max(known.similarities([picture(k) for k in range(20, 26)]))
    assert strange < 0.7
    assert known.similarities([copy])[0] > strange + 0.1


def test_a_blank_image_is_like_none(textures):
    assert make_known(textures).similarities([np.zeros((SIDE, SIDE), np.uint8)]) == [0]


def test_a_image_s_answer_does_not_depend_on_the_others(textures):
    known, images = make_known(textures), [picture(k) for k in range(ASKED + 3)]
    alone = [known.similarities([one])[0] for one in images]
    assert known.similarities(images) == alone
    assert known.similarities([]) == []


def test_without_known_images_nothing_is_asked(textures):
    assert score_copies([picture(0)], None) == [{"copy_similarity": None}]
    assert score_copies([picture(0)], make_known(textures))[0]["copy_similarity"] > 0.99


def test_the_file_gives_the_same_answers_and_a_hash(textures, tmp_path):
    save_known(textures, tmp_path / "known é.safetensors")
    again = load_known([tmp_path / "known é.safetensors"])
    assert again.similarities([picture(9)]) == make_known(textures).similarities([picture(9)])
    assert again.sha256 == make_known(textures).sha256
    assert len(again.sha256) == 64


def test_several_files_and_earlier_releases_are_known_together(textures, tmp_path):
    save_known(textures[:3], tmp_path / "a.safetensors")
    (tmp_path / "release é/data").mkdir(parents=True)
    images = [{"image": {"bytes": encode_png(picture(k)), "path": f"{k}.png"}} for k in (3, 4, 5)]
    pq.write_table(pa.Table.from_pylist(images), tmp_path / "release é/data/train-0.parquet")
    both = load_known([tmp_path / "a.safetensors", tmp_path / "release é"])
    assert both.sha256 == make_known(textures).sha256
    alone = load_known([tmp_path / "a.safetensors"])
    assert alone.sha256 != both.sha256
    assert both.similarities([picture(4)])[0] > 0.99 > alone.similarities([picture(4)])[0]


def test_what_is_no_such_file_is_named(tmp_path):
    (tmp_path / "none").write_bytes(b"no")
    (tmp_path / "folder").mkdir()
    for name in ("none", "absent", "folder"):
        with pytest.raises(DataError, match="busgen calibrate DATA --out DIR"):
            load_known([tmp_path / name])
    with pytest.raises(UserError, match="known images must be some"):
        make_known(np.zeros((0, 96, 96), np.uint8))
