"""Which models are to be trained for what is asked, and whether they can be.

In: paths and names. Out: a `Plan`: everything read, each run with the fingerprints of what it
looks at; nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from busgen.downstream import arms, runs
from busgen.downstream.answers import tested
from busgen.downstream.cases import Cases, datasets_in, read_real
from busgen.downstream.learner import Recipe
from busgen.downstream.made import Made, read_made
from busgen.downstream.models import TASKS, Model, model_of
from busgen.errors import UserError
from busgen.io import require_vacant
from busgen.real.crops import SPLITS

ASKED = "asked.json"  # marks a folder as one of ours
SEEDS = 3
RECIPES = {"classification": Recipe(600), "segmentation": Recipe(500)}
QUICK_TRAIN = ("bus_bra", "busi", "breast", "bus_uclm", "udiat")  # the first that is there


@dataclass(frozen=True)
class Asked:
    """What is to be compared; `train`, `arms` and `tasks` that are empty stand for the usual.

    `models` task -> import path of a user's model; `saw` what the user says of the generator's
    patients; `quick` one training set, three arms, one seed.
    """

    data: Path
    real: Path
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
    real: Mapping[str, Mapping[str, Cases]]
    jobs: tuple[runs.Job, ...]


@dataclass(frozen=True)
class _Prints:
    """Fingerprints of everything that was read."""

    made: str
    real: Mapping[str, Mapping[str, str]]


def plan(asked: Asked) -> Plan:
    """Return the runs that are asked for, everything read and checked, nothing written.

    Raises
    ------
    UserError
        If a name is unknown, a folder does not hold what it must, or nothing can be trained.
    """
    names = datasets_in(asked.real)
    models = _checked(asked, names)
    train = asked.train or _usual(asked, names)
    made = read_made(asked.data, asked.saw)
    chosen = [arms.arm_of(name) for name in asked.arms or _usual_arms(asked, made.saw, len(names))]
    every = any(arm.pooled for arm in chosen)
    wanted = {name: SPLITS if every or name in train else ("test",) for name in names}
    real = read_real(asked.real, wanted)
    prints = _Prints(made.cases.fingerprint, {
        name: {split: cases.fingerprint for split, cases in own.items()}
        for name, own in real.items()
    })  # fmt: skip
    jobs = [
        _job(asked, runs.Run(task, name, arm.name, seed), models[task], real, prints)
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


def _learnable(own: Mapping[str, Cases], task: str) -> bool:
    """Return whether a data set can train and choose a model: lesions, of both classes."""
    parts = [tested(own[split], task) for split in ("train", "validation") if split in own]
    enough = [len(part) and (task == "segmentation" or _both(part)) for part in parts]
    return len(parts) == 2 and all(enough)


def _both(cases: Cases) -> bool:
    return bool(cases.crops.malignant.any() and not cases.crops.malignant.all())


def _job(
    asked: Asked,
    run: runs.Run,
    model: Model,
    real: Mapping[str, Mapping[str, Cases]],
    prints: _Prints,
) -> runs.Job:
    """Return a run with the fingerprints of what it looks at."""
    arm, own = arms.arm_of(run.arm), prints.real[run.train]
    pooled = tuple(
        prints.real[name]["train"] for name in real if _has(real[name], "train", run.task)
    )
    taught = pooled if arm.pooled else (own["train"],)
    tests = [
        (name, prints.real[name]["test"]) for name in real if _has(real[name], "test", run.task)
    ]
    return runs.Job(
        run,
        model,
        asked.recipes[run.task],
        taught if arm.real else (),
        prints.made if arm.synthetic else None,
        own["validation"],
        tuple(tests),
        asked.out,
    )


def _has(own: Mapping[str, Cases], split: str, task: str) -> bool:
    return split in own and len(tested(own[split], task)) > 0
