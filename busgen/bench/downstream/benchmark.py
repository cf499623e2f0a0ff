"""Benchmark of the comparison downstream: its time, and what made images are worth.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout. Out: figures, by
the claims that were fixed beforehand (`docs/method/claims.md`): ways to use synthetic images are
tried with one seed, one is chosen by validation patients, then base, way and synthetic alone are
trained with three. All that takes long is kept in data/work/bench-downstream: an interrupted
benchmark goes on. Intervals are 95 % over patients and seeds.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from busgen.bench.downstream import claims
from busgen.bench.harness import Figure, Figures, figure_of, measure_time, read_bars
from busgen.bench.real import reading
from busgen.code import ROOT
from busgen.downstream import arms, library, runs
from busgen.downstream.data.real_images import open_set, read_images
from busgen.downstream.learner import Recipe
from busgen.downstream.library import PREDICTIONS
from busgen.downstream.models.registry import TASKS
from busgen.downstream.plan import PRESETS, RECIPES, Request, plan
from busgen.downstream.results.compare import HEADLINE
from busgen.factory.library import make_release
from busgen.factory.plan import resolve
from busgen.folders import remove_written
from busgen.io import dumps, read_json, write_text
from busgen.params.downstream import SEEDS
from busgen.params.gates import DEFAULT_GATES
from busgen.params.generate import GenerateParams
from busgen.params.load import Params

WORK = ROOT / "data" / "work" / "bench-downstream"
LOW = "@10"  # the arms of a tenth of the patients
PRESET = "pretrained"
RATIO = 2  # made images for each real one, the most that the table takes
SPARE = 1.06  # for findings without a lesion, and those that stay unfilled
FEW = 30  # images up to this number are read in a rehearsal
CLOCK = "seconds.json"  # what earlier goes took
Results = Iterable[Mapping[str, Any]]  # of the comparison

BARS = read_bars("downstream")


@dataclass(frozen=True)
class Size:
    """How much is done: trainings of an arm, how long each, what the generator makes."""

    seeds: int = SEEDS
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: PRESETS[PRESET])
    generate: GenerateParams = field(default_factory=GenerateParams)


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; takes some hours of two cores, or what is left of them.

    `quick`, some two minutes, takes a few images and steps: a rehearsal, no result.
    """
    source = reading.find_folder()
    if not quick:
        return figures(source, WORK, Size())
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        few = reading.link_folder(source, Path(scratch) / "few", lambda number: number <= FEW)
        return figures(few, Path(scratch) / "work", _rehearse())


def _rehearse() -> Size:
    """Return what a rehearsal does: one seed, few steps, whatever the gates say of the images."""
    off = {"action": "off"}
    gates = {name: gate.model_copy(update=off) for name, gate in DEFAULT_GATES.items()}
    few = {task: replace(usual, steps=2, looks=2) for task, usual in PRESETS[PRESET].items()}
    return Size(1, few, GenerateParams(steps=1, gates=gates))


def figures(source: Path, work: Path, size: Size) -> Figures:
    """Read, generate, compare in `work`, what is done there left as it is; return the figures."""
    work.mkdir(parents=True, exist_ok=True)
    reading.run(source, work / "real", work)
    real = read_images(open_set(work / "real"))
    largest = max(len(own["train"]) for own in real.values() if "train" in own)
    release, measured = _generate(largest, work, size)
    usual = Request(
        release, work / "real", work / "ways", arms=(arms.BASE, *claims.WAYS), seeds=1,
        recipes=size.recipes, folds=1, preset=PRESET,
    )  # fmt: skip
    tried, measured["ways_s"] = run(usual, work)
    measured |= claims.measure_ways(tried)
    ways = claims.choose_ways(tried)
    table, low = [], []
    for task, way in ways.items():
        own = replace(usual, tasks=(task,), seeds=size.seeds)
        three = (arms.BASE, way, "synthetic", arms.POOLED)
        table.append(replace(own, out=work / f"table-{task}", arms=three))
        low.append(replace(own, out=work / f"low-{task}", arms=(arms.BASE + LOW, way + LOW)))
    records, seconds = zip(*(run(one, work) for one in table), strict=True)
    measured["table_s"] = _add(seconds)
    measured["table_again_s"] = Figure(
        sum(measure_time(partial(compare, one)) for one in table), "s", measured["table_s"].n
    )
    levelled = [claims.count_levelled(record) for record in records]
    measured["base_levelled_off"] = Figure(
        sum(one.value for one in levelled), "", sum(one.n for one in levelled)
    )
    results = [one for record in records for one in record["results"]]
    measured |= measure_gains(results, ways, "gain", "claim_a")
    measured |= measure_gaps(results)
    predicted = pd.concat([pd.read_parquet(one.out / PREDICTIONS) for one in table])
    measured |= claims.measure_transfer(predicted, ways) | claims.measure_rare(predicted, ways)
    few, seconds = zip(*(run(one, work) for one in low), strict=True)
    measured["low_data_s"] = _add(seconds)
    results = [one for record in few for one in record["results"]]
    few_ways = {task: way + LOW for task, way in ways.items()}
    measured |= measure_gains(results, few_ways, "gain_10", "claim_b")
    with TemporaryDirectory(dir=work) as scratch:
        quick = replace(
            usual, out=Path(scratch) / "quick", arms=(), seeds=None, folds=None, quick=True,
            preset="small", recipes=None if size.seeds > 1 else _hurry(),
        )  # fmt: skip
        seconds = measure_time(lambda: compare(quick))
        measured["quick_s"] = Figure(seconds, "s", len(plan(quick).jobs))
    return measured


def _hurry() -> Mapping[str, Recipe]:
    return {task: replace(usual, steps=4, looks=2) for task, usual in RECIPES.items()}


def _add(seconds: Sequence[Figure]) -> Figure:
    """Return the seconds of several comparisons, n the number of their trainings."""
    return Figure(sum(one.value for one in seconds), "s", sum(one.n for one in seconds))


def _generate(largest: int, work: Path, size: Size) -> tuple[Path, Figures]:
    """Make the release, large enough for the `largest` training set; its folder, n, seconds."""
    request = size.generate.model_copy(update={"n": ceil(RATIO * SPARE * largest)})
    release = work / f"release-{resolve(request).sha256[:16]}"
    for old in set(work.glob("release-*")) - {release}:
        remove_written(old)
    stood = release.is_dir()
    took = measure_time(lambda: make_release(Params(generate=request), release))
    seconds = _read_seconds(work).get("generate_s", 0.0) if stood else took
    write_text(work / CLOCK, dumps(_read_seconds(work) | {"generate_s": seconds}))
    return release, {"generate_s": Figure(seconds, "s", request.n)}


def run(request: Request, work: Path) -> tuple[dict[str, Any], Figure]:
    """Carry a comparison out, or the rest of it; return its record and the seconds of the whole.

    These are the seconds of all trainings, shared by the workers, and those of reading and
    comparing: the most that any go took for them. n counts trainings.
    """
    start, jobs = time.monotonic(), plan(request).jobs
    left = [job for job in jobs if not job.is_done]
    record = compare(request)
    other = time.monotonic() - start - _seconds(left) / request.workers
    key = f"{request.out.name}_other_s"
    other = max(other, _read_seconds(work).get(key, 0.0))
    write_text(work / CLOCK, dumps(_read_seconds(work) | {key: other}))
    return record, Figure(_seconds(jobs) / request.workers + other, "s", len(jobs))


def compare(request: Request) -> dict[str, Any]:
    """Return the record of a comparison, as `busgen downstream` makes it."""
    return library.run(plan(request), lambda _: None, lambda _: None)[0]


def _seconds(jobs: Iterable[runs.Job]) -> float:
    """Return the seconds of trainings and tests, each in a thread; of killed ones the last go's."""
    return sum(float(read_json(job.folder / runs.RECORD)["seconds"]) for job in jobs)


def _read_seconds(work: Path) -> dict[str, float]:
    """Return the seconds that earlier goes took."""
    return read_json(work / CLOCK) if (work / CLOCK).is_file() else {}


def measure_gains(results: Results, ways: Mapping[str, str], name: str, claim: str) -> Figures:
    """Return what a task's way gains on each training set.

    And of how many of them the interval is above zero, and below.
    """
    measured: Figures = {}
    for task, arm in ways.items():
        own = _gains(results, task, arm)
        measured |= {f"{name}_{HEADLINE[task]}_{train}": one for train, one in own.items()}
    ends = [one.interval or (0.0, 0.0) for one in measured.values()]
    above, below = sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)
    counts = {f"{claim}_above_zero": above, f"{claim}_below_zero": below}
    return measured | {key: Figure(float(count), "", len(ends)) for key, count in counts.items()}


def measure_gaps(results: Results) -> Figures:
    """Return by how much synthetic alone falls short of real + augmentation, and the largest."""
    measured: Figures = {}
    for task in TASKS:
        name = f"synthetic_only_{HEADLINE[task]}_gap"
        short = {}
        for train, one in _gains(results, task, "synthetic").items():
            low, high = one.interval or (0.0, 0.0)
            short[train] = replace(one, value=-one.value, interval=(-high, -low))
        measured |= {f"{name}_{train}": one for train, one in short.items()}
        if short:
            measured[name] = max(short.values(), key=lambda one: one.value)
    return measured


def _gains(results: Results, task: str, arm: str) -> Figures:
    """Return an arm's gain over its base on each training set's own test patients."""
    found = {}
    for one in results:
        own = one["train"] == one["test"] and (one["task"], one["arm"]) == (task, arm)
        if own and "gain" in one:
            metric = HEADLINE[task]
            patients = one["metrics"][metric]["patients"]
            found[one["train"]] = figure_of(one["gain"] | {"n": patients}, claims.UNITS[metric])
    return found
