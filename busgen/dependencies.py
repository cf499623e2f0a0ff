"""Code that each stage of the pipeline depends on: one hash a stage, in `flows/code.yaml`.

In: dvc.yaml. Out: the text of `flows/code.yaml`, which DVC compares as parameters. A hash covers
what the stage's flow imports; comments and docstrings are in none, so that they remake nothing.
"""

from pathlib import Path

import yaml

from busgen.code import code_sha256

PIPELINE, CODE = Path("dvc.yaml"), Path("flows/code.yaml")
HEAD = "# Written by `busgen run` and `busgen dev deps --write`: the hash of each stage's code.\n"
CHARS = 16


def write_code_hashes(checkout: Path) -> None:
    """Write `flows/code.yaml` of a checkout, if it differs."""
    path, text = checkout / CODE, code_hashes(checkout)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def code_hashes(checkout: Path) -> str:
    """Return what `flows/code.yaml` must hold."""
    content = yaml.safe_load((checkout / PIPELINE).read_text(encoding="utf-8"))
    stages = {name: stage.get("do", stage) for name, stage in content["stages"].items()}
    hashes = {name: code_sha256(_flow(stage["cmd"]))[:CHARS] for name, stage in stages.items()}
    return HEAD + yaml.safe_dump(hashes, sort_keys=False)


def _flow(command: str) -> str:
    """Return the module that a stage's command runs: ``exec python -m flows.NAME ...``."""
    return command.split(" -m ")[1].split()[0]
