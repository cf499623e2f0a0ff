"""The pipeline as users run it: a fresh clone, DVC, one Prefect server; slow, once a session."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BIN / "dvc").exists() or not (BIN / "prefect").exists(),
                       reason="needs dvc and prefect: pip install '.[pipeline]'"),
]  # fmt: skip


def environment(clone: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "GIT_"))}
    identity = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t",
                "GIT_COMMITTER_EMAIL": "t@t"}  # fmt: skip
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return kept | identity | {"PYTHONPATH": str(clone), "PATH": path, "DVC_NO_ANALYTICS": "1"}


def call(clone: Path, *words: object, code: int = 0) -> str:
    done = subprocess.run(list(map(str, words)), cwd=clone, env=environment(clone),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def busgen(clone: Path, *words: object, code: int = 0) -> str:
    return call(clone, sys.executable, "-m", "busgen.cli", *words, code=code)


def change(clone: Path, section: str, **values) -> None:
    path = clone / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params[section] |= values
    path.write_text(yaml.safe_dump(params))


def stages_run(said: str) -> list[str]:
    return re.findall(r"Running stage '(\w+(?:@\w+)?)'", said)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """Return a clone with this working tree's files, small parameters, and one run done."""
    folder = tmp_path_factory.mktemp("pipeline") / "a clone ü"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    change(folder, "generate", n=60, size_px=64, shard_size=16, max_attempts=30)
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "small", "--allow-empty")
    said = busgen(folder, "run")
    assert stages_run(said) == ["generate", "release", "quality", "report"]
    assert "leaked" not in said
    assert "Traceback" not in said
    for words in ("accepted 60 of", "dataset", "report", "ks_", "NOT FOR CLINICAL USE"):
        assert words in said
    return folder


def test_the_run_left_artifacts_and_no_failure_with_the_server(clone):
    with sqlite3.connect(clone / ".prefect/prefect.db") as database:
        keys = {key for (key,) in database.execute("select key from artifact")}
        states = {state for (state,) in database.execute("select state_type from flow_run")}
        tasks = database.execute("select count(*) from task_run").fetchone()[0]
    assert {"acceptance", "plan", "quality"} <= keys
    assert states == {"COMPLETED"}
    assert tasks >= 4  # 60 findings in shards of 16


def test_nothing_changed_nothing_runs(clone):
    start = time.monotonic()
    said = busgen(clone, "run")
    assert stages_run(said) == []
    assert "nothing has changed" in said
    assert "accepted 60 of" in said
    assert time.monotonic() - start < 60


def test_the_release_is_sound_and_the_flow_made_the_plain_loops_bytes(clone, tmp_path):
    assert "sound" in busgen(clone, "verify", "data/release")
    out = tmp_path / "plain"
    busgen(clone, "generate", "--params", "params.yaml", "--out", out)
    for name in ("sha256sums.txt", "index.parquet"):
        assert (out / name).read_bytes() == (clone / "data/release" / name).read_bytes()


def test_work_is_gone_and_git_is_clean_but_for_dvcs_files(clone):
    assert not list((clone / "data/work").glob("[0-9a-f]*"))
    changed = call(clone, "git", "status", "--porcelain", "--untracked-files=all").split("\n")
    assert {line[3:] for line in changed if line} <= {"dvc.lock", "data/quality/metrics.json"}


def test_versions_diff_plots_push_and_pull(clone, tmp_path):
    call(clone, "dvc", "remote", "add", "-d", "here", tmp_path / "remote")
    call(clone, "git", "commit", "-qam", "A remote of our own")
    busgen(clone, "run")
    assert "tagged   v1" in busgen(clone, "tag", "v1")
    assert "must be new" in busgen(clone, "tag", "v1", code=2)
    change(clone, "generate", seed=8)
    assert "only an up-to-date pipeline" in busgen(clone, "tag", "v2", code=2)
    assert stages_run(busgen(clone, "run")) == ["generate", "release", "quality", "report"]
    busgen(clone, "tag", "v2")
    listed = json.loads(busgen(clone, "versions", "--json"))
    assert [row["version"] for row in listed] == ["v1", "v2"]
    assert all(row["accepted"] == 60 for row in listed)
    compared = json.loads(busgen(clone, "diff", "v1", "v2", "--json"))
    assert compared
    metrics = json.loads(call(clone, "dvc", "metrics", "diff", "v1", "v2", "--json"))
    assert "data/quality/metrics.json" in metrics
    plots = call(clone, "dvc", "plots", "diff", "v1", "v2", "-o", tmp_path / "plots")
    assert "index.html" in plots
    call(clone, "dvc", "push", "-q", "--all-tags")
    other = tmp_path / "other"
    call(clone, "git", "clone", "-q", "-b", "v1", clone, other)
    call(other, "dvc", "pull", "-q", "release")
    assert "sound" in busgen(other, "verify", "data/release")
    assert pixels(other) != pixels(clone)


def pixels(folder: Path) -> str:
    lines = (folder / "data/release/sha256sums.txt").read_text().split("\n")
    return next(line for line in lines if "train-00000" in line)


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ("report", {"gallery": 2}, ["report"]),
        ("quality", {"max_samples": 50}, ["quality", "report"]),
        ("release", {"title": "Another"}, ["release", "quality", "report"]),
    ],
)
def test_a_changed_parameter_reruns_just_what_depends_on_it(clone, section, values, expected):
    busgen(clone, "run")
    change(clone, section, **values)
    assert stages_run(busgen(clone, "run")) == expected


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(clone, tmp_path):
    change(clone, "generate", seed=9, n=64)
    run = subprocess.Popen([sys.executable, "-m", "busgen.cli", "run"], cwd=clone,
                           env=environment(clone), start_new_session=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    for _ in range(600):
        done = {p: p.stat().st_mtime_ns for p in clone.glob("data/work/*/shards/*.json")}
        if done:
            break
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    time.sleep(3)  # the killed processes' locks go with them
    call(clone, "dvc", "repro", "generate")  # no server: Prefect starts one for the process
    assert done
    assert all(path.stat().st_mtime_ns == made for path, made in done.items())
    assert len(list(clone.glob("data/work/*/shards/*.json"))) > len(done)
    busgen(clone, "run")
    busgen(clone, "generate", "--params", "params.yaml", "--out", tmp_path / "plain")
    plain = (tmp_path / "plain/sha256sums.txt").read_bytes()
    assert plain == (clone / "data/release/sha256sums.txt").read_bytes()


def test_a_wrong_parameter_ends_the_run_with_code_2(clone):
    params = (clone / "params.yaml").read_text()
    change(clone, "generate", colour="blue")
    said = busgen(clone, "run", code=2)
    (clone / "params.yaml").write_text(params)
    assert "generate.colour: unknown key" in said


def test_all_needs_real_data_and_says_so(clone):
    assert "real.datasets" in busgen(clone, "run", "--all", code=2)


def test_the_chain_starts_from_a_real_dataset(clone, real_data):
    change(clone, "real", datasets={"breast": str(real_data / "BrEaST")})
    change(clone, "generate", prior="data/priors/prior.json")
    change(clone, "quality", reference="data/reference/reference.json")
    ran = stages_run(busgen(clone, "run", "--all"))
    assert set(ran) == {"real@breast", "reference", "priors", "generate", "release", "quality",
                        "report"}  # fmt: skip
    assert "sound" in busgen(clone, "verify", "data/release")
    assert (clone / "data/report/index.html").stat().st_size > 100_000


def test_dask_makes_the_same_bytes(clone):
    before = (clone / "data/release/index.parquet").read_bytes()
    change(clone, "generate", runner="dask", workers=2)
    busgen(clone, "run")
    assert (clone / "data/release/index.parquet").read_bytes() == before
