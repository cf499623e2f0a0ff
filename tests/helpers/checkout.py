"""A checkout as users have one: a clone of the working tree, and its commands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PIPELINE = (BIN / "dvc").exists() and (BIN / "prefect").exists()
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
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "small", "--allow-empty")
    return folder


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
    return call(clone, sys.executable, "-m", "busgen", *words, code=code)


def change(clone: Path, section: str, **values) -> None:
    path = clone / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params[section] |= values
    path.write_text(yaml.safe_dump(params))


def stages_run(said: str) -> list[str]:
    return re.findall(r"Running stage '(\w+(?:@\w+)?)'", said)
