"""Families in the factory: whole, of one seed and mask, the same whatever the shards."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from released_families import read_families

import busgen
from busgen import io, schema
from busgen.errors import DataError, FindingError, UnfilledError, UserError
from busgen.factory.library import run_shards
from busgen.factory.plan import Plan, resolve
from busgen.factory.rounds import MOST, run
from busgen.factory.shard import read_plan
from busgen.factory.verdicts import judge
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.params.load import Params
from busgen.params.release import ReleaseParams
from busgen.release.show import read_history, redraw
from busgen.release.verify import verify
from busgen.release.write import write_release
from busgen.schema import JUDGED

RULED = {"engine": "phantom", "mask_engine": "curvature"}  # fast, and nothing is learned
UNJUDGED = {name: Gate(action="off") for name in JUDGED}
MIXED = {"pathology": {"benign": 0.4, "malignant": 0.4, "normal": 0.2}}


def tiny(**changes) -> Plan:
    gates = {"gates": UNJUDGED | changes.pop("gates", {})}
    values = {"n": 7, "size_px": 64, "shard_size": 3, "vary": "posterior", "targets": MIXED}
    return resolve(GenerateParams(**RULED | values | gates | changes))


def rows_of(work: Path) -> list[dict]:
    return pq.read_table(work / "index.parquet").to_pylist()


def by_family(rows: list[dict]) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for row in rows:
        found[row["family_id"]].append(row)
    return found


def pictures(work: Path) -> dict[tuple[str, int], str]:
    return {(row["sample_id"], row["attempt"]): row["image_sha256"] for row in rows_of(work)}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("families é")
    run(tiny(), work, run_shards)
    return work


@pytest.fixture(scope="module")
def release(made, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "out"
    write_release(made, folder)
    return folder


def test_n_counts_findings_and_each_lesion_has_every_term(made):
    families = by_family(r for r in rows_of(made) if r["accepted"])
    assert len(families) == 7
    assert {rows[0]["pathology"] for rows in families.values()} == {"benign", "malignant", "normal"}
    for name, rows in families.items():
        terms = [row["posterior"] for row in rows]
        assert terms == ([None] if rows[0]["pathology"] == "normal" else list(schema.POSTERIORS))
        ids = [name if term is None else f"{name}-{term}" for term in terms]
        assert [row["sample_id"] for row in rows] == ids


def test_a_family_shares_seed_and_mask_and_no_image(made):
    masks = defaultdict(set)
    for path in sorted((made / "shards").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            masks[row["family_id"], row["attempt"]].add(row["mask"]["bytes"])
    assert all(len(found) == 1 for found in masks.values())
    for rows in by_family(r for r in rows_of(made) if r["accepted"]).values():
        assert len({row["seed"] for row in rows}) == 1
        assert len({row["image_sha256"] for row in rows}) == len(rows)


def test_findings_are_those_of_the_same_plan_without_families(made, tmp_path):
    run(tiny(vary=None), tmp_path, run_shards)
    first = [row for row in rows_of(made) if row["attempt"] == 0]
    families = by_family(first)
    for row in rows_of(tmp_path):
        if row["attempt"] == 0:
            (same,) = (r for r in families[row["sample_id"]] if r["posterior"] == row["posterior"])
            for name in ("seed", "text", "width_mm", "center_x", "image_sha256"):
                assert same[name] == row[name]


def test_a_family_does_not_depend_on_its_shard(made, tmp_path):
    run(tiny(shard_size=7), tmp_path, run_shards)
    assert pictures(tmp_path) == pictures(made)
    run(tiny(n=9), tmp_path / "longer", run_shards)
    longer = pictures(tmp_path / "longer")
    assert {key: longer[key] for key in pictures(made)} == pictures(made)


@pytest.fixture(scope="module")
def picky(tmp_path_factory) -> Path:
    """Return candidates of a gate that rejects some members."""
    work = tmp_path_factory.mktemp("picky")
    off = dict.fromkeys(("grey_sd", "saturated"), Gate(action="off"))
    one = off | {"contrast": Gate(min=12.0)}
    gates = {"gates": one, "max_attempts": 3, "max_unfilled": 1.0}
    run(tiny(vary="echo_pattern", targets={}, **gates), work, run_shards)
    return work


def test_a_family_is_accepted_or_tried_again_as_a_whole(picky):
    rows = rows_of(picky)
    assert {row["reason"] for row in rows} == {None, "contrast", "family"}
    attempts = defaultdict(list)
    for row in rows:
        attempts[row["family_id"], row["attempt"]].append(row)
    for (_, attempt), members in attempts.items():
        assert len(members) == len(schema.ECHO_PATTERNS)
        assert len({row["accepted"] for row in members}) == 1
        assert len({row["seed"] for row in members}) == 1
        if not members[0]["accepted"]:
            assert "contrast" in {row["reason"] for row in members}
        assert attempt < 3 * MOST
    for family, members in by_family(rows).items():
        tried = sorted({row["attempt"] for row in members})
        assert tried == list(range(len(tried)))
        ends = [attempts[family, attempt][0]["accepted"] for attempt in tried]
        assert not any(ends[:-1])
        assert ends[-1] or len(tried) >= 3


def test_gates_do_not_bend_the_terms_nor_which_findings_are_asked_for(picky, tmp_path):
    accepted = [row["echo_pattern"] for row in rows_of(picky) if row["accepted"]]
    families = len({row["family_id"] for row in rows_of(picky) if row["accepted"]})
    assert {term: accepted.count(term) for term in accepted} == dict.fromkeys(
        schema.ECHO_PATTERNS, families
    )
    run(tiny(vary="echo_pattern", targets={}), tmp_path, run_shards)
    request = [
        {r["text"] for r in rows_of(work) if r["attempt"] == 0} for work in (picky, tmp_path)
    ]
    assert request[0] == request[1]


def test_families_given_up_are_listed_once_and_counted_whole(picky, tmp_path):
    rows = rows_of(picky)
    given_up = set(by_family(rows)) - {row["family_id"] for row in rows if row["accepted"]}
    assert set(io.read_json(picky / "unfilled.json")["unfilled"]) == given_up
    gates = {"gates": {"grey_sd": Gate(min=1000.0)}, "max_attempts": 1}
    with pytest.raises(UnfilledError, match=r"of 2 findings .*got 2 .*accepted 0 of .*grey_sd"):
        run(tiny(n=2, targets={}, **gates), tmp_path / "none", run_shards)


def shard_of(hashes: list[int], families: str, passed: list[bool]) -> pa.Table:
    ids = [f"{family}{k}" for k, family in enumerate(families)]
    reasons = pa.array([None if ok else "contrast" for ok in passed], pa.string())
    return pa.table({"sample_id": ids, "family_id": list(families), "accepted": passed,
                     "image_dhash": pa.array(hashes, pa.int64()), "reason": reasons})  # fmt: skip


def test_members_of_a_family_do_not_repeat_each_other_but_families_do():
    found = judge(shard_of([5, 5, 5, 5], "aabb", [True] * 4), Gate(min=4.0), {})
    assert found.accepted.tolist() == [True, True, False, False]
    assert found.distance.tolist() == [64, 64, 0, 0]
    assert found.duplicate_of == [None, None, "a0", "a0"]
    assert found.families == (("a", True, True), ("b", False, True))


def test_one_member_that_fails_takes_its_family_with_it_and_leaves_no_hash():
    known = {"earlier": 0b1111 << 32}
    shard = shard_of([-1, 7 << 32, 0, -1], "aabc", [True, True, False, True])
    found = judge(shard, Gate(min=4.0), known)
    assert found.accepted.tolist() == [False, False, False, True]
    assert found.reason == ["family", "duplicate_distance", "contrast", None]
    assert list(known) == ["earlier", "c3"]


def test_a_gate_that_flags_rejects_no_family():
    known = {"earlier": 5}
    found = judge(shard_of([5, 6], "aa", [True, True]), Gate(action="flag", min=4.0), known)
    assert found.accepted.all()
    assert found.reason == [None, None]


def test_vary_decides_bytes_and_is_recorded(made, release):
    assert read_plan(made) == tiny()
    assert tiny(vary=None).shards_sha256 != tiny().shards_sha256 != tiny(vary="halo").shards_sha256
    assert io.read_json(release / "provenance.json")["plan"]["vary"] == "posterior"
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "7 families of\nsamples that share `family_id`, seed, mask" in card


def test_a_release_of_families_is_sound_and_each_member_is_made_again(release):
    assert verify(release) == []
    row = next(r for r in rows_of(release) if r["accepted"] and r["posterior"] == "shadowing")
    final = read_history(release, row["sample_id"])[-1]
    others = [f"{row['family_id']}-{t}" for t in ("combined", "enhancement", "none")]
    assert final["family"] == others
    found = redraw(release, row["sample_id"])
    assert found["same_image"]
    assert found["same_mask"]


def test_families_are_read_as_arrays(release):
    families = read_families(release)
    lesions = {r["family_id"] for r in rows_of(release) if r["pathology"] != "normal"}
    assert families.images.shape == (len(lesions), 4, 64, 64)
    assert (families.field, families.terms) == ("posterior", schema.POSTERIORS)
    assert set(np.unique(families.masks)) == {0, 1}
    assert len(read_families(release, most=2).images) == 2


def test_splits_keep_families_whole(made, tmp_path):
    write_release(made, tmp_path / "out", ReleaseParams(splits={"train": 0.5, "test": 0.5}))
    splits = defaultdict(set)
    for row in rows_of(tmp_path / "out"):
        if row["accepted"]:
            splits[row["family_id"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert set().union(*splits.values()) == {"train", "test"}


def test_the_library_call_makes_families_of_the_terms_asked_for():
    off = {name: Gate(action="off") for name in Params().generate.gates}
    params = Params(generate=GenerateParams(**RULED, size_px=64, gates=off))
    where = ("pathology=benign", "echo_pattern=anechoic|hypoechoic")
    made = busgen.generate(2, vary="echo_pattern", where=where, seed=3, params=params)
    assert made.table["sample_id"].to_pylist() == [
        f"3-000000{k}-{term}" for k in range(2) for term in ("anechoic", "hypoechoic")
    ]
    assert (made.masks[0] == made.masks[1]).all()
    alone = busgen.generate(2, where=where, seed=3, params=params)
    with pytest.raises(DataError, match="must have been made with --vary, got vary: None"):
        read_families(alone.folder)


@pytest.mark.parametrize("mask_engine", ["curvature", "semantic_curvature"])
def test_a_family_of_margins_has_a_mask_for_each(tmp_path, mask_engine):
    request = {"targets": {}, "where": ("pathology=malignant",), "mask_engine": mask_engine}
    run(tiny(n=2, vary="margin", **request), tmp_path, run_shards)
    for members in by_family(rows_of(tmp_path)).values():
        first = [row for row in members if row["attempt"] == 0]
        assert [row["margin"] for row in first] == [[term] for term in schema.MARGINS]
        assert len({row["mask_solidity"] for row in first}) > 1
        assert len({row["width_mm"] for row in first}) == 1
        assert len({row["seed"] for row in first}) == 1


def test_families_of_margins_are_read_with_the_mask_of_all(tmp_path):
    off = {name: Gate(action="off") for name in Params().generate.gates}
    params = Params(generate=GenerateParams(**RULED, size_px=64, gates=off))
    made = busgen.generate(2, vary="margin", where="pathology=benign", seed=3, params=params)
    found = read_families(made.folder)
    assert found.terms == schema.MARGINS
    own = made.masks.reshape(2, len(schema.MARGINS), 64, 64)
    assert np.array_equal(found.masks, own.max(axis=1))
    assert (own[:, 0] != own[:, -1]).any()


@pytest.mark.parametrize("field", ["shape", "pathology", "birads", "banana"])
def test_fields_that_change_the_mask_or_are_read_from_the_image_are_refused(field):
    with pytest.raises(UserError, match=rf"vary: must be null or one of tissue.*got '{field}'"):
        busgen.generate(1, vary=field)


def test_a_plan_that_leaves_nothing_to_vary_is_refused_before_anything_is_made():
    with pytest.raises(FindingError, match="leave posterior two terms to vary"):
        tiny(where=("posterior=none",), targets={})


@dataclass(frozen=True)
class Peeking:
    """A mask engine that draws by what varies."""

    name: str = "peeking"
    sha256: str = "0" * 64

    def draw(self, findings):
        """Return boxes, wide where there is a shadow."""
        masks = np.zeros((len(findings), 64, 64), np.uint8)
        for mask, finding in zip(masks, findings, strict=True):
            mask[20:40, 20 : 40 + 4 * (finding.posterior == "shadowing")] = 1
        return masks


def test_a_mask_engine_that_draws_by_what_varies_is_an_error(tmp_path, monkeypatch):
    for room in ("plan", "shard"):
        monkeypatch.setattr(f"busgen.factory.{room}.load_mask_engine", lambda *_: Peeking())
    plan = tiny(n=1, targets={}, mask_engine="peeking")
    with pytest.raises(DataError, match=r"a family must share its mask.*-enhancement and .*-shad"):
        run(plan, tmp_path, run_shards)
