"""A checkout as users have one: a clone of the working tree, and its commands."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import yaml

from busgen.cli import main
from busgen.server import prefect_server

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PIPELINE = (BIN / "dvc").exists() and (BIN / "prefect").exists()
SERVER: dict[str, str] = {}  # where the server of `one_server` is, while there is one
NEEDED = "needs dvc and prefect: pip install '.[pipeline]'"


def small_clone(folder: Path) -> Path:
    """Make a clone with this working tree's files and small parameters, committed; return it."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    small = {"n": 60, "size_px": 64, "shard_size": 16, "max_attempts": 30}
    change(folder, "generate", engine="phantom", mask_engine="curvature", **small)
    (folder / "busgen/assets/reference/features.safetensors").unlink()  # no network in each run
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "small", "--allow-empty")
    return folder


def environment(clone: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "GIT_"))}
    identity = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t",
                "GIT_COMMITTER_EMAIL": "t@t"}  # fmt: skip
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return (
        kept | SERVER | identity | {"PYTHONPATH": str(clone), "PATH": path, "DVC_NO_ANALYTICS": "1"}
    )


def call(clone: Path, *words: object, code: int = 0) -> str:
    done = subprocess.run(list(map(str, words)), cwd=clone, env=environment(clone),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def one_server(folder: Path) -> Iterator[None]:
    """Run a Prefect server in `folder`: to what is called in a clone meanwhile, the user's own."""
    with ExitStack() as stack:
        with chdir(folder):
            url = stack.enter_context(prefect_server()).url
        stack.enter_context(patch.dict(SERVER, PREFECT_API_URL=url))
        yield


def run(clone: Path, *words: object, code: int = 0) -> str:
    """Run the pipeline in a process of its own, and return what was said."""
    return call(clone, sys.executable, "-m", "busgen", "run", *words, code=code)


def busgen(clone: Path, *words: object, code: int = 0) -> str:
    """Run another command in this process, which has imported what it needs."""
    phrases, ended = io.StringIO(), 0
    with (
        chdir(clone),
        patch.dict(os.environ, environment(clone), clear=True),
        patch.object(sys, "argv", ["busgen", *map(str, words)]),
        redirect_stdout(phrases),
        redirect_stderr(phrases),
    ):
        try:
            main()
        except SystemExit as end:
            ended = int(end.code or 0)
    assert ended == code, phrases.getvalue()
    return phrases.getvalue()


def change(clone: Path, section: str, **values) -> None:
    path = clone / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params[section] |= values
    path.write_text(yaml.safe_dump(params))


def stages_run(said: str) -> list[str]:
    """Return the stages that a run said it began."""
    return re.findall(r"(?m)^begins: (\w+(?:@\w+)?), ", said)
