"""The pipeline as users run it: a fresh clone, DVC, one Prefect server; slow, once a session."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from checkout import (
    NEEDED,
    PIPELINE,
    SERVER,
    busgen,
    call,
    change,
    environment,
    one_server,
    run,
    small_clone,
    stages_run,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PIPELINE, reason=NEEDED)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """Return a small clone, one run done."""
    folder = small_clone(tmp_path_factory.mktemp("pipeline") / "a clone ü")
    phrases = run(folder)
    assert stages_run(phrases) == ["generate", "quality", "release", "report"]
    assert "leaked" not in phrases
    assert "Traceback" not in phrases
    for words in ("60 images", "60 of", "dataset", "index.html", "NOT FOR CLINICAL USE"):
        assert words in phrases
    for chatter in ("exec python", "lock file", "git add", "dvc push", "autostage"):
        assert chatter not in phrases
    return folder


@pytest.fixture(scope="module", autouse=True)
def _server(clone, tmp_path_factory):
    with one_server(tmp_path_factory.mktemp("server")):
        yield


def test_the_run_left_artifacts_and_no_failure_with_the_server(clone):
    with sqlite3.connect(clone / ".prefect/prefect.db") as database:
        keys = {key for (key,) in database.execute("select key from artifact")}
        states = {state for (state,) in database.execute("select state_type from flow_run")}
        tasks = database.execute("select count(*) from task_run").fetchone()[0]
    assert {"acceptance", "plan", "quality"} <= keys
    assert states == {"COMPLETED"}
    assert tasks >= 4  # 60 findings in shards of 16


def test_nothing_changed_nothing_runs(clone):
    phrases = run(clone)
    assert stages_run(phrases) == []
    assert "nothing has changed" in phrases
    assert "made     60 images with masks and findings" in phrases


def test_the_release_is_sound_and_the_flow_made_the_plain_loops_bytes(clone, tmp_path):
    assert "sound" in busgen(clone, "verify", "data/release")
    out = tmp_path / "plain"
    busgen(clone, "generate", "--params", "params.yaml", "--out", out)
    assert sums(out) == sums(clone / "data/release")
    card = (clone / "data/release/README.md").read_text(encoding="utf-8")
    assert "Verdict: **failing**" in card
    assert "| ks_texture.pooled |" in card
    assert "Not measured when this was written" in (out / "README.md").read_text(encoding="utf-8")


def sums(release: Path) -> dict[str, str]:
    """Return the hash of each file of a release but the card, which tells what was measured."""
    lines = (release / "sha256sums.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("  ") for line in lines if line[:1] != "#")
    return {name: digest for digest, _, name in pairs if name != "README.md"}


def test_work_is_gone_and_git_is_clean_but_for_dvcs_files(clone):
    assert not list((clone / "data/work").glob("[0-9a-f]*"))
    changed = call(clone, "git", "status", "--porcelain", "--untracked-files=all").split("\n")
    assert {line[3:] for line in changed if line} <= {"dvc.lock", "data/quality/metrics.json"}


def test_a_release_that_a_limit_refuses_ends_the_run_and_leaves_its_scores_to_read(clone):
    change(clone, "quality", limits={"ks_texture.pooled": {"action": "refuse", "max": 0.01}})
    phrases = run(clone, code=2)
    assert re.search(
        r"must keep its limits \(quality\.limits\), got ks_texture\.pooled 0\.\d", phrases
    )
    assert "see data/refused/scores.json" in phrases
    assert (clone / "data/refused/scores.json").exists()
    assert not (clone / "data/quality/scores.json").exists()
    assert "only an up-to-date pipeline" in busgen(clone, "tag", "v0", code=2)
    change(clone, "quality", limits={"ks_texture.pooled": {"action": "mark", "max": 0.01}})
    phrases = run(clone)
    assert stages_run(phrases) == ["quality", "release", "report"]
    assert re.search(r"verdict  fails \d+ of its \d+ limits", phrases)
    assert not (clone / "data/refused").exists()


def test_versions_diff_plots_push_and_pull(clone, tmp_path):
    call(clone, "dvc", "remote", "add", "-d", "here", tmp_path / "remote")
    call(clone, "git", "commit", "-qam", "A remote of our own")
    (clone / "notes.txt").write_text("for later")
    call(clone, "git", "add", "notes.txt")
    assert "--failing" in busgen(clone, "tag", "v1", code=2)  # a phantom's texture is not real
    assert "tagged   v1" in busgen(clone, "tag", "v1", "--failing")
    assert call(clone, "git", "status", "--porcelain") == "A  notes.txt\n"
    assert "must be new" in busgen(clone, "tag", "v1", code=2)
    assert "one that git takes" in busgen(clone, "tag", "v*", code=2)
    change(clone, "generate", seed=8)
    assert "only an up-to-date pipeline" in busgen(clone, "tag", "v2", code=2)
    assert stages_run(run(clone)) == ["generate", "quality", "release", "report"]
    busgen(clone, "tag", "v2", "--failing")
    call(clone, "git", "tag", "0.2.0")
    call(clone, "git", "tag", "--annotate", "0.2.1", "--message", "Code 0.2.1")
    listed = json.loads(busgen(clone, "versions", "--json"))
    assert [row["version"] for row in listed] == ["v1", "v2"]
    for row in listed:
        assert (row["accepted"], row["verdict"], row["downstream"]) == (60, "failing", {})
        limits = row["limits"]
        assert (limits["ks_texture.pooled"], limits["kid_us64"]) == ("fails", "not measured")
        assert row["generator"]["engine"] == "phantom"
        assert row["seconds"]["generate"] > 0
    compared = json.loads(busgen(clone, "diff", "v1", "v2", "--json"))
    assert seeds(compared) == [7, 8]
    assert compared["identical_images"] == 0
    assert {"ks_grey.pooled", "ks_geometry.benign"} <= {c["score"] for c in compared["changes"]}
    compared = busgen(clone / "data", "diff", "v1", "release", "--json")
    assert seeds(json.loads(compared)) == [7, 8]
    assert not list((clone / "data/work").glob("release-*"))
    result = call(clone, "dvc", "metrics", "diff", "v1", "v2", "--json")
    metrics, _ = json.JSONDecoder().raw_decode(result)  # then that nothing was compared downstream
    assert "data/quality/metrics.json" in metrics
    plots = call(clone, "dvc", "plots", "diff", "v1", "v2", "-o", tmp_path / "plots")
    assert "index.html" in plots
    check_push_and_pull(clone, tmp_path / "other")


def check_push_and_pull(clone: Path, other: Path) -> None:
    """Check that a version can be pulled elsewhere, and is not what the clone has now."""
    call(clone, "dvc", "push", "-q", "--all-tags")
    call(clone, "git", "clone", "-q", "-b", "v1", clone, other)
    call(other, "dvc", "pull", "-q", "release")
    assert "sound" in busgen(other, "verify", "data/release")
    assert pixels(other) != pixels(clone)


def seeds(compared: dict) -> list[int]:
    (found,) = (pair for key, pair in compared["provenance"].items() if key.endswith(".seed"))
    return found


def pixels(folder: Path) -> str:
    lines = (folder / "data/release/sha256sums.txt").read_text().split("\n")
    return next(line for line in lines if "train-00000" in line)


def test_a_version_of_code_that_is_not_committed_is_refused(clone):
    code = clone / "busgen/scratch.py"
    code.write_text("")
    phrases = busgen(clone, "tag", "v3", code=2)
    code.unlink()
    assert "busgen/scratch.py" in phrases
    assert "must be committed" in phrases


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ("report", {"gallery": 2}, ["report"]),
        ("release", {"title": "Another"}, ["release", "report"]),
    ],
)  # of `quality` and `generate` other tests tell
def test_a_changed_parameter_reruns_just_what_depends_on_it(clone, section, values, expected):
    change(clone, section, **values)
    assert stages_run(run(clone)) == expected


def processes_in(folder: Path) -> dict[str, int]:
    """Return the command lines of the processes that work in `folder`, with their numbers."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                words = (process / "cmdline").read_text().replace("\0", " ")
                found[words] = int(process.name)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_run_takes_its_children_along_goes_on_and_ends_with_the_same_bytes(
    clone, tmp_path, monkeypatch
):
    change(clone, "generate", seed=9, n=64)
    url = SERVER["PREFECT_API_URL"]
    monkeypatch.delitem(SERVER, "PREFECT_API_URL")
    first = subprocess.Popen([sys.executable, "-m", "busgen", "run"], cwd=clone,
                           env=environment(clone) | {"SHELL": "/bin/sh"},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    for _ in range(600):
        done = {p: p.stat().st_mtime_ns for p in clone.glob("data/work/*/shards/*.json")}
        if done:
            break
        time.sleep(0.1)
    names = " ".join(processes_in(clone))
    first.kill()  # it alone
    first.wait()
    for _ in range(100):
        if not processes_in(clone):
            break
        time.sleep(0.1)
    assert all(name in names for name in ("busgen run", "dvc repro", "flows.generate", "prefect"))
    assert not processes_in(clone)
    wait = "from busgen import pipeline; print(pipeline.is_done('generate'))"
    assert call(clone, sys.executable, "-c", wait) == "False\n"  # as soon as the locks are gone
    call(clone, "dvc", "repro", "generate")  # no server: Prefect starts one for the process
    assert done
    assert all(path.stat().st_mtime_ns == generated for path, generated in done.items())
    assert len(list(clone.glob("data/work/*/shards/*.json"))) > len(done)
    monkeypatch.setitem(SERVER, "PREFECT_API_URL", url)
    run(clone)
    busgen(clone, "generate", "--params", "params.yaml", "--out", tmp_path / "plain")
    assert sums(tmp_path / "plain") == sums(clone / "data/release")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_run_whose_own_server_is_killed_ends_at_once_with_one_message(clone, monkeypatch):
    change(clone, "generate", seed=11, n=800)
    monkeypatch.delitem(SERVER, "PREFECT_API_URL")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "busgen", "run"]
    run = subprocess.Popen(command, cwd=clone, env=environment(clone), **pipes)
    number = None
    for _ in range(1200):
        working = processes_in(clone)
        number = next((n for words, n in working.items() if "prefect server start" in words), None)
        if number and any("flows.generate" in words for words in working):
            break
        time.sleep(0.1)
    time.sleep(3)  # amid the flow's start, or its shards
    start = time.monotonic()
    os.kill(number, signal.SIGKILL)
    _, said = run.communicate()
    assert time.monotonic() - start < 10
    assert run.returncode == 1
    assert said.count("error:") == 1
    assert "the Prefect server of this run has ended before its time (code -9)" in said
    assert "Traceback" not in said
    for _ in range(50):
        if not processes_in(clone):
            break
        time.sleep(0.1)
    assert not processes_in(clone)


def test_a_users_mistake_ends_the_run_with_code_2_and_a_defect_with_code_1(clone):
    params, flow = clone / "params.yaml", clone / "flows/generate.py"
    before, code = params.read_text(), flow.read_text()
    change(clone, "generate", colour="blue")
    unknown = run(clone, code=2)
    params.write_text(before)
    change(clone, "generate", where=["shape=square"])
    impossible = run(clone, code=2)
    params.write_text(before)
    change(clone, "generate", gates={"grey_sd": {"min": 1000.0}}, max_attempts=1)
    unfilled = run(clone, code=2)
    params.write_text(before)
    flow.write_text(code.replace("    params = load_section", "    raise RuntimeError  # "))
    defect = run(clone, code=1)
    flow.write_text(code)
    assert "generate.colour: unknown key" in unknown
    assert "square" in impossible
    assert stages_run(impossible) == []
    assert "may run out of attempts, 1 for each" in unfilled
    assert "every stage must succeed" in unfilled
    assert "RuntimeError" in defect
    assert "the pipeline failed" in defect


def test_all_needs_real_data_and_says_so(clone):
    assert "real.datasets" in run(clone, "--all", code=2)
