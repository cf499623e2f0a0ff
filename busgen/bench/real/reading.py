"""Real data from cold output: time, time of an unchanged rerun, memory at two sizes.

In: published datasets. Out: their canonical folders with the cohort, and figures. Every run is
the command `busgen real` in a process of its own, which tells its own peak of memory.
"""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from busgen.bench.harness import Figure, Figures, measure_time, run_python
from busgen.code import ROOT
from busgen.errors import UserError
from busgen.real.cohort import FILE, find_tables, load_cohort

FOLDERS: Mapping[str, str] = {"breast": "BrEaST", "bus_bra": "BUS-BRA", "busi": "BUSI"}
MEASURED = """
import sys
from pathlib import Path
from busgen.cli import app
*words, told = sys.argv[1:]
app(words, standalone_mode=False)
from busgen.bench.harness import read_peak
Path(told).write_text(str(read_peak()))
"""


def figures(source: Path, folder: Path, scratch: Path) -> Figures:
    """Read, clean and split the datasets in `source` into `folder`, and return what it took.

    `read_memory_growth` is the peak with all images over that with a third of them.
    """
    whole_s, whole_gib, n = run(source, folder, scratch)
    again_s, *_ = run(source, folder, scratch)
    some = link_folder(source, scratch / "third", lambda number: number % 3 == 0)
    _, third_gib, n_third = run(some, scratch / "third-made", scratch)
    return {
        "read_clean_split_s": Figure(whole_s, "s", n),
        "read_again_s": Figure(again_s, "s", n),
        "read_memory_gib": Figure(whole_gib, "GiB", n),
        "read_memory_third_gib": Figure(third_gib, "GiB", n_third),
        "read_memory_growth": Figure(whole_gib / third_gib, "ratio", n),
    }


def run(source: Path, folder: Path, scratch: Path) -> tuple[float, float, int]:
    """Run `busgen real` on all datasets in `source`, written to `folder`.

    Returns seconds, peak memory (GiB), images that were read.
    """
    named = [f"{name}={source / own}" for name, own in FOLDERS.items()]
    measured = scratch / "peak.txt"
    words = ("-c", MEASURED, "real", *named, "--out", str(folder), str(measured))
    seconds = measure_time(partial(run_python, scratch, *words))
    images = load_cohort(folder / "cohort" / FILE).num_rows
    return seconds, float(measured.read_text()), images


def find_folder() -> Path:
    """Return the folder of the public datasets as published; `UserError` where one is missing."""
    folder = Path(os.environ.get("BUSGEN_REAL", ROOT.parent / "shared" / "data"))
    missing = [name for name in FOLDERS.values() if not (folder / name).is_dir()]
    if missing:
        rule = "this benchmark needs BrEaST, BUS-BRA and BUSI as published"
        remedy = "set BUSGEN_REAL to the folder that holds them"
        raise UserError(rule, f"no {missing[0]} in {folder}", remedy)
    return folder


def read_tables(folder: Path, scratch: Path) -> tuple[list[Path], Path]:
    """Return tables and the cohort's file of the datasets, read to `folder` where not there yet."""
    run(find_folder(), folder, scratch)
    return find_tables(folder), folder / "cohort" / FILE


def link_folder(source: Path, target: Path, keep: Callable[[int], bool]) -> Path:
    """Return `target`, made of links to all tables in `source` and to the images to `keep`.

    `keep` is asked for the first number in an image's name, which its masks share.
    """

    def number(name: str) -> int:
        found = re.search(r"\d+", name)
        return int(found[0]) if found else 0

    def skip(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name.endswith(".png") and not keep(number(name))}

    for folder in FOLDERS.values():
        shutil.copytree(source / folder, target / folder, ignore=skip, copy_function=os.symlink)
    return target
