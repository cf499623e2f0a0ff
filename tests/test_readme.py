"""README's figures name every bar, and no other."""

import importlib
import re
from pathlib import Path

from busgen.bench.harness import NAMES

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_every_bar_has_its_row_in_the_table_of_figures():
    table = README.split("## Figures")[1].split("\n## ")[0]
    shown = set(re.findall(r"^\| \w+ \| `(\w+)`", table, re.M))
    bars = {
        key
        for name in NAMES
        for key in importlib.import_module(f"busgen.bench.{name}.benchmark").BARS
    }
    assert shown == bars


def test_readme_says_that_nothing_is_for_clinical_use():
    assert "SYNTHETIC DATA - NOT FOR CLINICAL USE" in README
