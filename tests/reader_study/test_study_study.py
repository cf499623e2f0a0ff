"""Which images are shown, and in which order."""

from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny

from busgen.errors import UserError
from busgen.reader_study.study import Options, make_blocks, make_study
from busgen.real.crops import display_crop
from busgen.seeds import rng


def test_kinds_and_classes_are_balanced_and_no_patient_or_family_comes_twice(key, real):
    images = key["images"].values()
    counts = Counter((one["kind"], one["pathology"]) for one in images)
    assert set(counts.values()) == {5}
    assert len(counts) == 4
    cohort = {row["sample_id"]: row for row in pq.read_table(real / "cohort").to_pylist()}
    shown = [cohort[one["source"]["sample_id"]] for one in images if one["kind"] == "real"]
    assert {row["split"] for row in shown} == {"test"}
    assert len({row["cluster_id"] for row in shown}) == 10
    generated = [one["source"]["sample_id"] for one in images if one["kind"] == "synthetic"]
    assert len(set(generated)) == 10
    phrases = [one["said"] for one in images if one["kind"] == "real"]
    assert all(
        one["margin"] == ["indistinct", "angular"] and one["halo"] is None for one in phrases
    )


def test_all_images_have_one_side_and_every_block_is_balanced(release, real):
    study = make_study(release, real, Options(20, 7))
    assert {one.pixels.shape for one in study.images.values()} == {(64, 64)}
    for block in study.blocks:
        kinds = Counter(study.images[name].kind for name in block)
        assert kinds["real"] == kinds["synthetic"]
    assert sorted(name for block in study.blocks for name in block) == sorted(study.images)


def test_a_seed_is_its_study_and_another_seed_another(release, real):
    first, again, other = (make_study(release, real, Options(20, seed)) for seed in (7, 7, 8))
    assert first.name == again.name != other.name
    assert first.blocks == again.blocks != other.blocks
    assert not {*first.images} & {*other.images}


def test_practice_images_are_of_other_patients_and_families(release, real):
    found = make_study(release, real, Options(20, 7))
    assert [*found.practice] == [f"practice-{place}" for place in (1, 2, 3, 4)]
    kinds = Counter((one.kind, one.pathology) for one in found.practice.values())
    assert set(kinds.values()) == {1}
    sources = [str(one.source) for one in (*found.images.values(), *found.practice.values())]
    assert len(set(sources)) == 24


def test_blocks_hold_two_of_each_stratum_in_random_order():
    strata = ["a"] * 6 + ["b"] * 6
    blocks = make_blocks(strata, rng(1, "x"))
    assert [Counter(strata[k] for k in block) for block in blocks] == [Counter(a=2, b=2)] * 3
    assert sorted(k for block in blocks for k in block) == list(range(12))
    assert (
        len({tuple(strata[k] for k in make_blocks(strata, rng(s, "x"))[0]) for s in range(50)}) == 6
    )


def test_images_that_give_themselves_away_are_left_out():
    whole = tiny.row(1, "p", "benign")
    crop = display_crop(whole, 64)
    assert crop.image.shape == (64, 64)
    assert display_crop(whole, 256) == "enlarged"
    ignore = np.zeros((120, 160), np.uint8)
    ignore[60, 80] = 255
    marked = tiny.image(ignore)
    assert display_crop(whole | {"ignore": marked}, 64) == "overlay"
    ignore[60, 80], ignore[5, 1] = 0, 255  # beside the square
    assert not isinstance(display_crop(whole | {"ignore": tiny.image(ignore)}, 64), str)
    wide = np.zeros((120, 160), np.uint8)
    wide[40:80, 2:158] = 255
    assert display_crop(whole | {"mask": tiny.image(wide)}, 64) == "padded"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Options(18), "n must be a multiple of 4 from 20 to 400, got 18"),
        (Options(22), "n must be a multiple of 4 from 20 to 400, got 22"),
        (Options(404), "got 404"),
        (Options(20, splits=("train",)), "must be held-out ones, got train"),
        (Options(20, splits=()), "must be held-out ones"),
        (Options(20, splits=("validation",)), "needs 5 real benign patients .*got 0 in validation"),
        (Options(36), "needs 9 real benign patients .*got 8 in test"),
        (Options(60), "must have 15 .* findings for a study of this size, got"),
        (Options(20, seed=-1), "seed must be in"),
    ],
)
def test_what_cannot_be_had_is_said(release, real, asked, message):
    with pytest.raises(UserError, match=message):
        make_study(release, real, asked)


def test_datasets_whose_licence_shows_no_images_are_not_shown(release, tmp_path):
    rows = [tiny.row(1, "busi-p1", "benign")]
    folder = tiny.write_real(tmp_path / "real", rows, may_show=False)
    with pytest.raises(UserError, match="licence lets its images be shown"):
        make_study(release, folder, Options(20))
