"""The pipeline in a checkout: run it, up to date or not, the headline of what came out.

In: a checkout with dvc.yaml. Out: what `dvc` and `run_git` do, called as a user would call them.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from busgen import code, io
from busgen.errors import BusgenError, UserError
from busgen.extras import require_extra
from busgen.server import URL, PrefectServer, make_environment, prefect_server

PIPELINE, CODE = Path("dvc.yaml"), Path("flows/code.yaml")
HEAD = "# Written by `busgen run` and `busgen dev deps --write`: the hash of each stage's code.\n"
CHARS = 16  # of a hash in `CODE`: DVC compares it as a parameter, so that new code runs a stage
METRICS, SCORES = Path("data/quality/metrics.json"), Path("data/quality/scores.json")
RELEASE, REPORT = Path("data/release"), Path("data/report/index.html")
WORK = Path("data/work")
MISTAKE = WORK / "mistake"  # a flow that ends for the user's mistake leaves this file
BUSY_S = 20.0  # how long DVC's locks may outlive a killed run
QUIET = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

AT_ONCE = {"PYTHONUNBUFFERED": "1"}  # what is said is read as it is said

DVC = (sys.executable, "-m", "dvc")
BEGUN = re.compile(r"Running stage '(.+)':")
CHATTER = re.compile(  # of DVC, about its own files
    r"> exec |Stage '.+' (didn't change|is cached)|(Generating|Updating) lock file"
    r"|To (track|enable)|\tgit add|\tdvc config|Use `dvc push`|Verifying data sources"
)
PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


DIE = _die_with_parent if sys.platform == "linux" else None  # a killed run's children go too


def enter_checkout() -> Path:
    """Change to the checkout around the working folder and return it."""
    folder = find_checkout()
    os.chdir(folder)
    return folder


def find_checkout() -> Path:
    """Return the checkout around the working folder."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    rule = "this command works in a checkout of busgen, where dvc.yaml is"
    raise UserError(rule, here, "change to one, or use `busgen generate`, which works anywhere")


def reproduce(tell: Callable[[str], None], *, everything: bool = False) -> bool:
    """Bring the pipeline up to date; return False if it already was.

    `tell` gets each stage as it begins; `everything` includes the stages that read real data. One
    Prefect server is started, and only if a stage is to be run and the user has none
    (`busgen.server`). Raises `UserError` if a stage ended for a mistake that the user can mend,
    `BusgenError` if a stage failed for any other reason.
    """
    require_extra("pipeline", "`busgen run`")
    write_hashes(Path.cwd())
    _tell_dvc_of_git()
    targets = [] if everything else ["report"]
    if is_done(*targets):
        return False
    MISTAKE.unlink(missing_ok=True)
    with prefect_server(DIE) as server:
        code = _repro(targets, server, tell)
    if code and MISTAKE.exists():
        raise UserError("every stage must succeed", "the error above", "mend it and run again")
    if code:
        raise BusgenError("the pipeline failed: what is above says where")
    return True


def _repro(targets: Sequence[str], server: PrefectServer, tell: Callable[[str], None]) -> int:
    """Run `dvc repro` and return its exit code; `tell` gets each stage as it begins, in words.

    What DVC says of its own files is left out, all else goes on to the standard output. Raises
    `BusgenError` where the server ends.
    """
    stages = _read_stages(PIPELINE)
    command, environment = [*DVC, "repro", *targets], _environment({URL: server.url, **AT_ONCE})
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=DIE
        ) as running,
        server.bind_process(running),
    ):
        for line in running.stdout or ():
            if begun := BEGUN.match(line):
                name = begun[1].partition("@")[0]
                tell(f"begins: {begun[1]}, {stages[name]['desc']}")
            elif line.strip() and not CHATTER.match(line):
                sys.stdout.write(line)
        return running.wait()


def _tell_dvc_of_git() -> None:
    """Let DVC do without git in a source archive, and with it once there is a repository."""
    here, local = Path.cwd(), Path(".dvc/config.local")
    versioned = any((folder / ".git").exists() for folder in (here, *here.parents))
    without = local.is_file() and "no_scm" in local.read_text(encoding="utf-8")
    if versioned == without:
        words = ("--unset", "core.no_scm") if versioned else ("core.no_scm", "true")
        run_command([*DVC, "config", "--local", *words])


def is_done(*targets: str) -> bool:
    """Whether no stage that `targets` depend on (none: no stage at all) is to be run."""
    command = ["status", "--json", *(["--with-deps"] if targets else []), *targets]
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return not json.loads(run_command([*DVC, *command]) or "{}")
        except UserError as error:
            if "is busy" not in str(error.got) or time.monotonic() > deadline:
                raise
            time.sleep(0.5)  # the processes of a run killed just now take a moment to go


def headline() -> dict[str, Any]:
    """Return the headline figures of the release in data/."""
    if not METRICS.is_file():
        raise UserError("data/ must hold a release with its scores", "none", "`busgen run` first")
    return io.read_json(METRICS)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which `python` is the one that runs busgen."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**make_environment(os.environ), **QUIET, "PATH": path, **extra}


def run_git(*arguments: str) -> str:
    """Return what git prints; if it fails, what it says is a `UserError`."""
    return run_command(["git", *arguments]).strip()


def run_command(command: Sequence[str]) -> str:
    """Run a command and return what it prints; if it fails, what it says is a `UserError`."""
    done = run_process(command)
    if done.returncode:
        words = " ".join(command).replace(f"{sys.executable} -m ", "")
        phrases = (done.stderr or done.stdout).strip()
        raise UserError(f"`{words}` must succeed", phrases, "mend what it names and run again")
    return done.stdout


def run_process(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, capture: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run a command that ends when this process does; `UserError` if it is not installed."""
    try:
        return subprocess.run(
            command,
            capture_output=capture,
            text=True,
            env=_environment(environment or {}),
            preexec_fn=DIE,
            check=False,
        )
    except FileNotFoundError:
        rule = f"{command[0]} must be installed"
        raise UserError(rule, "no such command", "install it, or use `busgen generate`") from None


def write_hashes(checkout: Path) -> None:
    """Write `flows/code.yaml` of a checkout, if it differs."""
    path, text = checkout / CODE, hash_code(checkout)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def hash_code(checkout: Path) -> str:
    """Return what `flows/code.yaml` must hold."""
    stages = _read_stages(checkout / PIPELINE)
    hashes = {  # of the module that a stage runs: ``exec python -m flows.NAME ...``
        name: code.hash_code(stage["cmd"].split(" -m ")[1].split()[0])[:CHARS]
        for name, stage in stages.items()
    }
    return HEAD + yaml.safe_dump(hashes, sort_keys=False)


def _read_stages(path: Path) -> dict[str, Any]:
    """Return the stages of a dvc.yaml by name; one of a `foreach` without it."""
    stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}
