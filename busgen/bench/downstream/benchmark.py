"""Benchmark of the comparison downstream: its time, and what made images are worth.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout. Out: figures. All
that takes long is kept in data/work/bench-downstream: an interrupted benchmark goes on. Values are
on each training set's own test patients, intervals 95 % over patients and seeds.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from busgen.bench.harness import Figure, Figures, figure_of, measure_time, read_bars
from busgen.bench.real import reading
from busgen.code import ROOT
from busgen.downstream import arms, library, runs
from busgen.downstream.data.real_images import open_set, read_images
from busgen.downstream.learner import Recipe
from busgen.downstream.models.registry import TASKS
from busgen.downstream.plan import LEAST_FOLDS, RECIPES, Request, plan
from busgen.downstream.results.compare import HEADLINE
from busgen.factory.library import make_release
from busgen.factory.plan import resolve
from busgen.folders import remove_written
from busgen.io import dumps, read_json, write_text
from busgen.params.downstream import FOLDS, SEEDS
from busgen.params.gates import DEFAULT_GATES
from busgen.params.generate import GenerateParams
from busgen.params.load import Params

WORK = ROOT / "data" / "work" / "bench-downstream"
LOW = "@10"  # the arms of a tenth of the patients
LOW_ARMS = (arms.BASE + LOW, arms.PRIMARY + LOW)
RATIO = 2  # made images for each real one, the most that the table takes
SPARE = 1.06  # for findings without a lesion, and those that stay unfilled
FEW = 30  # images up to this number are read in a rehearsal
CLOCK = "seconds.json"  # what earlier goes took
Results = Iterable[Mapping[str, Any]]  # of the comparison

UNITS = {"auc": "AUC", "dice": "Dice"}
BARS = read_bars("downstream")


@dataclass(frozen=True)
class Size:
    """How much is done: trainings of an arm, folds, how long each, what the generator makes."""

    seeds: int = SEEDS
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: RECIPES)
    generate: GenerateParams = field(default_factory=GenerateParams)
    folds: int = FOLDS


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
    recipes = {task: replace(usual, steps=4, looks=2) for task, usual in RECIPES.items()}
    return Size(1, recipes, GenerateParams(steps=1, gates=gates), LEAST_FOLDS)


def figures(source: Path, work: Path, size: Size) -> Figures:
    """Read, generate, compare in `work`, what is done there left as it is; return the figures."""
    work.mkdir(parents=True, exist_ok=True)
    reading.run(source, work / "real", work)
    real = read_images(open_set(work / "real"))
    largest = max(len(own["train"]) for own in real.values() if "train" in own)
    release, measured = _generate(largest, work, size)
    usual = Request(
        release, work / "real", work / "table", seeds=size.seeds, recipes=size.recipes,
        folds=size.folds,
    )  # fmt: skip
    low = replace(usual, out=work / "low", arms=LOW_ARMS)
    table, measured["table_s"] = run(usual, work)
    again = measure_time(lambda: compare(usual))
    measured["table_again_s"] = Figure(again, "s", measured["table_s"].n)
    measured |= _measure_gains(table["results"], arms.PRIMARY, "gain", "primary_above_zero")
    measured |= _measure_gaps(table["results"])
    few, measured["low_data_s"] = run(low, work)
    measured |= _measure_gains(few["results"], LOW_ARMS[1], "gain_10", "primary_above_zero_10")
    with TemporaryDirectory(dir=work) as scratch:
        quick = replace(usual, out=Path(scratch) / "quick", seeds=None, folds=None, quick=True)
        seconds = measure_time(lambda: compare(quick))
        measured["quick_s"] = Figure(seconds, "s", len(plan(quick).jobs))
    return measured


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


def _measure_gains(results: Results, arm: str, name: str, count: str) -> Figures:
    """Return what an arm gains on each training set, and of how many the interval is above zero."""
    measured: Figures = {}
    above: Figures = {}
    for task in TASKS:
        own = _gains(results, task, arm)
        measured |= {f"{name}_{HEADLINE[task]}_{train}": one for train, one in own.items()}
        held = [one.interval is not None and one.interval[0] > 0 for one in own.values()]
        above[f"{count}_{task}"] = Figure(sum(held), "", len(own))
    return measured | above


def _measure_gaps(results: Results) -> Figures:
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
            found[one["train"]] = figure_of(one["gain"] | {"n": patients}, UNITS[metric])
    return found
