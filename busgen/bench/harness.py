"""What a benchmark returns, how it takes time and memory, and the record that reports it.

In: a benchmark's `measure()` and `BARS`, as `bars.toml` has them. Out: figures with n and interval,
and which bars hold.
"""

import importlib
import operator
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from busgen import seeds
from busgen.arrays import Bools, Floats, Names
from busgen.code import ROOT
from busgen.errors import UserError
from busgen.io import dumps, read_json, read_toml, write_text
from busgen.pipeline import run_git
from busgen.stats import patients
from busgen.stats.patients import Score, mean_score
from busgen.stats.proportions import wilson_interval

NAMES = (
    "priors", "masks", "phantom", "factory", "index", "real", "images", "quality", "downstream",
    "texts", "release", "users",
)  # fmt: skip
THREADS = 2  # of a process that is measured
Clock = Callable[[], float]
Numbers = dict[str, float]
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt}


@dataclass(frozen=True)
class Figure:
    """One measured value; `interval` is stated by each benchmark (range or 95 % interval)."""

    value: float
    unit: str
    n: int
    interval: tuple[float, float] | None = None


Figures = dict[str, Figure]  # by their names


@dataclass(frozen=True)
class Bar:
    """What a figure must reach: `op` is ``">="``, ``"<="`` or ``">"``."""

    op: str
    bound: float


def read_bars(name: str) -> dict[str, Bar]:
    """Return the bars of benchmark `name`, by figure, as `bars.toml` lists them."""
    listed = read_toml(Path(__file__).with_name("bars.toml"))
    return {key: Bar(*bar) for key, bar in listed[name].items()}


def share(hits: int, n: int) -> Figure:
    """Return `hits` of `n` as a share with its 95 % Wilson interval; 0 of none."""
    return Figure(hits / max(n, 1), "share", n, wilson_interval(hits, n))


def median_figure(values: list[float], unit: str, n: int) -> Figure:
    """Return the median of repeated measurements with their range."""
    return Figure(median(values), unit, n, (min(values), max(values)))


def figure_of(score: Mapping[str, Any], unit: str) -> Figure:
    """Return a recorded score (`value`, `n`, `interval`) as a figure."""
    low, high = score["interval"]
    return Figure(score["value"], unit, score["n"], (low, high))


def interval(score: Score, groups: Names, unit: str, stream: str) -> Figure | None:
    """Return `score` of rows 0 ... N - 1 with its 95 % bootstrap over patients, `groups` (N,).

    None where it has no value. `stream` names the random numbers that draw the patients.
    """
    value = score(np.arange(len(groups))) if len(groups) else float("nan")
    if isnan(value):
        return None
    low, high = patients.interval(score, groups, seeds.rng(0, stream))
    return Figure(value, unit, len(groups), (low, high))


def mean(values: Floats, groups: Names, unit: str, stream: str) -> Figure | None:
    """Return the mean of (N,) values with its interval over patients; NaN are left out."""
    known = ~np.isnan(values)
    return interval(mean_score(values[known]), groups[known], unit, stream)


def auc_score(outcomes: Bools, probabilities: Floats) -> Score:
    """Return the mean AUC of several classifiers, (K, N) outcomes and probabilities, of rows."""
    from busgen.stats.roc import auc  # brings SciPy, whose memory is not to be measured

    pairs = list(zip(outcomes, probabilities, strict=True))
    return lambda rows: float(np.mean([auc(own[rows], said[rows]) for own, said in pairs]))


def drop_missing(figures: Mapping[str, Figure | None]) -> Figures:
    """Return the figures that could be measured."""
    return {name: figure for name, figure in figures.items() if figure is not None}


def measure_time(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Return the seconds that `work` takes."""
    start = clock()
    work()
    return clock() - start


def read_peak() -> float:
    """Return this process's peak of resident memory, GiB.

    Unlike getrusage's, it leaves out what was there before Python started.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(dict(line.split(":", 1) for line in lines)["VmHWM"].split()[0]) / 2**20


def run_python(folder: Path, *arguments: str, **environment: str) -> None:
    """Run this Python in `folder` with the checkout importable; its own words on failure."""
    root = folder if (folder / "flows").is_dir() else ROOT  # a clone has its own busgen and flows
    command, own = [sys.executable, *arguments], {"PYTHONPATH": str(root), **environment}
    done = subprocess.run(command, cwd=folder, env={**os.environ, **own}, capture_output=True,
                          text=True, check=False)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")


def run_process(work: Callable[..., Numbers], folder: Path, *arguments: object) -> Numbers:
    """Run a module's function in a process of its own; return its record with its memory.

    `arguments` are numbers, or given as text; ``memory_gib`` is the peak of the process, which
    works in `folder` with `THREADS`.
    """
    record = folder / "record.json"
    given = ", ".join(repr(a if isinstance(a, int) else str(a)) for a in arguments)
    code = (
        f"from {work.__module__} import {work.__name__} as work\n"
        f"from {__name__} import write_record\nwrite_record({str(record)!r}, work({given}))"
    )
    run_python(folder, "-c", code, OMP_NUM_THREADS=str(THREADS))
    return read_json(record)


def write_record(path: str, record: Numbers) -> None:
    """Write a record and this process's peak of memory to the file `path`."""
    write_text(Path(path), dumps(record | {"memory_gib": read_peak()}))


def run(name: str, *, quick: bool = False) -> dict[str, object]:
    """Run benchmark `name` and return its record; `quick` uses few samples, for rehearsal only.

    The bar of a figure that could not be measured does not hold.
    """
    if name not in NAMES:
        raise UserError("a benchmark must be known", repr(name), f"choose from {', '.join(NAMES)}")
    bench = importlib.import_module(f"busgen.bench.{name}.benchmark")
    figures: Figures = bench.measure(quick=quick)
    bars: dict[str, Bar] = bench.BARS
    return {
        "name": name,
        "commit": _commit(),
        "machine": _machine(),
        "figures": {key: asdict(figure) for key, figure in figures.items()},
        "bars": {
            key: asdict(bar) | {"holds": key in figures and reaches(figures[key], bar)}
            for key, bar in bars.items()
        },
    }


def reaches(figure: Figure, bar: Bar) -> bool:
    """Return whether a figure reaches its bar."""
    return bool(COMPARE[bar.op](figure.value, bar.bound))


def to_rows(record: dict[str, Any]) -> list[dict[str, object]]:
    """Return the record as rows for a table: figure, value, interval, n, bar, whether it holds."""
    rows: list[dict[str, object]] = []
    for key, figure in record["figures"].items():
        bar, ends = record["bars"].get(key), figure["interval"]
        shown = {
            "interval": "{:.4g} .. {:.4g}".format(*ends) if ends else "-",
            "n": figure["n"],
            "bar": f"{bar['op']} {bar['bound']:g}" if bar else "-",
            "holds": ("yes" if bar["holds"] else "NO") if bar else "-",
        }
        rows.append({"figure": key, "value": figure["value"], "unit": figure["unit"], **shown})
    return rows


def _commit() -> str:
    """Return the checkout's commit, with ``+changes`` where files differ, or ``installed``."""
    try:
        head = run_git("-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
        changed = run_git("-C", str(ROOT), "status", "--porcelain", "busgen", "flows")
        return head + ("+changes" if changed else "")
    except (OSError, UserError):
        return "installed"


def _machine() -> str:
    """Return processor, cores, memory and Python of this machine, in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    cpu = names[0] if names else platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cpu}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"
