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
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from busgen import pipeline

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
    small = {"n": 60, "size_px": 64, "shard_size": 16, "max_attempts": 30}
    change(folder, "generate", engine="phantom", mask_engine="curvature", **small)
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


def test_a_release_that_a_limit_refuses_ends_the_run_and_leaves_its_scores_to_read(clone):
    change(clone, "quality", limits={"ks_texture.pooled": {"action": "refuse", "max": 0.01}})
    said = busgen(clone, "run", code=2)
    assert re.search(
        r"must keep its limits \(quality\.limits\), got ks_texture\.pooled 0\.\d", said
    )
    assert "see data/refused/scores.json" in said
    assert (clone / "data/refused/scores.json").exists()
    assert not (clone / "data/quality/scores.json").exists()
    assert "only an up-to-date pipeline" in busgen(clone, "tag", "v0", code=2)
    change(clone, "quality", limits={"ks_texture.pooled": {"action": "mark", "max": 0.01}})
    said = busgen(clone, "run")
    assert stages_run(said) == ["quality", "report"]
    assert "release  failing" in said
    assert not (clone / "data/refused").exists()


def test_versions_diff_plots_push_and_pull(clone, tmp_path):
    call(clone, "dvc", "remote", "add", "-d", "here", tmp_path / "remote")
    call(clone, "git", "commit", "-qam", "A remote of our own")
    busgen(clone, "run")
    (clone / "notes.txt").write_text("for later")
    call(clone, "git", "add", "notes.txt")
    assert "--failing" in busgen(clone, "tag", "v1", code=2)  # a phantom's texture is not real
    assert "tagged   v1" in busgen(clone, "tag", "v1", "--failing")
    assert call(clone, "git", "status", "--porcelain") == "A  notes.txt\n"
    assert "must be new" in busgen(clone, "tag", "v1", code=2)
    assert "one that git takes" in busgen(clone, "tag", "v*", code=2)
    change(clone, "generate", seed=8)
    assert "only an up-to-date pipeline" in busgen(clone, "tag", "v2", code=2)
    assert stages_run(busgen(clone, "run")) == ["generate", "release", "quality", "report"]
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


def seeds(compared: dict) -> list[int]:
    (found,) = (pair for key, pair in compared["provenance"].items() if key.endswith(".seed"))
    return found


def pixels(folder: Path) -> str:
    lines = (folder / "data/release/sha256sums.txt").read_text().split("\n")
    return next(line for line in lines if "train-00000" in line)


def test_a_version_of_code_that_is_not_committed_is_refused(clone):
    busgen(clone, "run")
    code = clone / "busgen/scratch.py"
    code.write_text("")
    said = busgen(clone, "tag", "v3", code=2)
    code.unlink()
    assert "busgen/scratch.py" in said
    assert "must be committed" in said


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


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of the processes that work in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_run_takes_its_children_along_goes_on_and_ends_with_the_same_bytes(
    clone, tmp_path
):
    change(clone, "generate", seed=9, n=64)
    run = subprocess.Popen([sys.executable, "-m", "busgen.cli", "run"], cwd=clone,
                           env=environment(clone) | {"SHELL": "/bin/sh"},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    for _ in range(600):
        done = {p: p.stat().st_mtime_ns for p in clone.glob("data/work/*/shards/*.json")}
        if done:
            break
        time.sleep(0.1)
    names = " ".join(processes_in(clone))
    run.kill()  # it alone
    run.wait()
    for _ in range(100):
        if not processes_in(clone):
            break
        time.sleep(0.1)
    assert all(name in names for name in ("busgen.cli", "dvc repro", "flows.generate", "prefect"))
    assert processes_in(clone) == []
    wait = "from busgen import pipeline; print(pipeline.is_up_to_date('generate'))"
    assert call(clone, sys.executable, "-c", wait) == "False\n"  # as soon as the locks are gone
    call(clone, "dvc", "repro", "generate")  # no server: Prefect starts one for the process
    assert done
    assert all(path.stat().st_mtime_ns == made for path, made in done.items())
    assert len(list(clone.glob("data/work/*/shards/*.json"))) > len(done)
    busgen(clone, "run")
    busgen(clone, "generate", "--params", "params.yaml", "--out", tmp_path / "plain")
    plain = (tmp_path / "plain/sha256sums.txt").read_bytes()
    assert plain == (clone / "data/release/sha256sums.txt").read_bytes()


def test_a_server_that_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(pipeline, "SERVER_END_S", 0.2)
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    server = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    server.stdout.readline()
    pipeline._end(server)
    assert server.returncode == -signal.SIGKILL


def test_a_users_mistake_ends_the_run_with_code_2_and_a_defect_with_code_1(clone):
    params, flow = clone / "params.yaml", clone / "flows/generate.py"
    before, code = params.read_text(), flow.read_text()
    change(clone, "generate", colour="blue")
    unknown = busgen(clone, "run", code=2)
    params.write_text(before)
    change(clone, "generate", where=["shape=square"])
    impossible = busgen(clone, "run", code=2)
    params.write_text(before)
    change(clone, "generate", gates={"grey_sd": {"min": 1000.0}}, max_attempts=1)
    unfilled = busgen(clone, "run", code=2)
    params.write_text(before)
    flow.write_text(code.replace("params = load_params()", "raise RuntimeError"))
    defect = busgen(clone, "run", code=1)
    flow.write_text(code)
    assert "generate.colour: unknown key" in unknown
    assert "square" in impossible
    assert "Running stage" not in impossible
    assert "may run out of 1 attempts" in unfilled
    assert "every stage must succeed" in unfilled
    assert "RuntimeError" in defect
    assert "the pipeline failed" in defect


def test_all_needs_real_data_and_says_so(clone):
    assert "real.datasets" in busgen(clone, "run", "--all", code=2)


def test_the_chain_starts_from_a_real_dataset(clone, real_data, tmp_path):
    change(clone, "real", datasets={"breast": str(real_data / "BrEaST")})
    learned = {"mask_engine": "semantic_curvature", "mask_model": "data/models/masks"}
    change(clone, "generate", prior="data/priors/prior.json", **learned)
    change(clone, "train_masks", steps=60, batch=16, width=32, layers=1)
    change(clone, "quality", reference="data/reference")
    change(clone, "report", downstream="data/downstream")
    few_steps = dict.fromkeys(("classification", "segmentation"), 4)
    change(clone, "downstream", arms=["real_augmented", "real_synthetic_1"], seeds=1,
           steps=few_steps)  # fmt: skip
    tiny = {"members": 1, "size_px": 32, "widths": [4, 8], "epochs": 1}
    change(clone, "train_judges", segmenter=tiny | {"polish": 0}, classifier=tiny | {"blind": 0})
    few = {"steps": 2, "batch": 2}
    change(
        clone,
        "train_images",
        text=few,
        autoencoder=few | {"rate": 1e-3},
        flow=few | {"widths": [32, 64]},
        guided=few,
        decoder=few,
        adapter=few,
    )
    ran = stages_run(busgen(clone, "run", "--all"))
    assert set(ran) == {"real@breast", "cohort", "reference", "priors", "train_judges",
                        "train_masks", "train_images", "generate", "release", "quality",
                        "downstream", "report"}  # fmt: skip
    assert (clone / "data/models/judges/scores.json").is_file()
    check_the_stage_downstream(clone)
    for which in ("images", "masks"):
        card = (clone / f"data/models/{which}/README.md").read_text(encoding="utf-8")
        assert "| breast |" in card
    assert "sound" in busgen(clone, "verify", "data/release")
    assert (clone / "data/report/index.html").stat().st_size > 100_000
    busgen(clone, "real", f"breast={real_data / 'BrEaST'}", "--out", tmp_path / "read")
    busgen(clone, "train", "images", tmp_path / "read", "--start", "data/models/images",
           "--adapt", "breast", "--rank", "2", "--params", "params.yaml",
           "--out", tmp_path / "adapted")  # fmt: skip
    told = json.loads((tmp_path / "adapted/adapters/breast/adapter.json").read_text("utf-8"))
    assert told["params"]["rank"] == 2
    for scores in told["held_out"].values():
        assert scores["loss"] > 0
        assert scores["kid_us64"]["value"] > scores["kid_us64"]["floor_limit"]  # two steps: noise
        assert 0 <= scores["dice"]["value"] < scores["dice"]["real"]
    busgen(clone, "calibrate", tmp_path / "read", "--out", tmp_path / "calibrated")
    facts = json.loads((tmp_path / "calibrated/reference.json").read_text("utf-8"))
    assert facts["calibrated"]["together"]["n_test"] > 0
    assert facts["proof"]
    change(clone, "generate", n=6, known=[str(tmp_path / "calibrated/known.safetensors")])
    busgen(clone, "generate", "--params", "params.yaml", "--out", tmp_path / "unlike")
    told = pq.read_table(tmp_path / "unlike/index.parquet")["copy_similarity"]
    assert told.null_count == 0


def check_the_stage_downstream(clone: Path) -> None:
    """Check its outcome, and that another release repeats only the arms with its pictures."""
    gain = downstream_headline(clone)["classification"]["breast"]["gain"]
    assert gain["low"] <= gain["value"] <= gain["high"]
    shown = json.loads(call(clone, "dvc", "metrics", "show", "data/downstream/metrics.json",
                            "--json"))  # fmt: skip
    assert json.dumps(gain["value"]) in json.dumps(shown)
    trained = {path: path.stat().st_mtime_ns for path in runs_in(clone)}
    assert len(trained) == 4  # two tasks, two arms
    change(clone, "generate", seed=12)
    assert "downstream" in stages_run(busgen(clone, "run"))  # as the report shows it
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    new = [
        json.loads(path.read_text("utf-8"))["run"]["arm"] for path in {*runs_in(clone)} - {*trained}
    ]
    assert new == ["real_synthetic_1"] * 2


def runs_in(clone: Path) -> list[Path]:
    """Return the records of trainings that are kept."""
    return sorted(clone.glob("data/work/downstream/runs/*/run.json"))


def downstream_headline(clone: Path) -> dict:
    return json.loads((clone / "data/downstream/metrics.json").read_text("utf-8"))["headline"]


def test_dask_makes_the_plain_loops_bytes(clone, tmp_path):
    learned = {"engine": "diffusion", "mask_engine": "semantic_curvature"}
    change(clone, "generate", seed=10, runner="dask", workers=2, n=20, **learned)
    assert "generate" in stages_run(busgen(clone, "run"))
    busgen(clone, "generate", "--params", "params.yaml", "--out", tmp_path / "plain")
    made = (clone / "data/release/index.parquet").read_bytes()
    assert made == (tmp_path / "plain/index.parquet").read_bytes()
    change(clone, "generate", runner="threads", workers=1)
    assert stages_run(busgen(clone, "run")) == []  # who makes the bytes decides none
