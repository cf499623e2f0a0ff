"""Real data from cold output: time, time of an unchanged rerun, memory at two sizes.

In: published datasets. Out: their canonical folders with the cohort, and figures. Every run is
the command `busgen real` in a process of its own, which tells its own peak of memory.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from busgen.bench.factory.benchmark import measure_time, run_python
from busgen.bench.harness import Figure
from busgen.real.cohort import FILE, load_cohort

FOLDERS = MappingProxyType({"breast": "BrEaST", "bus_bra": "BUS-BRA", "busi": "BUSI"})
TOLD = "VmHWM"  # unlike getrusage's, this peak leaves out what was there before Python started
MEASURED = f"""
import sys
from pathlib import Path
from busgen.cli import app
*words, told = sys.argv[1:]
app(words, standalone_mode=False)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
Path(told).write_text(status["{TOLD}"].split()[0])
"""


@dataclass(frozen=True)
class Run:
    """One run of `busgen real`: seconds, peak memory, images that were read."""

    seconds: float
    gib: float
    images: int


def figures(source: Path, made: Path, scratch: Path) -> dict[str, Figure]:
    """Read, clean and split the datasets in `source` into `made`, and return what it took.

    `read_memory_growth` is the peak with all images over that with a third of them.
    """
    whole = run(source, made, scratch)
    again = run(source, made, scratch)
    some = link_folder(source, scratch / "third", lambda number: number % 3 == 0)
    third = run(some, scratch / "third-made", scratch)
    return {
        "read_clean_split_s": Figure(whole.seconds, "s", whole.images),
        "read_again_s": Figure(again.seconds, "s", again.images),
        "read_memory_gib": Figure(whole.gib, "GiB", whole.images),
        "read_memory_third_gib": Figure(third.gib, "GiB", third.images),
        "read_memory_growth": Figure(whole.gib / third.gib, "ratio", whole.images),
    }


def run(source: Path, made: Path, scratch: Path) -> Run:
    """Run `busgen real` on all datasets in `source`, written to `made`."""
    named = [f"{name}={source / folder}" for name, folder in FOLDERS.items()]
    told = scratch / "peak.txt"
    words = ("-c", MEASURED, "real", *named, "--out", str(made), str(told))
    seconds = measure_time(partial(run_python, scratch, *words))
    images = load_cohort(made / "cohort" / FILE).num_rows
    return Run(seconds, int(told.read_text()) / 2**20, images)


def link_folder(source: Path, target: Path, keep: Callable[[int], bool]) -> Path:
    """Return `target`, made of links to all tables in `source` and to the images to `keep`.

    `keep` is asked for the first number in an image's name, which its masks share.
    """

    def skip(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name.endswith(".png") and not keep(_number(name))}

    for folder in FOLDERS.values():
        shutil.copytree(source / folder, target / folder, ignore=skip, copy_function=os.symlink)
    return target


def _number(name: str) -> int:
    found = re.search(r"\d+", name)
    return int(found[0]) if found else 0
