"""Several synthetic sets, foreign ones, and top-up of rare strata."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_sets import crops, pair, write_made

from busgen.downstream import arms
from busgen.downstream.data.pools import balance, make_pool, strata
from busgen.downstream.data.synthetic_set import open_set, parse_sets
from busgen.downstream.library import run
from busgen.downstream.plan import plan
from busgen.errors import DataError, UserError
from busgen.io import encode_png


def write_parquet(path: Path, column: str = "diagnosis", n: int = 8) -> Path:
    """Write a synthetic set as one Parquet file of PNG bytes."""
    pairs = [pair(900 + k, k % 2 == 1) for k in range(n)]
    table = {
        "image": [{"bytes": encode_png(image), "path": None} for image, _ in pairs],
        "mask": [{"bytes": encode_png(255 * mask), "path": None} for _, mask in pairs],
        column: [("Benign", "MALIGNANT")[k % 2] for k in range(n)],
    }
    pq.write_table(pa.table(table), path)
    return path


def test_a_parquet_file_and_a_folder_are_read_alike(tmp_path):
    for path in (write_parquet(tmp_path / "made.parquet"), write_made(tmp_path / "made")):
        generated = open_set(path)
        own = generated.load().crops
        assert own.labels.tolist() == ["benign", "malignant"] * 4
        assert own.masks.any(axis=(1, 2)).all()
        assert generated.saw == "unknown"


def test_a_set_without_classes_or_masks_is_refused_with_its_remedy(tmp_path):
    with pytest.raises(UserError, match=r"must have a column of classes.*add one"):
        open_set(write_parquet(tmp_path / "made.parquet", "colour"))
    folder = write_made(tmp_path / "made")
    for file in folder.glob("*_mask.png"):
        file.unlink()
    with pytest.raises(UserError, match=r"outlined lesions of known class.*give masks"):
        open_set(folder).load()


def test_a_broken_image_is_named(tmp_path):
    folder = write_made(tmp_path / "made")
    (folder / "3.png").write_bytes(b"no image")
    with pytest.raises((UserError, DataError), match=r"3\.png"):
        open_set(folder).load()


def test_classes_that_are_other_words_are_refused(tmp_path):
    folder = write_made(tmp_path / "made")
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([rows[0], *([name, "1"] for name, _ in rows[1:])])
    with pytest.raises(UserError, match="known class"):
        open_set(folder).load()


def test_sets_are_named_on_the_command_line():
    assert parse_sets(["a/b"]) == (Path("a/b"), {})
    assert parse_sets(["main=a", "phantom=b"]) == (Path("a"), {"phantom": Path("b")})
    for words in (["a", "b"], ["a", "x=b", "x=c"], ["a", "x="]):
        with pytest.raises(UserError, match="names of their own"):
            parse_sets(words)


def test_engines_are_compared_with_the_base_and_with_each_other(asked, tmp_path):
    other = write_made(tmp_path / "other", seed=70)
    both = replace(asked, others={"phantom": other}, arms=("engines",), tasks=("segmentation",))
    generated = plan(both)
    by_arm = {job.run.arm: job for job in generated.jobs}
    assert len(by_arm["real_synthetic_1:mixed"].made) == 2
    assert by_arm["synthetic:phantom"].made != by_arm["synthetic"].made
    record, ran = run(generated, lambda _: None, lambda _: None)
    assert ran == 6
    rows = {(one["arm"], one["test"]): one for one in record["results"]}
    one = rows["real_synthetic_1:phantom", "bus_bra"]
    assert one["gain"]["against"] == "real_augmented"
    assert one["rival_gain"]["against"] == "real_synthetic_1"
    assert {one["gain"]["primary"], one["rival_gain"]["primary"]} == {False}
    assert record["others"]["phantom"]["synthetic"]["images"] == 8


@pytest.mark.parametrize(("name", "rule"), [
    ("synthetic:mars", "named by --data NAME=DIR"), ("real:phantom", "only an arm with made"),
    ("synthetic:", "only an arm with made"),
])  # fmt: skip
def test_an_arm_of_no_set_is_refused(asked, name, rule):
    with pytest.raises(UserError, match=rule):
        plan(replace(asked, arms=(name,)))


def test_groups_of_arms():
    assert arms.expand(("ratios", "real")) == (
        "real_augmented", "real_synthetic_0.5", "real_synthetic_1", "real_synthetic_2",
        "real_synthetic_4", "real",
    )  # fmt: skip
    low = arms.expand(("low_data",))
    assert {"real_augmented@5", "real_synthetic_1@50", "pooled_augmented"} <= set(low)
    assert all(arms.find_arm(name) for name in low)


def test_mixed_sets_give_equal_parts():
    pool = make_pool(
        arms.find_arm("real_synthetic_1:mixed"), crops(12), [crops(30, 1), crops(30, 2)],
        "segmentation", 0)  # fmt: skip
    of = np.array([name[:2] for name in pool.crops.groups])
    assert [(of == name).sum() for name in ("p0", "p1", "p2")] == [12, 6, 6]
    parts = [pool.probabilities[of == name].sum() for name in ("p0", "p1", "p2")]
    assert parts == pytest.approx([0.5, 0.25, 0.25])


def test_only_rare_strata_are_topped_up_and_classes_stay_even():
    real = crops(40).pick(np.array([*range(0, 40, 2), 1]))  # twenty benign, one malignant
    generated = crops(60, 1)
    chosen = balance(real, generated)
    assert (generated.labels[chosen] == "malignant").all()
    names = strata(generated, real)[chosen]
    mean = round(21 / 12)
    assert max(np.unique(names, return_counts=True)[1]) <= mean
    pool = make_pool(arms.find_arm("real_rare_top_up"), real, [generated], "classification", 0)
    assert pool.synthetic == len(chosen) > 0
    assert pool.probabilities[pool.crops.is_malignant].sum() == pytest.approx(0.5)
