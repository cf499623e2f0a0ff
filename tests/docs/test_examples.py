"""The programs in examples/ run, small; a notebook's cells are there."""

import json
import os
import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from documents import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(name: str, folder, **numbers: int) -> None:
    """Run an example in a folder, with other numbers in its constants."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    names = ", ".join(numbers)
    values = ", ".join(map(str, numbers.values()))
    text, found = re.subn(rf"^{names} = [\d, ]+$", f"{names} = {values}", text, flags=re.M)
    assert found == 1, names
    (folder / name).write_text(text, encoding="utf-8")
    kept = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, name], cwd=folder, env=kept, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_examples_are_two_notebooks_as_scripts():
    assert [path.stem for path in EXAMPLES] == ["engineer", "researcher"]
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        assert "format_name: percent" in text
        assert text.count("# %% [markdown]") >= 4
        assert "NOT FOR CLINICAL USE" in text


def test_a_researcher_generates_looks_and_trains(tmp_path):
    run("researcher.py", tmp_path, N=10, STEPS=3, SIDE=64)
    out = tmp_path / "researcher"
    assert (out / "look.png").stat().st_size > 10_000
    assert (out / "dice.txt").read_text().startswith("Dice on 1 synthetic")
    assert len(pq.read_table(out / "release/index.parquet")) >= 10


@pytest.mark.slow
def test_an_engineer_goes_from_own_data_to_versions(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("BUSGEN_REAL", str(real_data.resolve()))
    run("engineer.py", tmp_path, N=8)
    out = tmp_path / "engineer"
    assert "breast" in json.loads((out / "prior.checks.json").read_text())["fit"]["sources"]
    assert json.loads((out / "diff.json").read_text())
    assert (out / "coco").is_dir()
