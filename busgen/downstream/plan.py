"""Which models are to be trained for what is asked, and whether they can be.

In: paths and names. Out: a `Plan`: each run with the fingerprints of what it looks at; no picture
is decoded, nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from busgen.downstream import arms, runs
from busgen.downstream.cases import Pictures, Real, read_real, real_in
from busgen.downstream.learner import Recipe
from busgen.downstream.made import Made, read_made
from busgen.downstream.models import TASKS, Model, model_of
from busgen.errors import UserError
from busgen.io import require_vacant

ASKED = "asked.json"  # marks a folder as one of ours
SEEDS = 3
RECIPES = {"classification": Recipe(600), "segmentation": Recipe(500)}
QUICK_TRAIN = ("bus_bra", "busi", "breast", "bus_uclm", "udiat")  # the first that is there


@dataclass(frozen=True)
class Asked:
    """What is to be compared; `train`, `arms` and `tasks` that are empty stand for the usual.

    `real` is a folder, as `busgen real --out` writes it, or its tables and their cohort apart;
    `models` task -> import path of a user's model; `saw` what the user says of the generator's
    patients; `quick` one training set, three arms, one seed.
    """

    data: Path
    real: Path | Real
    out: Path
    train: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    seeds: int | None = None
    models: Mapping[str, str | None] = field(default_factory=dict)
    saw: str | None = None
    quick: bool = False
    workers: int = 2
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: RECIPES)

    @property
    def runs_a_cell(self) -> int:
        """Seeds of each arm."""
        usual = 1 if self.quick else SEEDS
        return usual if self.seeds is None else self.seeds


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison, and the pictures that they need."""

    asked: Asked
    made: Made
    real: Mapping[str, Mapping[str, Pictures]]
    jobs: tuple[runs.Job, ...]


def plan(asked: Asked) -> Plan:
    """Return the runs that are asked for, everything read and checked, nothing written.

    Raises
    ------
    UserError
        If a name is unknown, a folder does not hold what it must, or nothing can be trained.
    """
    folder = asked.real if isinstance(asked.real, Real) else real_in(asked.real)
    names = folder.names
    models = _checked(asked, names)
    train = asked.train or _usual(asked, names)
    made = read_made(asked.data, asked.saw)
    chosen = [arms.arm_of(name) for name in asked.arms or _usual_arms(asked, made.saw, len(names))]
    real = read_real(folder)
    jobs = [
        _job(asked, runs.Run(task, name, arm.name, seed), models[task], (made, real))
        for task in models
        for name in train
        if _learnable(real[name], task)
        for seed in range(asked.runs_a_cell)
        for arm in chosen
    ]
    if not jobs:
        rule = "a training set must have training and validation patients with known lesions"
        raise UserError(rule, ", ".join(train), "name another, --train bus_bra")
    return Plan(asked, made, real, tuple(jobs))


def _checked(asked: Asked, names: Sequence[str]) -> dict[str, Model]:
    """Return the models by task; raise `UserError` for what is unknown before anything is read."""
    for name in asked.train:
        if name not in names:
            rule = "a training set must be one of the real data sets"
            raise UserError(rule, repr(name), f"choose from {', '.join(names)}")
    for name in asked.arms:
        arms.arm_of(name)
    if min(asked.runs_a_cell, asked.workers) < 1:
        got = f"{asked.seeds}, {asked.workers}"
        raise UserError("seeds and workers must be 1 or more", got, "give e.g. --seeds 3")
    require_vacant(asked.out, ours=ASKED)
    return {task: model_of(task, asked.models.get(task)) for task in asked.tasks or TASKS}


def _usual(asked: Asked, names: Sequence[str]) -> tuple[str, ...]:
    quick = [name for name in QUICK_TRAIN if name in names][:1]
    return tuple(quick if asked.quick and quick else names)


def _usual_arms(asked: Asked, saw: str, datasets: int) -> tuple[str, ...]:
    """Return the usual arms; one of pooled patients stands beside a generator that saw more."""
    if asked.quick:
        return arms.QUICK
    beside = saw not in ("none", "own") and datasets > 1
    return (*arms.CORE, *((arms.POOLED,) if beside else ()))


def _learnable(own: Mapping[str, Pictures], task: str) -> bool:
    """Return whether a data set can train and choose a model: lesions, of both classes."""
    parts = [own[split].tested(task) for split in ("train", "validation") if split in own]
    enough = [len(part) and (task == "segmentation" or _both(part)) for part in parts]
    return len(parts) == 2 and all(enough)


def _both(pictures: Pictures) -> bool:
    return len(np.unique(pictures.labels)) > 1


def _job(
    asked: Asked,
    run: runs.Run,
    model: Model,
    sets: tuple[Made, Mapping[str, Mapping[str, Pictures]]],
) -> runs.Job:
    """Return a run with the fingerprints of what it looks at."""
    made, real = sets
    arm, own = arms.arm_of(run.arm), real[run.train]
    every = {split: _with(real, split, run.task) for split in ("train", "test")}
    taught = tuple(every["train"].values()) if arm.pooled else (own["train"].fingerprint,)
    return runs.Job(
        run,
        model,
        asked.recipes[run.task],
        taught if arm.real else (),
        made.fingerprint if arm.synthetic else None,
        own["validation"].fingerprint,
        tuple(every["test"].items()),
        asked.out,
    )


def _with(real: Mapping[str, Mapping[str, Pictures]], split: str, task: str) -> dict[str, str]:
    """Return the fingerprint of a split of each data set that has lesions for a task in it."""
    return {
        name: own[split].fingerprint
        for name, own in real.items()
        if split in own and len(own[split].tested(task))
    }
