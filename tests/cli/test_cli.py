"""The command line: what users type, and how their mistakes are answered."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import busgen
from busgen.cli import main
from busgen.cli.screen import print_rows, resumable
from busgen.errors import UserError
from busgen.images.diffusion.engine import SHIPPED

SMALL = ["--size", "64", "--n", "6"]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def call(*words: object, cwd: Path | None = None) -> Done:
    """Run the command line in this process: a process a command takes a second to import."""
    out, err = StringIO(), StringIO()
    argv, sys.argv = sys.argv, ["busgen", *map(str, words)]
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err), chdir(cwd or Path.cwd()):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = argv
    return Done(code, out.getvalue(), err.getvalue())


def start(*words: object) -> "subprocess.Popen[str]":
    """Start the installed command as a user does."""
    command = [str(Path(sys.executable).parent / "busgen"), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sums(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}  # fmt: skip


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ein Ordner mit Ümlaut") / "données 1"
    words = ["--set", "pathology=malignant", "--text", "irregular hypoechoic mass, spiculated"]
    run = start("generate", *SMALL, *words, "--engine", "diffusion", "--seed", 7, "--out", folder)
    phrases, error = run.communicate()
    assert run.returncode == 0, error
    assert "accepted 6 of" in phrases
    assert "NOT FOR CLINICAL USE" in phrases
    return folder


def test_generate_writes_what_was_asked_for_and_nothing_beside_it(release):
    rows = pq.read_table(release / "index.parquet").to_pylist()
    accepted = [row for row in rows if row["accepted"]]
    assert len(accepted) == 6
    for row in accepted:
        assert (row["pathology"], row["shape"]) == ("malignant", "irregular")
        assert row["echo_pattern"] == "hypoechoic"
        assert "spiculated" in row["margin"]
    assert [p.name for p in release.parent.iterdir()] == [release.name]


def test_the_same_command_again_changes_nothing(release):
    before = sums(release)
    words = ["--set", "pathology=malignant", "--text", "irregular hypoechoic mass, spiculated"]
    assert call("generate", *SMALL, *words, "--out", release).returncode == 0
    assert sums(release) == before


def test_the_library_gives_the_same_bytes_as_the_command(release, tmp_path):
    from busgen.params.generate import GenerateParams
    from busgen.params.load import Params

    dataset = busgen.generate(
        6,
        where=["pathology=malignant"],
        text="irregular hypoechoic mass, spiculated",
        seed=7,
        params=Params(generate=GenerateParams(size_px=64)),
    )
    assert dataset.images.shape == dataset.masks.shape == (6, 64, 64)
    assert len(dataset) == dataset.table.num_rows == 6
    assert set(dataset.masks.ravel().tolist()) == {0, 1}
    dataset.save(tmp_path / "saved")
    assert sums(tmp_path / "saved") == sums(release)
    with pytest.raises(UserError, match="must not exist or be empty"):
        dataset.save(release)


def test_verify_show_diff_export(release, tmp_path):
    assert call("verify", release).returncode == 0
    shown = call("show", "7-0000002", "--in", release, "--again")
    assert shown.returncode == 0, shown.stderr
    assert "Made anew, it has the same image and the same mask" in shown.stdout
    assert re.search(r"grey_sd\s+│ >= 15\s+│ \d", shown.stdout)
    assert "was released in split train after" in shown.stdout
    record = json.loads(call("show", "7-0000002", "--in", release, "--json").stdout)
    assert record["history"][-1]["final"] == "released"
    assert record["again"] is None
    compared = json.loads(call("diff", release, release, "--json").stdout)
    assert compared["counts"]["n"] == [6, 6]
    assert compared["identical_images"] == 6
    assert compared["provenance"] == {}
    for form in ("folder", "coco", "nnunet"):
        assert call("export", release, "--as", form, "--out", tmp_path / form).returncode == 0


def test_verify_finds_one_changed_byte(release, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(release, copy)
    (file,) = (copy / "data").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    done = call("verify", copy)
    assert done.returncode == 1
    assert file.name in done.stdout


def test_a_damaged_release_is_not_taken_for_done(release, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(release, copy)
    (copy / "index.parquet").unlink()
    words = ["--set", "pathology=malignant", "--text", "irregular hypoechoic mass, spiculated"]
    done = call("generate", *SMALL, *words, "--out", copy)
    assert done.returncode == 2
    assert "a release that stands must be whole, got index.parquet: must exist" in done.stderr


def test_two_runs_in_one_folder_the_second_waits_and_finds_it_done(tmp_path):
    words = ["generate", "--engine", "phantom", "--size", "64", "--n", "48",
             "--out", tmp_path / "x"]  # fmt: skip
    first = start(*words)
    while not list(tmp_path.glob(".x.work/*/plan.json")):
        assert first.poll() is None
        time.sleep(0.01)
    second = call(*words)
    phrases = first.communicate()[1]
    assert (first.returncode, second.returncode) == (0, 0), phrases + second.stderr
    assert "waiting until it is done" in second.stderr
    assert "waiting" not in phrases
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_an_interrupted_run_says_that_it_goes_on(tmp_path):
    run = start("generate", "--engine", "phantom", "--n", 2000, "--out", tmp_path / "x")
    while not list(tmp_path.glob(".x.work/*/plan.json")):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    phrases = run.communicate()[1]
    assert run.returncode not in (0, 2)
    assert "the same command goes on" in phrases
    assert "Traceback" not in phrases


def test_an_interruption_that_native_code_makes_another_error_is_still_one(capsys):
    def native():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("could not determine the shape") from None

    with pytest.raises(KeyboardInterrupt), resumable():
        native()
    assert "the same command goes on" in capsys.readouterr().err
    with pytest.raises(ValueError, match="an error of its own"), resumable():
        raise ValueError("an error of its own")
    assert capsys.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_link_to_an_empty_folder_can_be_the_output_but_not_the_current_folder(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    words = ["generate", *SMALL, "--engine", "phantom"]
    assert call(*words, "--out", tmp_path / "link").returncode == 0
    assert call("verify", tmp_path / "target").returncode == 0
    (tmp_path / "here").mkdir()
    done = call(*words, "--out", ".", cwd=tmp_path / "here")
    assert done.returncode == 2
    assert "must not be the one that you are in" in done.stderr


def test_vary_is_in_the_plan_and_a_field_that_cannot_vary_is_refused(tmp_path):
    words = ["generate", *SMALL, "--engine", "phantom", "--out", tmp_path / "x", "--vary"]
    plan = json.loads(call(*words, "posterior", "--dry-run", "--json").stdout)
    assert (plan["vary"], plan["n"]) == ("posterior", 6)
    refused = call(*words, "shape")
    assert refused.returncode == 2
    assert "vary: must be null or one of tissue, echo_pattern" in refused.stderr
    closed = call(*words, "posterior", "--set", "posterior=none", "--dry-run")
    assert closed.returncode == 2
    assert "leave posterior two terms to vary" in closed.stderr
    assert not (tmp_path / "x").exists()


def test_what_of_a_text_no_finding_holds_is_named(tmp_path):
    words = ["generate", *SMALL, "--engine", "phantom", "--out", tmp_path / "x", "--dry-run"]
    words += ["--text"]
    done = call(*words, "irreg. mass w/ shadowing at 3 o'clock, no vascularity")
    understood = next(x for x in done.stdout.splitlines() if x.startswith("understood"))
    assert understood.split(maxsplit=1)[1].split("; ") == [
        "shape=irregular", "pathology=benign|malignant", "posterior=shadowing",
    ]  # fmt: skip
    assert "left out: 3 o'clock, no vascularity" in done.stderr
    assert "left out" not in call(*words, "oval mass").stderr
    refused = call(*words, "irregular fluffy mass")
    assert refused.returncode == 2
    assert "every word of a text must be known, got fluffy" in refused.stderr


def test_a_scanner_is_one_of_the_engines(tmp_path):
    words = ["generate", *SMALL, "--out", tmp_path / "x", "--dry-run", "--json"]
    done = call(*words, "--set", "scanner=GE Logiq 7")
    table = json.loads(done.stdout)["prior"]["discrete"]["scanner"]["table"]
    assert "BrEaST" in table
    assert "linear_7mhz" not in table
    for engine, request, known in (
        ("phantom", "GE Logiq 7", "linear_7mhz, linear_10mhz"),
        ("diffusion", "linear_7mhz", "GE Logiq 5, GE Logiq 7"),
    ):
        refused = call(*words, "--engine", engine, "--set", f"scanner={request}")
        assert refused.returncode == 2
        assert f"scanner must be one of the engine's, got {request}: {known}" in refused.stderr


def test_dry_run_says_what_it_comes_to_and_makes_nothing(tmp_path):
    words = ("--count", "pathology.malignant=2", "--allow-unfilled", "--split", "train=.5, test=.5")
    words = ("generate", *SMALL, "--engine", "phantom", *words, "--out", tmp_path / "x")
    done = call(*words, "--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert plan["counts"] == {"pathology.malignant": 2}
    assert (plan["max_unfilled"], plan["n"], plan["engine"]) == (1.0, 6, "phantom")
    assert sum(plan["strata"]["malignant"].values()) == 2
    assert plan["tried"] == plan["counted"] == 6
    assert plan["seconds"] == pytest.approx(plan["tried_seconds"])
    lines = call(*words, "--dry-run").stdout.splitlines()
    assert len(lines) <= 20
    assert {"findings", "engines", "gates", "malignant", "time", "size"} <= {
        line.split()[0] for line in lines
    }
    assert lines[-1].endswith("makes it.")
    assert not list(tmp_path.iterdir())
    assert call(*words, "--json").returncode == 2  # JSON of a plan alone


def test_what_a_dry_run_says_of_findings_and_bytes_is_what_is_made(tmp_path):
    words = ("generate", "--engine", "phantom", "--size", 64, "--n", 20, "--gates", "all=off")
    planned = json.loads(call(*words, "--out", tmp_path / "x", "--dry-run", "--json").stdout)
    assert call(*words, "--out", tmp_path / "x").returncode == 0
    found = Counter(busgen.load(tmp_path / "x").table["pathology"].to_pylist())
    assert {name: sum(n.values()) for name, n in planned["strata"].items()} == found
    made = sum(path.stat().st_size for path in (tmp_path / "x" / "data").iterdir())
    assert 0.7 * made < planned["bytes"] < 1.4 * made


def test_gates_change_by_the_command_line(tmp_path):
    words = ("generate", *SMALL, "--engine", "phantom", "--out", tmp_path / "x", "--dry-run")
    changed = ("all=off", "saturated=flag", "saturated.max=.5")
    options = [word for one in changed for word in ("--gates", one)]
    gates = json.loads(call(*words, "--json", *options).stdout)["gates"]
    assert {gate["action"] for name, gate in gates.items() if name != "saturated"} == {"off"}
    assert (gates["saturated"]["action"], gates["saturated"]["max"]) == ("flag", 0.5)
    for word in ("dirt=off", "saturated", "saturated=maybe", "all.max=3", "saturated.top=3"):
        done = call(*words, "--gates", word)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), word
    done = call(*words, "--gates", "saturated.max=much")
    assert "saturated.max: Input should be a valid number" in done.stderr


def test_quiet_is_silent_but_for_the_result_and_verbose_says_where_it_failed(tmp_path):
    words = ("generate", *SMALL, "--engine", "phantom", "--gates", "all=off", "--seed", 3)
    done = call(*words, "-q", "--out", tmp_path / "x")
    assert (done.returncode, done.stderr) == (0, "")
    assert call("-q", *words, "--out", tmp_path / "x").stderr == ""
    assert "took" in call("-v", "verify", tmp_path / "x").stderr
    failed = call("verify", tmp_path / "none", "-v")
    assert failed.returncode == 2
    assert "verify.py" in failed.stderr
    assert "verify.py" not in call("verify", tmp_path / "none").stderr  # not kept


def test_progress_counts_from_the_first_findings_on(monkeypatch, tmp_path):
    from busgen.factory import library
    from busgen.params.generate import GenerateParams
    from busgen.params.load import Params

    params = Params(generate=GenerateParams(n=40, size_px=64, engine="phantom"))
    counted = []
    library.make_release(params, tmp_path / "x", counted.append)
    assert counted[:4] == [0, 0, 16, 24]  # the bar, what stands, a shard's chunks


def test_verify_of_no_release_says_so(tmp_path):
    for folder, words in ((tmp_path / "none", "no folder"), (tmp_path, "without any of its files")):
        done = call("verify", folder)
        assert done.returncode == 2
        assert words in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["images", "--start", SHIPPED], "must not have learned from what is left out, got busi"),
        (["images", "--adapt", "breast"], "an adapter must learn from one dataset"),
        (["masks"], "must hold what is left out, got busi"),
    ],
)
def test_what_is_left_out_of_a_training_is_checked(tmp_path, words, message):
    (tmp_path / "breast").mkdir()
    (tmp_path / "breast" / "table.parquet").touch()
    rest = (tmp_path, "--without", "busi", "--out", tmp_path / "x")
    done = call("train", words[0], *rest, *words[1:], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n", "0"], "greater than or equal to 1, got 0"),
        (["--n", "-3"], "greater than or equal to 1, got -3"),
        (["--seed", "-1"], "got -1"),
        (["--engine", "crayon"], "crayon"),
        (["--mask-engine", "stencil"], "stencil"),
        (["--set", "colour=blue"], "colour"),
        (["--set", "shape=square"], "square"),
        (["--set", "pathology=normal", "--set", "shape=oval"], "normal"),
        (["--text", "oval irregular mass"], "irregular"),
        (["--text", "a purple mass"], "purple"),
        (["--set", "size_mm=400"], "400"),
        (["--target", "margin"], "margin"),
        (["--count", "malignant"], "a count must be field.term=number, got 'malignant'"),
        (["--count", "size_mm.14=2"], "a count's field must be known, got 'size_mm'"),
        (["--count", "pathology.malignant=700"], "at most n findings together, got 700 of 600"),
        (["--split", "train"], "--split must be split=share"),
        (["--split", "train=.5"], "shares must be positive and sum to 1"),
        (["--max-attempts", "0"], "max_attempts: Input should be greater than or equal to 1"),
        (["--params", "no such file.yaml"], "no such file.yaml must be readable"),
    ],
)
def test_a_users_mistake_is_one_message_exit_code_2_and_nothing_written(tmp_path, words, message):
    done = call("generate", "--size", "64", *words, "--out", tmp_path / "x", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_output_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = call("generate", *SMALL, "--out", tmp_path)
    assert done.returncode == 2
    assert "must not exist or be empty" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = call("generate", *SMALL, "--out", tmp_path / "file" / "x")
    assert done.returncode == 2
    assert "must be writable" in done.stderr


def test_rows_of_different_keys_are_printed_under_their_own_headings(capsys):
    print_rows([{"a": 1, "c": 2}, {"b": 3, "c": 4.0}])
    lines = [re.findall(r"\w+|-", line) for line in capsys.readouterr().out.split("\n")]
    assert [line for line in lines if line] == [["a", "c", "b"], ["1", "2", "-"], ["-", "4", "3"]]


@pytest.mark.parametrize("command", [["run"], ["tag", "v1"], ["versions"]])
def test_pipeline_commands_outside_a_checkout_say_where_they_work(tmp_path, command):
    done = call(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert "in a checkout of busgen" in done.stderr


@pytest.mark.parametrize("command", [["diff", "nowhere"], ["export"]])
def test_a_folder_that_is_no_release_is_an_error(tmp_path, command):
    extra = ["--out", tmp_path / "x"] if command == ["export"] else []
    done = call(*command, tmp_path, *extra)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_real_prints_what_was_read(breast_read):
    result = json.loads((breast_read / "told.json").read_text(encoding="utf-8"))["all"]
    assert (result["published"], result["read"], result["conflicts"]) == (256, 256, 0)


def test_an_unknown_dataset_or_layout_is_an_error(tmp_path):
    assert call("real", f"mammograms={tmp_path}").returncode == 2
    assert call("real", f"breast={tmp_path}").returncode == 2
