"""The pipeline in a checkout: run it, tag what came out, list the tagged versions.

In: a checkout with dvc.yaml. Out: what `dvc` and `git` do, called as a user would call them.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from busgen import io
from busgen.errors import UserError

METRICS = Path("data/quality/metrics.json")
RELEASE, REPORT = Path("data/release"), Path("data/report/index.html")
SERVER_START_S = 120.0
BUSY_S = 20.0  # how long DVC's locks may outlive a killed run
QUIET = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def enter_checkout() -> Path:
    """Change to the checkout around the working folder and return it."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            os.chdir(folder)
            return folder
    raise UserError(
        "this command works in a checkout of busgen, where dvc.yaml is",
        here,
        "change to one, or use `busgen generate`, which works anywhere",
    )


def reproduce(*, everything: bool = False) -> bool:
    """Bring the pipeline up to date; return False if it already was.

    `everything` includes the stages that read real data. One Prefect server is started, and only
    if a stage is to be run and the user has none (`PREFECT_API_URL`).
    """
    targets = [] if everything else ["report"]
    if is_up_to_date(*targets):
        return False
    with prefect_server() as url:
        _dvc("repro", *targets, environment={"PREFECT_API_URL": url})
    return True


def is_up_to_date(*targets: str) -> bool:
    """Whether no stage that `targets` depend on (none: no stage at all) is to be run."""
    command = ["status", "--json", *(["--with-deps"] if targets else []), *targets]
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return not json.loads(_dvc(*command, capture=True) or "{}")
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
        )
        try:
            _wait_until_healthy(server, url, home / "server.log")
            yield url
        finally:
            server.terminate()
            server.wait(30)


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + SERVER_START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise UserError(
        f"the Prefect server must start within {SERVER_START_S:.0f} s", server.poll(), f"see {log}"
    )


def headline() -> dict[str, Any]:
    """Return the headline figures of the release in data/."""
    if not METRICS.is_file():
        raise UserError("data/ must hold a release with its scores", "none", "`busgen run` first")
    return io.read_json(METRICS)


def tag(name: str) -> str:
    """Record the data as version `name`: dvc.lock and metrics committed, git tag; return commit.

    Raises
    ------
    UserError
        If the pipeline is not up to date, the name is taken, or git or DVC refuse.
    """
    if not is_up_to_date("report"):
        raise UserError("only an up-to-date pipeline can be tagged", "changes", "`busgen run`")
    if _git("tag", "--list", name):
        raise UserError("a version's name must be new", repr(name), "see `busgen versions`")
    figures = headline()
    _git("add", "--force", "dvc.lock", "dvc.yaml", "params.yaml", str(METRICS))
    if _git("diff", "--cached", "--name-only"):
        _git("commit", "--quiet", "--message", f"Dataset {name}")
    _git("tag", "--annotate", name, "--message", f"Dataset {name}\n\n{io.dumps(figures)}")
    return _git("rev-parse", "--short", "HEAD")


def versions() -> list[dict[str, Any]]:
    """Return the tagged dataset versions, oldest first, with their headline figures."""
    found = []
    for name in _git("tag", "--list", "--sort=creatordate").split():
        try:
            text = _git("show", f"{name}:{METRICS}")
        except UserError:
            continue  # a tag of the code, not of a dataset
        date = _git("log", "-1", "--format=%cs", name)
        found.append({"version": name, "date": date, **json.loads(text)})
    return found


@contextmanager
def release_of(name: str) -> Iterator[Path]:
    """Yield the release folder that `name` stands for: a folder, or a tag of this checkout."""
    if Path(name).is_dir():
        yield Path(name)
        return
    enter_checkout()
    target = Path("data/work") / f"release-{os.getpid()}"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _dvc("get", ".", str(RELEASE), "--rev", name, "--out", str(target), capture=True)
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which `python` is the one that runs busgen."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, **QUIET, "PATH": path, **extra}


def _dvc(
    *arguments: str, capture: bool = False, environment: Mapping[str, str] | None = None
) -> str:
    return _call(
        [sys.executable, "-m", "dvc", *arguments], capture, _environment(environment or {})
    )


def _git(*arguments: str) -> str:
    return _call(["git", *arguments], True, None).strip()


def _call(command: Sequence[str], capture: bool, environment: Mapping[str, str] | None) -> str:
    done = subprocess.run(command, capture_output=capture, text=True, env=environment, check=False)
    if done.returncode:
        words = " ".join(command).replace(f"{sys.executable} -m ", "")
        said = (done.stderr or "see above").strip()
        raise UserError(f"`{words}` must succeed", said, "mend what it names and run again")
    return done.stdout or ""
