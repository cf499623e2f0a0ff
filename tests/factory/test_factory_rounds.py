"""The generation loop: same bytes whatever the shards, kills and faults; verdicts by rule."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plans import changed

from busgen import io
from busgen.errors import UnfilledError
from busgen.factory import rounds
from busgen.factory.library import run_shards
from busgen.factory.plan import (
    UNKNOWN,
    Plan,
    find_runs,
    from_record,
    list_sources,
    resolve,
    to_record,
)
from busgen.factory.rounds import plan_round
from busgen.factory.sample_row import to_row
from busgen.factory.shard import find_attempts, is_done, read_plan, run_shard
from busgen.factory.verdicts import judge
from busgen.masks.engines import load_mask_engine
from busgen.params.gates import DEFAULT_GATES, Gate
from busgen.params.generate import GenerateParams
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.priors.request import parse_request
from busgen.schema import JUDGED
from busgen.similarity.known_images import REAL, RELEASE, save_known
from busgen.similarity.registration import SIDE

RULED = {"engine": "phantom", "mask_engine": "curvature"}  # fast, and nothing is learned
OFF = {name: Gate(action="off") for name in DEFAULT_GATES}
UNJUDGED = {name: Gate(action="off") for name in JUDGED}


def tiny(**changes) -> Plan:
    gates = {"gates": UNJUDGED | changes.pop("gates", {})}
    return resolve(
        GenerateParams(**RULED | {"n": 12, "size_px": 64, "shard_size": 5, **gates, **changes})
    )


def hashes(work: Path) -> dict[str, str]:
    return {p.name: io.sha256_file(p) for p in sorted(work.rglob("*.parquet"))}


def images(work: Path) -> dict[tuple[str, int], str]:
    rows = pq.read_table(work / "index.parquet").to_pylist()
    return {(row["sample_id"], row["attempt"]): row["image_sha256"] for row in rows}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("made")
    rounds.run(tiny(), work, run_shards)
    return work


def test_every_finding_is_asked_for_once_and_every_attempt_kept(made):
    rows = pq.read_table(made / "index.parquet").to_pylist()
    assert len({row["sample_id"] for row in rows}) == 12
    assert all((row["reason"] is None) == row["accepted"] for row in rows)
    for row in rows:
        later = [r for r in rows if r["sample_id"] == row["sample_id"]]
        assert sum(r["accepted"] for r in later) <= 1
        assert [r["attempt"] for r in later] == list(range(len(later)))


def test_a_sample_does_not_depend_on_its_shard(made, tmp_path):
    rounds.run(tiny(shard_size=12), tmp_path, run_shards)
    assert images(tmp_path) == images(made)


def test_a_longer_run_begins_with_the_shorter(made, tmp_path):
    rounds.run(tiny(n=14), tmp_path, run_shards)
    longer = images(tmp_path)
    assert {key: longer[key] for key in images(made)} == images(made)


def test_the_plan_survives_its_file(made):
    assert read_plan(made) == tiny()


def test_the_plan_tells_the_kinds_of_known_images_and_no_hash_depends_on_them(tmp_path):
    file = tmp_path / "known.safetensors"
    save_known(np.zeros((1, SIDE, SIDE), np.uint8), file)
    data = tmp_path / "release" / "data"
    data.mkdir(parents=True)
    pixels = io.encode_png(np.zeros((64, 64), np.uint8))
    pq.write_table(pa.table({"image": [{"bytes": pixels}]}), data / "x.parquet")
    plan = tiny(known=(file, data.parent))
    assert plan.resolution.known_kinds == (REAL, RELEASE)
    assert tiny(known=(file,)).resolution.known_kinds == (REAL,)
    assert tiny().resolution.known_kinds == ()
    assert str(tmp_path) not in io.dumps(to_record(plan))
    assert from_record(to_record(plan)) == changed(plan, known=())
    untold = changed(plan, known_kinds=())
    assert (untold.sha256, untold.shards_sha256) == (plan.sha256, plan.shards_sha256)


@pytest.mark.parametrize("harm", ["truncate", "flip", "manifest", "gone", "no_json"])
def test_a_harmed_shard_is_made_again_and_no_other(made, tmp_path, harm):
    plan = tiny()
    rounds.run(plan, tmp_path, run_shards)
    shard = tmp_path / "shards" / "round-00-shard-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    match harm:
        case "truncate":
            shard.write_bytes(data[:100])
        case "flip":
            shard.write_bytes(data)
        case "manifest":
            manifest = io.read_json(shard.with_suffix(".json")) | {"plan_sha256": "other"}
            io.write_text(shard.with_suffix(".json"), io.dumps(manifest))
        case "gone":
            shard.unlink()
        case "no_json":
            shard.with_suffix(".json").write_text("{")
    made_again = []

    def counted(specs):
        made_again.extend(spec.path.name for spec in specs)
        return run_shards(specs)

    rounds.run(plan, tmp_path, counted)
    assert made_again == [shard.name]
    assert hashes(tmp_path) == hashes(made)


PROGRAM = """
import os, sys
from pathlib import Path
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.factory.rounds import run
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.schema import JUDGED
gates = {name: Gate(action="off") for name in JUDGED}
ruled = {"engine": "phantom", "mask_engine": "curvature"}
plan = resolve(GenerateParams(n=12, size_px=64, shard_size=5, gates=gates, **ruled))
"""
ONCE = PROGRAM + "run(plan, Path(sys.argv[1]), run_shards)"
FORKS = (
    PROGRAM
    + """
for _ in sys.stdin:  # a child a line: what it needs is imported, none of it at work
    child = os.fork()
    if not child:
        run(plan, Path(sys.argv[1]), run_shards)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
)


@contextmanager
def forking(work: Path) -> "Iterator[subprocess.Popen[str]]":
    """Yield a process that starts a run in a child of its own for each line that it is given."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    run = subprocess.Popen([sys.executable, "-c", FORKS, str(work)], **pipes)
    yield run
    run.communicate()


def test_killed_at_random_moments_it_ends_with_the_same_bytes(made, tmp_path):
    rng = np.random.default_rng(3)
    kills = 0
    with forking(tmp_path) as run:
        for _ in range(15):
            before = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("shards/*.json")}
            run.stdin.write("\n")
            run.stdin.flush()
            child = int(run.stdout.readline())
            time.sleep(float(rng.uniform(0, 0.6)))
            with suppress(ProcessLookupError):  # it has ended
                os.kill(child, signal.SIGKILL)
            kills += os.waitstatus_to_exitcode(int(run.stdout.readline())) == -signal.SIGKILL
            after = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("shards/*.json")}
            assert before.items() <= after.items(), "a finished shard was made again"
            if (tmp_path / "index.parquet").exists():
                break
    assert kills
    rounds.run(tiny(), tmp_path, run_shards)
    assert hashes(tmp_path) == hashes(made)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_full_disk_is_an_error_and_leaves_no_half_shard(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
    quiet = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    run = subprocess.run([sys.executable, "-c", limit + quiet + ONCE, str(tmp_path)],
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert "StorageError" in run.stderr
    assert "must be writable and have room" in run.stderr
    assert not list(tmp_path.rglob("*.parquet"))
    assert not list(tmp_path.rglob("*.partial"))


def test_findings_that_cannot_be_filled_name_stratum_and_gate(tmp_path):
    plan = tiny(n=3, max_attempts=2, gates={"grey_sd": Gate(min=1000.0)})
    with pytest.raises(UnfilledError, match=r"got 3 .*accepted 0 of .*grey_sd"):
        rounds.run(plan, tmp_path, run_shards)
    assert not (tmp_path / "index.parquet").exists()


def test_a_plan_names_the_datasets_that_taught_each_part(tmp_path):
    every = ("breast", "bus_bra", "busi")
    found = tiny(mask_engine="semantic_curvature").resolution.learned_from
    assert found["prior"] == found["masks"] == found["gates"] == every
    assert not {"images", "masks"} & set(tiny().resolution.learned_from)
    learned = list_sources(GenerateParams(model=str(tmp_path)), load_prior().record, judged=True)
    assert learned["images"] == (UNKNOWN,)
    assert learned["judges"] == every


def test_a_plan_tells_where_images_are_resampled():
    asked = {"engine": "diffusion", "gates": UNJUDGED}
    other = resolve(GenerateParams(size_px=512, **asked))
    assert other.resolution.drawn_px == 256
    assert from_record(to_record(other)) == other
    assert resolve(GenerateParams(size_px=256, **asked)).resolution.drawn_px is None
    assert tiny().resolution.drawn_px is None  # the phantom draws any


def test_counts_are_exact_whatever_the_shards(tmp_path):
    counts = {"pathology.malignant": 5, "pathology.benign,shape.oval": 4}
    drawn = []
    for size in (5, 12):
        work = tmp_path / str(size)
        rounds.run(tiny(counts=counts, shard_size=size, gates=OFF), work, run_shards)
        rows = pq.read_table(work / "index.parquet").to_pylist()
        drawn.append([(row["sample_id"], row["image_sha256"]) for row in rows])
        kinds = [(row["pathology"], row["shape"]) for row in rows]
        assert sum(kind[0] == "malignant" for kind in kinds) == 5
        assert kinds.count(("benign", "oval")) == 4
    assert drawn[0] == drawn[1]
    longer = tiny(counts=counts, n=14)
    assert longer.shards_sha256 != tiny(counts=counts).shards_sha256


def test_easy_findings_leave_their_attempts_to_hard_ones(tmp_path):
    plan = tiny(n=12, max_attempts=2, max_unfilled=1.0, gates={"grey_sd": Gate(min=34.0)})
    rounds.run(plan, tmp_path, run_shards)
    attempts = pq.read_table(tmp_path / "index.parquet")["attempt"].to_pylist()
    assert 2 < max(attempts) + 1 <= rounds.MOST * 2
    assert len(attempts) <= 24


def test_one_of_several_may_stay_unfilled_unless_none_may():
    assert [rounds._allowed(tiny(n=n).request) for n in (1, 2, 40, 600)] == [0, 1, 1, 6]
    assert rounds._allowed(tiny(n=40, max_unfilled=0.0).request) == 0


def test_a_retry_keeps_the_finding_and_changes_the_seed(tmp_path):
    plan = tiny(n=2, max_attempts=3, max_unfilled=1.0, gates={"grey_sd": Gate(min=1000.0)})
    rounds.run(plan, tmp_path, run_shards)
    rows = pq.read_table(tmp_path / "index.parquet").to_pylist()
    first = [row for row in rows if row["sample_id"] == rows[0]["sample_id"]]
    assert [row["attempt"] for row in first] == [0, 1, 2]
    assert len({row["seed"] for row in first}) == 3
    assert len({row["image_sha256"] for row in first}) == 3
    assert len({(row["text"], row["width_mm"], row["center_x"]) for row in first}) == 1


def shard_of(hashes_: list[int], passed: list[bool]) -> pa.Table:
    ids = [f"s{k}" for k in range(len(hashes_))]
    reasons = pa.array([None if ok else "contrast" for ok in passed], pa.string())
    return pa.table({"sample_id": ids, "family_id": ids, "accepted": passed, "reason": reasons,
                     "image_dhash": pa.array(hashes_, pa.int64())})  # fmt: skip


def test_of_two_equal_images_the_earlier_accepted_is_kept():
    known = {"earlier": 0b1111 << 32}
    shard = shard_of([0b1110 << 32, -1, -1, -2, 0], [True, False, True, True, True])
    found = judge(shard, Gate(min=4.0), known)
    assert found.accepted.tolist() == [False, False, True, False, True]
    assert found.distance.tolist() == [1, 60, 60, 1, 4]
    assert found.duplicate_of == ["earlier", "earlier", "earlier", "s2", "earlier"]
    assert found.reason == ["duplicate_distance", "contrast", None, "duplicate_distance", None]
    assert list(known) == ["earlier", "s2", "s4"]


def test_a_duplicate_gate_that_flags_rejects_nothing():
    found = judge(shard_of([5, 5], [True, True]), Gate(action="flag", min=4.0), {})
    assert found.accepted.all()
    assert found.distance.tolist() == [64, 0]


def test_rounds_are_cut_into_shards_of_the_size_asked_for():
    plan = tiny(shard_size=2)
    whole = plan_round(plan, Path("w"), 0, range(12))
    assert [spec.samples for spec in whole] == [(k, k + 1) for k in range(0, 12, 2)]
    specs = plan_round(plan, Path("w"), 1, [2, 3, 7], repeats=[1, 4, 9])
    assert [spec.samples for spec in specs] == [(2, 3), (7,), (1, 4), (9,)]
    assert [spec.alone for spec in specs] == [3, 3, 0, 0]
    assert specs[1].path == Path("w/shards/round-01-shard-00003.parquet")
    assert specs[3].path == Path("w/shards/round-01-repeats-00001.parquet")


HARD = {"grey_sd": Gate(min=31.0), "duplicate_distance": Gate(min=29.0)}  # each rejects some


def test_a_shard_tries_again_alone_and_repeats_are_tried_of_the_whole_set(tmp_path):
    plan = tiny(gates=HARD, max_unfilled=1.0, max_attempts=3)
    rounds.run(plan, tmp_path / "all", run_shards)
    every = hashes(tmp_path / "all" / "shards")
    io.write_text(tmp_path / "alone" / "plan.json", io.dumps(to_record(plan)))
    for spec in plan_round(plan, tmp_path / "alone", 0, range(12)):
        run_shard(spec)
        assert find_attempts(spec)[1] is None
    alone = hashes(tmp_path / "alone" / "shards")
    assert {name[:8] for name in alone} == {"round-00", "round-01", "round-02"}
    assert alone.items() <= every.items()  # nothing that a shard makes alone is in vain
    later = {name for name in every if name[:8] <= "round-02"} - {*alone}
    assert later
    assert all("repeats" in name for name in later)


def test_a_shard_killed_between_its_attempts_goes_on(tmp_path):
    plan = tiny(gates=HARD, max_unfilled=1.0, max_attempts=3)
    io.write_text(tmp_path / "plan.json", io.dumps(to_record(plan)))
    spec = plan_round(plan, tmp_path, 0, range(12))[0]
    run_shard(spec)
    whole = hashes(tmp_path)
    second = spec.path.with_name("round-01-shard-00000.parquet")
    second.with_suffix(".json").unlink()
    pending = find_attempts(spec)[1]
    assert (pending.path, pending.alone) == (second, 1)
    run_shard(pending)
    assert hashes(tmp_path) == whole
    assert find_attempts(spec)[1] is None


def test_runs_of_consecutive_samples():
    assert list(find_runs((0, 1, 2, 7, 9, 10))) == [(0, 3), (7, 1), (9, 2)]


def test_a_shard_is_done_only_when_its_manifest_says_so(tmp_path):
    plan = tiny(n=2, gates=OFF)
    rounds.run(plan, tmp_path, run_shards)
    (spec,) = plan_round(plan, tmp_path, 0, range(2))
    assert is_done(spec)
    assert not is_done(replace(spec, samples=(0, 2)))
    manifest = run_shard(spec)
    assert manifest["sha256"] == io.sha256_file(spec.path)
    spec.path.with_suffix(".json").unlink()
    assert not is_done(spec)


def test_more_attempts_or_findings_go_on_from_the_shards_that_stand(tmp_path):
    plan = tiny(n=4, shard_size=2)
    more = tiny(n=6, shard_size=2, max_attempts=9, max_unfilled=0.5)
    assert plan.shards_sha256 == more.shards_sha256
    assert plan.sha256 != more.sha256
    rounds.run(plan, tmp_path, run_shards)
    first = hashes(tmp_path / "shards")
    rounds.run(more, tmp_path, run_shards)
    assert first.items() <= hashes(tmp_path / "shards").items()
    rounds.run(plan, tmp_path, run_shards)
    assert hashes(tmp_path / "shards") == first


def test_what_real_images_taught_flags_the_phantom_unless_it_is_to_reject():
    plan = tiny(gates={"orientation_check": Gate(min=0.0)})  # `out_of_domain` is not said
    actions = {name: gate.action for name, gate in plan.request.gates.items()}
    assert actions["overlay"] == actions["anomaly"] == actions["intensity"] == "flag"
    assert actions["orientation_check"] == actions["contrast"] == "reject"


def test_a_scanner_that_taught_no_gate_is_flagged_by_what_images_of_others_taught():
    request = parse_request(("pathology=benign",), None, {})
    drawn = draw(load_prior(None), 1, 7, request=request, size_px=256)[0]
    mask = load_mask_engine("curvature", 256).draw([drawn])[0]
    image = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
    gates = OFF | {"anomaly": DEFAULT_GATES["anomaly"]}
    rows = [
        to_row(replace(drawn, scanner=scanner), mask, image, {}, gates=gates, attempt=0)
        for scanner in ("linear_10mhz", "curved_5mhz")
    ]
    assert [row["reason"] for row in rows] == ["anomaly", None]
    assert [row["flags"] for row in rows] == [[], ["anomaly"]]


def test_gates_are_asked_in_the_order_of_the_schema(tmp_path):
    gates = {"mask_error": Gate(max=-1.0), "contrast": Gate(min=1000.0)}
    rounds.run(tiny(n=2, gates=gates, max_attempts=1, max_unfilled=1.0), tmp_path, run_shards)
    assert set(pq.read_table(tmp_path / "index.parquet")["reason"].to_pylist()) == {"mask_error"}
