"""Benchmark of the whole factory: rate, memory, cost of orchestration, time of `make dataset`.

In: a checkout. Out: figures; every run is a process of its own in a temporary folder. Rate, memory
and orchestration are those of the factory about the engine `ENGINE`; `make dataset` is as it ships.
"""

import resource
import shutil
import subprocess
from contextlib import chdir
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from busgen import io
from busgen.bench.harness import Figure, Figures, measure_time, median_figure, read_bars, run_python
from busgen.code import ROOT
from busgen.errors import UserError
from busgen.factory.rounds import count
from busgen.server import prefect_server

ENGINE = "phantom"  # the speed of learned engines is `bench images`'
PLAIN = """
from pathlib import Path
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.factory.rounds import run
from busgen.params.load import load_params
run(resolve(load_params().generate), Path("plain"), run_shards)
"""

BARS = read_bars("factory")


def measure(*, quick: bool = False) -> Figures:
    """Return the figures, intervals as ranges: twenty minutes on two cores, `quick` under two."""
    if not (ROOT / "dvc.yaml").is_file():
        raise UserError("this benchmark runs in a checkout", ROOT, "clone the repository")
    shards, size, pairs = (4, 16, 1) if quick else (20, 256, 2)
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        folder = Path(scratch)
        return _loop(folder, shards, size, pairs) | _dataset(folder)


def _loop(scratch: Path, shards: int, size: int, pairs: int) -> Figures:
    """Return rate and memory of the plain loop, and what the flow costs over it, in pairs."""
    request = {"n": size, "engine": ENGINE}
    io.write_text(scratch / "params.yaml", yaml.safe_dump({"generate": request}))
    run_python(scratch, "-c", PLAIN)
    small_gib = _peak()  # of the first child of this process
    request |= {"n": shards * size, "shard_size": size}
    io.write_text(scratch / "params.yaml", yaml.safe_dump({"generate": request}))
    plain_s, flow_s = [], []
    with chdir(scratch), prefect_server() as server:
        run_python(scratch, "-c", "import flows.generate")  # compiled once, as in any second run
        for _ in range(pairs):
            for folder in ("plain", "data"):
                shutil.rmtree(scratch / folder, ignore_errors=True)
            plain_s.append(measure_time(partial(run_python, scratch, "-c", PLAIN)))
            flow = partial(run_python, scratch, "-m", "flows.generate", PREFECT_API_URL=server.url)
            flow_s.append(measure_time(flow))
    rows = count(scratch / "plain/index.parquet")
    judged = sum(row["attempts"] for row in rows)
    accepted = sum(row["accepted"] for row in rows)
    costs = [flow / plain - 1 for flow, plain in zip(flow_s, plain_s, strict=True)]
    rates = [judged / seconds for seconds in plain_s]
    return {
        "judged_per_s": median_figure(rates, "1/s", judged),
        "acceptance": Figure(accepted / judged, "share", judged),
        "memory_gib": Figure(_peak(), "GiB", judged),
        "memory_small_gib": Figure(small_gib, "GiB", size),
        "orchestration": median_figure(costs, "share", shards),
    }


def _peak() -> float:
    """Return the largest resident memory of any child process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def _dataset(scratch: Path) -> Figures:
    """Return time and yield of `make dataset` in a fresh clone, without the installation."""
    clone = scratch / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    run = partial(run_python, clone, "-m", "busgen", "run")
    first_s, again_s = measure_time(run), measure_time(run)
    pairs = sum(row["accepted"] for row in count(clone / "data/release/index.parquet"))
    return {
        "dataset_s": Figure(first_s, "s", pairs),
        "dataset_again_s": Figure(again_s, "s", pairs),
        "dataset_pairs": Figure(pairs, "pairs", pairs),
    }
