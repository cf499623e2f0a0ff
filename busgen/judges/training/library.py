"""Training of the judges as a function call: canonical folders in, a folder of judges out.

In: what `busgen real ... --out` wrote, parameters. Out: weights, scores, cards; no server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from busgen import folders
from busgen.judges.training import stage
from busgen.judges.training.evidence import JUDGES, publish
from busgen.learning.presets import Presets
from busgen.params.train_judges import TrainJudgesParams
from busgen.real.cohort import find_cohort, find_tables

_QUICK = {"epochs": 1, "members": 1}
PRESETS: Presets = MappingProxyType(
    {"rehearsal": {"segmenter": _QUICK, "classifier": _QUICK | {"blind": 0}}}
)


@dataclass(frozen=True)
class Training:
    """A training that can start: its tables, its crops, where it works and where it ends."""

    params: TrainJudgesParams
    tables: tuple[Path, ...]
    cohort: Path
    splits: stage.Folders
    work: Path
    out: Path
    plan: stage.Plan


def resolve(folder: Path, out: Path, params: TrainJudgesParams) -> Training:
    """Return the training on the canonical data in `folder`; its crops are read.

    Raises `UserError` if `folder` has no canonical data, or `out` holds other things.
    """
    folders.require_replaceable(out, JUDGES)
    tables, cohort = find_tables(folder), find_cohort(folder)
    work = stage.work_folder(tables, cohort, params, folders.work_path(out))
    splits = stage.prepare(tables, cohort, work)
    plan = stage.plan(params, splits["train"], work)
    return Training(params, tuple(tables), cohort, splits, work, out, plan)


def train(training: Training, tick: Callable[[int], None]) -> dict[str, Any]:
    """Train, score and write the judges; return what `scores.json` holds.

    `tick` gets the number of crops examined. What a killed training did is not done again.
    """
    request, work = training, training.work
    mapped = partial(stage.map_jobs, workers=request.params.workers, tick=tick)
    with folders.lock_folder(request.out, JUDGES):
        stage.train(request.plan, request.splits, work, mapped)
        trained = work / stage.TRAINED
        record = publish(trained, request.params, request.tables, request.cohort, request.out)
        folders.clear_work(request.out)
    return record
