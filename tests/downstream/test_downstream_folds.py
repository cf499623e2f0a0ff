"""Cross-validation: every patient is tested once, and by no model that learned from them."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_sets import cases, make_image_set, write_real

from busgen.downstream import runs
from busgen.downstream.data.real_images import add_folds, assign_folds, save_examples
from busgen.downstream.library import PREDICTIONS, run
from busgen.downstream.plan import plan
from busgen.errors import UserError
from busgen.real.cohort import load_cohort


@pytest.fixture(scope="module")
def breast(tmp_path_factory):
    """Return a folder of real data with the data set that is cross-validated."""
    return write_real(tmp_path_factory.mktemp("breast") / "real", ("breast", "busi"))


@pytest.fixture
def folded(asked, breast):
    """Return what is asked for: three folds."""
    return replace(asked, real=breast, train=("breast",), folds=3)


def test_folds_keep_patients_whole_and_deal_classes_out():
    own = cases(20)
    twice = replace(own.crops, groups=np.repeat(own.crops.groups[::2], 2))
    of = assign_folds(make_image_set(replace(own, crops=twice)), 5)
    assert (of[::2] == of[1::2]).all()
    assert np.bincount(of).tolist() == [4] * 5
    plain = assign_folds(make_image_set(own), 5)
    assert np.bincount(plain[own.crops.is_malignant]).tolist() == [2] * 5
    assert (plain == assign_folds(make_image_set(own.pick(np.arange(20)[::-1])), 5)[::-1]).all()


def test_unseen_patients_of_a_fold_are_validation_and_test_ones():
    parts = {"train": cases(9, 1), "validation": cases(6, 2), "test": cases(6, 3)}
    found = {
        name: one.load()
        for name, one in add_folds({k: make_image_set(own) for k, own in parts.items()}, 3).items()
    }
    held_out = {*parts["validation"].ids, *parts["test"].ids}
    assert set(found["validation and test"].ids) == held_out
    for k in range(3):
        assert set(found[f"fold {k} unseen"].ids) == set(found[f"fold {k}"].ids) & held_out
    assert sum(len(found[f"fold {k}"]) for k in range(3)) == 21


def test_no_run_learns_from_or_chooses_by_whom_it_tests(folded):
    generated = plan(
        replace(folded, arms=("real_augmented", "real_synthetic_1", "pooled_augmented"))
    )
    groups = {
        one.fingerprint: set(one.groups) for own in generated.real.values() for one in own.values()
    }
    for job in generated.jobs:
        tested = set().union(*(groups[print_] for _, print_ in job.tests))
        taught = set().union(*(groups[print_] for print_ in job.real))
        assert not tested & (taught | groups[job.validation])
        assert not taught & groups[job.validation]
        assert ("busi" in dict(job.tests)) == (job.run.fold == 0)


def test_arms_with_made_images_are_tested_on_patients_that_no_fit_saw(folded):
    record, ran = run(plan(folded), lambda _: None, lambda _: None)
    assert ran == 2 * 2 * 3  # tasks, arms, folds
    table = pq.read_table(folded.out / PREDICTIONS).to_pandas()
    own = table[(table["test"] == "breast") & (table["task"] == "segmentation")]
    split = {
        row["sample_id"]: row["split"] for row in load_cohort(folded.real / "cohort").to_pylist()
    }
    assert (own["split"] == own["sample_id"].map(split)).all()
    base, generated = (own[own["arm"] == arm] for arm in ("real_augmented", "real_synthetic_1"))
    assert sorted(base["sample_id"]) == sorted(k for k in split if k.startswith("breast"))
    assert set(generated["split"]) == {"validation", "test"}
    found = {(one["task"], one["test"], one["arm"]): one for one in record["results"]}
    one = found["segmentation", "breast", "real_synthetic_1"]
    assert (one["metrics"]["dice"]["n"], one["gain"]["primary"]) == (8, True)
    same = base[base["sample_id"].isin(generated["sample_id"])]["dice"].mean()
    assert one["gain"]["base"] == pytest.approx(same)
    assert one["gain"]["value"] == pytest.approx(generated["dice"].mean() - same)
    strict = [rows[rows["split"] == "test"]["dice"].mean() for rows in (generated, base)]
    assert one["gain"]["strict"]["value"] == pytest.approx(strict[0] - strict[1])
    assert found["segmentation", "breast", "real_augmented"]["metrics"]["dice"]["n"] == 14


def test_a_generator_that_saw_nobody_is_tested_on_all(folded):
    jobs = plan(replace(folded, saw="none")).jobs
    assert len({job.tests for job in jobs if job.run.task == "segmentation"}) == 3


def test_a_patient_in_two_data_sets_teaches_no_model_that_is_tested_on_them(asked, tmp_path):
    job = next(job for job in plan(asked).jobs if job.run.arm == "real_augmented")
    own, other = cases(6, 1), cases(4, 1)
    save_examples(own, runs.work_folder(tmp_path, "own"))
    shared = replace(job, real=("own",), out=tmp_path)
    assert set(runs._learn(shared, [other.crops]).groups) == {"p1-4", "p1-5"}


@pytest.mark.parametrize("folds", [0, 2])
def test_too_few_folds_are_refused(folded, folds):
    with pytest.raises(UserError, match="folds must be 1"):
        plan(replace(folded, folds=folds))


def test_one_fold_is_the_split(folded):
    jobs = plan(replace(folded, folds=1)).jobs
    assert {job.run.fold for job in jobs} == {None}
