"""The pipeline in a checkout: run it, up to date or not, the headline of what came out.

In: a checkout with dvc.yaml. Out: what `dvc` and `run_git` do, called as a user would call them.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from busgen import code, io
from busgen.errors import BusgenError, UserError
from busgen.extras import require_extra

PIPELINE, CODE = Path("dvc.yaml"), Path("flows/code.yaml")
HEAD = "# Written by `busgen run` and `busgen dev deps --write`: the hash of each stage's code.\n"
CHARS = 16  # of a hash in `CODE`: DVC compares it as a parameter, so that new code runs a stage
METRICS, SCORES = Path("data/quality/metrics.json"), Path("data/quality/scores.json")
RELEASE, REPORT = Path("data/release"), Path("data/report/index.html")
WORK = Path("data/work")
MISTAKE = WORK / "mistake"  # a flow that ends for the user's mistake leaves this file
SERVER_START_S, SERVER_END_S = 120.0, 30.0
BUSY_S = 20.0  # how long DVC's locks may outlive a killed run
QUIET = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

DVC = (sys.executable, "-m", "dvc")
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


def reproduce(*, everything: bool = False) -> bool:
    """Bring the pipeline up to date; return False if it already was.

    `everything` includes the stages that read real data. One Prefect server is started, and only if
    a stage is to be run and the user has none (`PREFECT_API_URL`). Raises `UserError` if a stage
    ended for a mistake that the user can mend, `BusgenError` if a stage failed for any other
    reason.
    """
    require_extra("pipeline", "`busgen run`")
    write_hashes(Path.cwd())
    targets = [] if everything else ["report"]
    if is_done(*targets):
        return False
    MISTAKE.unlink(missing_ok=True)
    with prefect_server() as url:
        done = run_process([*DVC, "repro", *targets], {"PREFECT_API_URL": url}, capture=False)
    if done.returncode and MISTAKE.exists():
        raise UserError("every stage must succeed", "the error above", "mend it and run again")
    if done.returncode:
        raise BusgenError("the pipeline failed: what is above says where")
    return True


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


@contextmanager
def prefect_server() -> Iterator[str]:
    """Yield the address of a Prefect server: the user's own, or one that ends with the block."""
    if url := os.environ.get("PREFECT_API_URL"):
        yield url
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    home = Path.cwd() / ".prefect"
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=log,
            stderr=log,
            env=_environment({"PREFECT_HOME": str(home)}),
            preexec_fn=DIE,
        )
        try:
            _wait_until_healthy(server, url, home / "server.log")
            yield url
        finally:
            _stop(server)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server; kill it where it does not end in time."""
    server.terminate()
    try:
        server.wait(SERVER_END_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + SERVER_START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    rule = f"the Prefect server must start within {SERVER_START_S:.0f} s"
    raise UserError(rule, server.poll(), f"see {log}")


def headline() -> dict[str, Any]:
    """Return the headline figures of the release in data/."""
    if not METRICS.is_file():
        raise UserError("data/ must hold a release with its scores", "none", "`busgen run` first")
    return io.read_json(METRICS)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which `python` is the one that runs busgen."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, **QUIET, "PATH": path, **extra}


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
    """Run a command that ends when this process does."""
    return subprocess.run(
        command,
        capture_output=capture,
        text=True,
        env=_environment(environment or {}),
        preexec_fn=DIE,
        check=False,
    )


def write_hashes(checkout: Path) -> None:
    """Write `flows/code.yaml` of a checkout, if it differs."""
    path, text = checkout / CODE, hash_code(checkout)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def hash_code(checkout: Path) -> str:
    """Return what `flows/code.yaml` must hold."""
    content = yaml.safe_load((checkout / PIPELINE).read_text(encoding="utf-8"))
    stages = {name: stage.get("do", stage) for name, stage in content["stages"].items()}
    hashes = {  # of the module that a stage runs: ``exec python -m flows.NAME ...``
        name: code.hash_code(stage["cmd"].split(" -m ")[1].split()[0])[:CHARS]
        for name, stage in stages.items()
    }
    return HEAD + yaml.safe_dump(hashes, sort_keys=False)
