"""What a benchmark returns, and the one JSON line that reports it.

In: a benchmark's `measure()` and `BARS`. Out: figures with n and interval, and which bars hold.
"""

import importlib
import json
import operator
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from busgen.code import ROOT
from busgen.errors import UserError
from busgen.stats.proportions import wilson_interval

NAMES = ("masks", "phantom", "factory", "index", "real", "images", "quality", "downstream", "texts")
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt}


@dataclass(frozen=True)
class Figure:
    """One measured value; `interval` is stated by each benchmark (range or 95 % interval)."""

    value: float
    unit: str
    n: int
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bar:
    """What a figure must reach: `op` is ``">="``, ``"<="`` or ``">"``."""

    op: str
    bound: float


def share(hits: int, n: int) -> Figure:
    """Return `hits` of `n` as a share with its 95 % Wilson interval."""
    return Figure(hits / n, "share", n, wilson_interval(hits, n))


def run(name: str, *, quick: bool = False) -> dict[str, object]:
    """Run benchmark `name` and return its record; `quick` uses few samples, for rehearsal only.

    The bar of a figure that could not be measured does not hold.
    """
    if name not in NAMES:
        raise UserError("a benchmark must be known", repr(name), f"choose from {', '.join(NAMES)}")
    bench = importlib.import_module(f"busgen.bench.{name}.benchmark")
    figures: dict[str, Figure] = bench.measure(quick=quick)
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
        bar = record["bars"].get(key)
        low_high = figure["interval"]
        rows.append(
            {
                "figure": key,
                "value": figure["value"],
                "unit": figure["unit"],
                "interval": "-" if low_high is None else "{:.4g} .. {:.4g}".format(*low_high),
                "n": figure["n"],
                "bar": f"{bar['op']} {bar['bound']:g}" if bar else "-",
                "holds": ("yes" if bar["holds"] else "NO") if bar else "-",
            }
        )
    return rows


def to_line(record: dict[str, object]) -> str:
    """Return the record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def _commit() -> str:
    """Return the checkout's commit, with ``+changes`` where files differ, or ``installed``."""
    try:
        head = _git(ROOT, "rev-parse", "--short=12", "HEAD")
        return head + ("+changes" if _git(ROOT, "status", "--porcelain", "busgen", "flows") else "")
    except (OSError, subprocess.CalledProcessError):
        return "installed"


def _machine() -> str:
    """Return processor, cores, memory and Python of this machine, in words."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            x.split(":")[1].strip() for x in info.read_text().splitlines() if "model name" in x
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cpu}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
