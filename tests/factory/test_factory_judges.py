"""Judges in the factory: their scores in rows, verdicts by their gates, their hash in the plan."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from plans import changed

from busgen import io
from busgen.errors import DataError
from busgen.factory.library import run_shards
from busgen.factory.plan import Plan, resolve, to_record
from busgen.factory.rounds import plan_round, run
from busgen.factory.shard import read_plan, run_shard
from busgen.gates.judged_scores import judge_pairs
from busgen.judges.judges import load_judges
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.schema import JUDGED

RULED = {"engine": "phantom", "mask_engine": "curvature"}  # fast, and nothing is learned
MIXED = {"pathology": {"benign": 0.4, "malignant": 0.4, "normal": 0.2}}
ASKED = {name: Gate(action="flag", min=0.0) for name in JUDGED} | {"saturated": Gate(action="off")}


def plan_of(judges: Path, **changes) -> Plan:
    values = {"n": 12, "size_px": 64, "shard_size": 5, "targets": MIXED, "gates": ASKED}
    return resolve(
        GenerateParams(**{**RULED, **values, "judges": judges, "device": "cpu", **changes})
    )


def rows_of(work: Path) -> list[dict]:
    return pq.read_table(work / "index.parquet").to_pylist()


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_judges) -> Path:
    work = tmp_path_factory.mktemp("judged é")
    run(plan_of(tiny_judges), work, run_shards)
    return work


def test_lesions_are_judged_and_normals_are_not(made):
    rows = rows_of(made)
    assert {row["pathology"] for row in rows} == {"benign", "malignant", "normal"}
    for row in rows:
        request = [row[name] is not None for name in JUDGED]
        assert request == [row["pathology"] != "normal"] * len(JUDGED)


def test_scores_are_what_the_judges_say_of_each_pair_alone(made, tiny_judges):
    judges = load_judges(tiny_judges, "cpu")
    for path in sorted((made / "shards").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            if row["pathology"] != "normal":
                image, mask = (io.decode_png(row[name]["bytes"]) for name in ("image", "mask"))
                malignant = row["pathology"] == "malignant"
                result = judge_pairs(judges, image[None], mask[None] // 255, np.array([malignant]))
                assert [row[name] for name in JUDGED] == result[0].tolist()


def test_other_shards_give_the_same_scores(made, tiny_judges, tmp_path):
    run(plan_of(tiny_judges, shard_size=12), tmp_path, run_shards)
    assert rows_of(tmp_path) == rows_of(made)


@pytest.mark.parametrize("name", JUDGED)
def test_a_judges_gate_rejects_or_flags(tiny_judges, tmp_path, name):
    for action in ("reject", "flag"):
        gates = ASKED | {name: Gate(action=action, min=51.0)}
        judged = {"gates": gates, "max_unfilled": 1.0, "max_attempts": 1}
        run(plan_of(tiny_judges, **judged), tmp_path / action, run_shards)
    for rejected, flagged in zip(rows_of(tmp_path / "reject"), rows_of(tmp_path / "flag"),
                                 strict=True):  # fmt: skip
        lesion = rejected["pathology"] != "normal"
        assert rejected["accepted"] == (not lesion)
        assert rejected["reason"] == (name if lesion else None)
        assert (name in flagged["flags"]) == lesion
        assert flagged["accepted"]


def test_the_plan_holds_the_judges_hash_and_not_their_place(made, tiny_judges, tmp_path):
    plan = plan_of(tiny_judges)
    assert plan.resolution.judges_sha256 == load_judges(tiny_judges, "cpu").sha256
    assert str(tiny_judges) not in io.dumps(to_record(plan))
    assert to_record(read_plan(made)) == to_record(plan)
    assert plan.sha256 == read_plan(made).sha256
    moved = shutil.copytree(tiny_judges, tmp_path / "moved")
    assert plan_of(moved).sha256 == plan.sha256
    unjudged = plan_of(tiny_judges, gates={name: Gate(action="off") for name in JUDGED})
    assert unjudged.resolution.judges_sha256 is None
    assert changed(plan, judges_sha256="b" * 64).shards_sha256 != plan.shards_sha256


def test_with_both_gates_off_no_judges_are_asked(tmp_path):
    off = {name: Gate(action="off") for name in JUDGED}
    run(plan_of(tmp_path / "none", gates=off), tmp_path, run_shards)
    assert all(row[name] is None for row in rows_of(tmp_path) for name in JUDGED)


def test_other_judges_than_the_plans_are_refused(tiny_judges, tmp_path):
    plan = changed(plan_of(tiny_judges), judges_sha256="b" * 64)
    io.write_text(tmp_path / "plan.json", io.dumps(to_record(plan)))
    (spec, *_) = plan_round(plan, tmp_path, 0, range(2))
    with pytest.raises(DataError, match="the judges must be the plan's"):
        run_shard(spec)


def test_judges_that_cannot_be_read_are_refused_before_anything_is_made(tmp_path):
    with pytest.raises(DataError, match=r"judges\.json"):
        plan_of(tmp_path)
