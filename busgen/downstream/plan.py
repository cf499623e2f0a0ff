"""Which models are to be trained for what is asked, and whether they can be.

In: paths and names. Out: a `Plan`: each run with the fingerprints of what it looks at; no picture
is decoded, nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from busgen.compute.devices import device_of
from busgen.downstream import arms, runs
from busgen.downstream.data.folds import FOLDED, UNSEEN, fold_name, with_folds
from busgen.downstream.data.real_images import Pictures, Real, read_real
from busgen.downstream.data.synthetic_set import Made, read_made
from busgen.downstream.models.registry import TASKS, Model, model_of
from busgen.downstream.request import Asked
from busgen.errors import UserError
from busgen.folders import require_replaceable
from busgen.params.downstream import FOLDS

KIND = "comparison"
LEAST_FOLDS = 3  # one tests, one chooses, one teaches
QUICK_TRAIN = ("bus_bra", "busi", "breast", "bus_uclm", "udiat")  # the first that is there


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison, and the pictures that they need."""

    asked: Asked
    made: Made
    real: Mapping[str, Mapping[str, Pictures]]
    jobs: tuple[runs.Job, ...]
    others: Mapping[str, Made] = field(default_factory=dict)

    @property
    def sets(self) -> dict[str, Made]:
        """All synthetic sets by name, the first's is empty."""
        return {"": self.made, **self.others}


@dataclass(frozen=True)
class _Read:
    """Everything that was read: `pooled` the data sets that a generator may have seen."""

    asked: Asked
    sets: Mapping[str, Made]
    real: Mapping[str, Mapping[str, Pictures]]
    pooled: tuple[str, ...]

    def folded(self, name: str) -> bool:
        """Return whether a data set is cross-validated."""
        return fold_name(0) in self.real[name]

    def made_of(self, arm: arms.Arm) -> tuple[Made, ...]:
        """Return the synthetic sets that an arm has pictures of."""
        if not arm.learns_from_made:
            return ()
        every = tuple(self.sets.values())
        return every if arm.made_by == arms.MIXED else (self.sets[arm.made_by],)

    def print_of(self, name: str, split: str) -> str:
        """Return the fingerprint of some real pictures."""
        return self.real[name][split].fingerprint


def plan(asked: Asked) -> Plan:
    """Return the runs that are asked for, everything read and checked, nothing written.

    Raises
    ------
    UserError
        If a name is unknown, a folder does not hold what it must, or nothing can be trained.
    """
    names = asked.tables.names
    models = _checked(asked, names)
    train = asked.train or _usual(asked, names)
    made = read_made(asked.data, asked.saw)
    others = {name: read_made(path, asked.saw) for name, path in asked.others.items()}
    read = _Read(asked, {"": made, **others}, _real(asked), _pooled(asked.tables))
    chosen = [arms.arm_of(name) for name in _named(asked, read)]
    jobs = [
        _job(read, models[task], runs.Run(task, name, arm.name, seed, fold))
        for task in models
        for name in train
        if _learnable(read, name, task)
        for seed in range(asked.runs_a_cell)
        for arm in chosen
        for fold in (range(asked.fold_count) if read.folded(name) else (None,))
    ]
    if not jobs:
        rule = "a training set must have training and validation patients with known lesions"
        raise UserError(rule, ", ".join(train), "name another, --train bus_bra")
    return Plan(asked, made, read.real, tuple(jobs), others)


def _real(asked: Asked) -> dict[str, dict[str, Pictures]]:
    """Return the real pictures by data set and split, in folds where that is asked for."""
    real = read_real(asked.tables)
    for name in real:
        if name in FOLDED and asked.fold_count > 1:
            real[name] = with_folds(real[name], asked.fold_count)
    return real


def _pooled(real: Real) -> tuple[str, ...]:
    """Return the data sets that this project's generators learn from, all if there are none."""
    return real.may_ship or tuple(real.names)


def _checked(asked: Asked, names: Sequence[str]) -> dict[str, Model]:
    """Return the models by task; raise `UserError` for what is unknown before anything is read."""
    for name in asked.train:
        if name not in names:
            rule = "a training set must be one of the real data sets"
            raise UserError(rule, repr(name), f"choose from {', '.join(names)}")
    for name in _arms(asked):
        arms.arm_of(name, tuple(asked.others))
    if arms.MIXED in asked.others or not all(name.isidentifier() for name in asked.others):
        rule = f"a set of made pictures must have a plain name other than {arms.MIXED}"
        raise UserError(rule, ", ".join(asked.others), "give e.g. --data phantom=DIR")
    if min(asked.runs_a_cell, asked.workers) < 1:
        got = f"{asked.seeds}, {asked.workers}"
        raise UserError("seeds and workers must be 1 or more", got, "give e.g. --seeds 3")
    if asked.fold_count != 1 and asked.fold_count < LEAST_FOLDS:
        rule = f"folds must be 1, for none, or {LEAST_FOLDS} and more"
        raise UserError(rule, asked.folds, f"give e.g. --folds {FOLDS}")
    require_replaceable(asked.out, KIND)
    device_of(asked.device)
    wanted = asked.tasks or TASKS
    return {task: model_of(task, asked.models.get(task), asked.preset) for task in wanted}


def _usual(asked: Asked, names: Sequence[str]) -> tuple[str, ...]:
    quick = [name for name in QUICK_TRAIN if name in names][:1]
    return tuple(quick if asked.quick and quick else names)


def _arms(asked: Asked) -> tuple[str, ...]:
    """Return the arms that are asked for, or the usual ones."""
    others = tuple(asked.others)
    if asked.arms:
        return arms.expanded(asked.arms, others)
    if asked.quick:
        return arms.QUICK
    return arms.expanded(("core", *((arms.ENGINES,) if others else ())), others)


def _named(asked: Asked, read: _Read) -> tuple[str, ...]:
    """Return the arms; usual ones of pooled patients stand beside a generator that saw more."""
    more = any(made.saw not in ("none", "own") for made in read.sets.values())
    beside = more and not asked.arms and not asked.quick and len(read.real) > 1
    return (*_arms(asked), *((arms.POOLED,) if beside else ()))


def _learnable(read: _Read, name: str, task: str) -> bool:
    """Return whether a data set can train and choose a model: lesions, of both classes."""
    own = read.real[name]
    asked = ["train", "validation"]
    if read.folded(name):
        asked = [fold_name(fold) for fold in range(read.asked.fold_count)]
    parts = [own[split].tested(task) for split in asked if split in own]
    enough = [len(part) and (task == "segmentation" or _both(part)) for part in parts]
    return len(parts) == len(asked) and all(enough)


def _both(pictures: Pictures) -> bool:
    return len(np.unique(pictures.labels)) > 1


def _job(read: _Read, model: Model, run: runs.Run) -> runs.Job:
    """Return a run with the fingerprints of what it looks at."""
    arm = arms.arm_of(run.arm)
    splits: tuple[str, ...] = ("train",)
    validation = "validation"
    if run.fold is not None:
        count = read.asked.fold_count
        chooses = (run.fold + 1) % count
        splits = tuple(fold_name(k) for k in range(count) if k not in (run.fold, chooses))
        validation = fold_name(chooses)
    taught = [read.print_of(run.train, split) for split in splits]
    if arm.pooled:
        beside = [name for name in read.pooled if name != run.train]
        taught += [read.print_of(k, "train") for k in beside if _has(read.real[k], "train", run)]
    made = tuple(one.fingerprint for one in read.made_of(arm))
    return runs.Job(
        run,
        model,
        read.asked.learning[run.task],
        tuple(taught) if arm.real else (),
        made,
        read.print_of(run.train, validation),
        _tests(read, arm, run),
        read.asked.out,
        read.asked.device,
    )


def _tests(read: _Read, arm: arms.Arm, run: runs.Run) -> tuple[tuple[str, str], ...]:
    """Return whom a run is tested on; other data sets than its own by its first fold alone."""
    tests = []
    for name, own in read.real.items():
        split = UNSEEN if read.folded(name) else "test"
        if name == run.train and run.fold is not None:
            saw = any(made.saw != "none" for made in read.made_of(arm))
            split = f"{fold_name(run.fold)}{' unseen' if saw else ''}"
        elif run.fold:
            continue
        if _has(own, split, run):
            tests.append((name, read.print_of(name, split)))
    return tuple(tests)


def _has(own: Mapping[str, Pictures], split: str, run: runs.Run) -> bool:
    return split in own and len(own[split].tested(run.task)) > 0
