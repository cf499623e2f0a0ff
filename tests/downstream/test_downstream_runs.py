"""The comparison from folder to table: what is run, run again, and written."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tiny_sets import write_made

from busgen.code import import_closure
from busgen.downstream import runs
from busgen.downstream.data.synthetic_set import open_set, trained_on
from busgen.downstream.library import METRICS, PREDICTIONS, run, to_tables
from busgen.downstream.plan import plan
from busgen.downstream.results.compare import NONE, compare, verdict
from busgen.errors import UserError
from busgen.folders.manifests import MANIFEST
from busgen.stats.roc import auc


def carried(asked):
    """Return the record of a comparison, and how many trainings it took."""
    return run(plan(asked), lambda _: None, lambda _: None)


def test_a_comparison_from_folder_to_table_and_again_without_a_training(asked):
    record, ran = carried(asked)
    assert ran == 4  # two tasks, two arms
    assert sorted(p.name for p in asked.out.iterdir()) == [
        MANIFEST, "asked.json", "learning_curves.png", METRICS, PREDICTIONS, "runs",
        "sentences.md", "table.md", "table.tex",
    ]  # fmt: skip
    assert json.loads((asked.out / METRICS).read_text()) == json.loads(json.dumps(record))
    table = pq.read_table(asked.out / PREDICTIONS).to_pandas()
    assert len(table) == 4 * 2 * 4  # runs, test sets, patients
    for one in record["results"]:
        rows = table[
            (table[["task", "test", "arm"]] == [one["task"], one["test"], one["arm"]]).all(axis=1)
        ]
        if one["task"] == "segmentation":
            assert one["metrics"]["dice"]["value"] == pytest.approx(rows["dice"].mean())
            assert ("hd95_mm" in one["metrics"]) == (one["test"] == "bus_bra")
        else:
            truth = (rows["pathology"] == "malignant").to_numpy()
            value = auc(truth, rows["probability"].to_numpy())
            assert one["metrics"]["auc"]["value"] == pytest.approx(value)
        assert {"n": 4, "patients": 4, "seeds": 1}.items() <= next(
            iter(one["metrics"].values())
        ).items()
        assert one["generator_saw"] == ("unknown" if "synthetic" in one["arm"] else None)
    primary = [one for one in record["results"] if one.get("gain", {}).get("primary")]
    assert {(one["test"], one["arm"]) for one in primary} == {("bus_bra", "real_synthetic_1")}
    assert sum(len(rows) for _, rows in to_tables(record)) == len(record["results"]) == 8
    before = (asked.out / METRICS).read_bytes()
    assert carried(asked)[1] == 0
    assert (asked.out / METRICS).read_bytes() == before


def test_a_changed_generator_repeats_the_arms_with_made_images_alone(asked, tmp_path):
    assert carried(asked)[1] == 4
    other = replace(asked, data=write_made(tmp_path / "other", seed=60))
    assert carried(other)[1] == 2
    assert carried(replace(asked, seeds=2))[1] == 4  # the second seed of each


def test_a_comparison_that_was_killed_goes_on_to_the_same_bytes(asked, tmp_path):
    whole = replace(asked, out=tmp_path / "whole")
    carried(whole)
    done = []

    def stop(count: int) -> None:
        done.append(count)
        if sum(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan(asked), stop, lambda _: None)
    assert not (asked.out / METRICS).exists()
    assert carried(asked)[1] == 1
    assert (asked.out / METRICS).read_bytes() == (whole.out / METRICS).read_bytes()
    first, second = (pq.read_table(one.out / PREDICTIONS) for one in (asked, whole))
    assert first == second


def test_an_error_of_a_process_ends_the_comparison(asked):
    jobs = plan(asked).jobs
    with pytest.raises(FileNotFoundError):  # nothing was stored for them
        runs.run_all(jobs[:1], 2, lambda _: None)
    assert not any(job.is_done for job in jobs)


def test_what_decides_a_run_is_in_its_name(asked):
    jobs = plan(replace(asked, arms=("real", "synthetic", "pooled_augmented"))).jobs
    real, synthetic, pooled = jobs[:3]
    assert (len(real.real), len(synthetic.real), len(pooled.real)) == (1, 0, 2)
    assert (len(real.made), len(synthetic.made)) == (0, 1)
    assert len({job.sha256 for job in jobs}) == len(jobs)
    slower = replace(real, recipe=replace(real.recipe, rate=1e-4))
    assert slower.sha256 != real.sha256
    assert replace(real, out=asked.data).sha256 == real.sha256
    assert set(import_closure(runs.__name__)) >= {
        "busgen.downstream.data.pools",
        "busgen.training_loop",
    }


def test_quick_is_one_training_set_three_arms_one_seed(asked):
    jobs = plan(replace(asked, train=(), arms=(), seeds=None, quick=True)).jobs
    assert len(jobs) == 6
    assert {job.run.train for job in jobs} == {"bus_bra"}


def test_a_pooled_arm_stands_beside_a_generator_that_saw_more_than_its_arm(asked):
    usual = replace(asked, arms=())
    assert "pooled_augmented" in {job.run.arm for job in plan(usual).jobs}
    own = replace(usual, saw="own")
    assert "pooled_augmented" not in {job.run.arm for job in plan(own).jobs}


def test_whom_a_generator_saw_follows_from_its_plan():
    rules = {"engine": "phantom", "mask_engine": "curvature", "prior": {"name": "published"}}
    off = {"gates": {"mask_agreement": {"action": "off"}, "label_confidence": {"action": "off"}}}
    assert trained_on({}) == "unknown"
    assert trained_on(rules | off) == "none"
    assert trained_on(rules | {"gates": {"label_confidence": {"action": "reject"}}}) == "pooled"
    assert trained_on(rules | off | {"engine": "diffusion"}) == "pooled"
    assert trained_on(rules | off | {"prior": {"name": "pooled"}}) == "pooled"


def test_a_foreign_set_is_read_with_its_own_words(sets):
    generated = open_set(sets[1])
    crops = generated.load().crops
    assert list(crops.labels[:2]) == ["benign", "malignant"]
    assert crops.images.shape == (8, 256, 256)
    assert (generated.saw, generated.generator) == ("unknown", {})


def test_the_table_says_no_difference_where_the_interval_holds_zero():
    result = {"interval": [-0.1, 0.2], "primary": True}
    assert verdict(result) == NONE
    assert verdict(result | {"interval": [0.1, 0.2]}) == "better"
    assert verdict(result | {"interval": [-0.2, -0.1]}) == "worse"
    second = {"interval": [0.1, 0.2], "primary": False}
    assert verdict(second | {"p_holm": 0.04}) == "better"
    assert verdict(second | {"p_holm": 0.06}) == NONE


def test_gains_are_of_the_same_patients_and_controls_have_none():
    rng = np.random.default_rng(0)
    dice = rng.uniform(0.3, 0.9, 40)
    gains = {"real_augmented": 0.0, "real_synthetic_1": 0.05, "real": 0.0, "shuffled": -0.3}
    rows = [
        {"task": "segmentation", "train": "busi", "arm": arm, "seed": seed, "test": "busi",
         "sample_id": f"{k:02}", "patient": f"p{k // 2}", "dice": value + gain, "iou": value,
         "hd95_px": 3.0, "pixel_mm": None, "split": "test"}
        for arm, gain in gains.items() for seed in range(3) for k, value in enumerate(dice)
    ]  # fmt: skip
    found = {one["arm"]: one for one in compare(pd.DataFrame(rows), {"": "pooled"})}
    gain = found["real_synthetic_1"]["gain"]
    assert gain["interval"] == pytest.approx([0.05, 0.05])
    assert (gain["primary"], gain["verdict"]) == (True, "better")
    assert found["real"]["gain"]["verdict"] == NONE
    assert "gain" not in found["shuffled"]
    assert found["real_synthetic_1"]["metrics"]["dice"]["patients"] == 20


@pytest.mark.parametrize(("change", "rule"), [
    ({"train": ("mars",)}, "one of the real data sets"), ({"arms": ("all",)}, "must be known"),
    ({"tasks": ("detect",)}, "a task must be known"), ({"seeds": 0}, "1 or more"),
    ({"saw": "all"}, "must be known"), ({"workers": 0}, "1 or more"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused_before_anything_is_written(asked, change, rule):
    with pytest.raises(UserError, match=rule):
        plan(replace(asked, **change))
    assert not asked.out.exists()


def test_real_data_is_no_synthetic_set_and_a_set_needs_classes(asked, tmp_path):
    with pytest.raises(UserError, match="must be synthetic"):
        plan(replace(asked, data=asked.real))
    bare = write_made(tmp_path / "bare")
    (bare / "metadata.csv").unlink()
    with pytest.raises(UserError, match="column of classes"):
        plan(replace(asked, data=bare))
