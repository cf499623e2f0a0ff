"""Which models are to be trained for what is asked, and whether they can be.

In: paths and names. Out: a `Plan`: each run with the fingerprints of what it looks at; no image
is decoded, nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from busgen.compute.devices import resolve_device
from busgen.downstream import arms, runs
from busgen.downstream.data.folds import FOLDED, UNSEEN, add_folds, fold_name
from busgen.downstream.data.real_images import ImageSet, RealData, read_images
from busgen.downstream.data.synthetic_set import SyntheticSet, open_set
from busgen.downstream.models.registry import TASKS, Model, load_model
from busgen.downstream.request import Request
from busgen.errors import UserError
from busgen.folders import require_replaceable
from busgen.params.downstream import FOLDS

KIND = "comparison"
LEAST_FOLDS = 3  # one tests, one chooses, one teaches
QUICK_TRAIN = ("bus_bra", "busi", "breast", "bus_uclm", "udiat")  # the first that is there


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison, and the images that they need."""

    request: Request
    synthetic: SyntheticSet
    real: Mapping[str, Mapping[str, ImageSet]]
    jobs: tuple[runs.Job, ...]
    others: Mapping[str, SyntheticSet] = field(default_factory=dict)

    @property
    def sets(self) -> dict[str, SyntheticSet]:
        """All synthetic sets by name, the first's is empty."""
        return {"": self.synthetic, **self.others}


@dataclass(frozen=True)
class _Read:
    """Everything that was read: `pooled` the data sets that a generator may have seen."""

    request: Request
    sets: Mapping[str, SyntheticSet]
    real: Mapping[str, Mapping[str, ImageSet]]
    pooled: tuple[str, ...]

    def _fold(self, name: str) -> bool:
        """Return whether a data set is cross-validated."""
        return fold_name(0) in self.real[name]

    def _sets(self, arm: arms.Arm) -> tuple[SyntheticSet, ...]:
        """Return the synthetic sets that an arm has images of."""
        if not arm.is_synthetic:
            return ()
        every = tuple(self.sets.values())
        return every if arm.made_by == arms.MIXED else (self.sets[arm.made_by],)

    def fingerprint(self, name: str, split: str) -> str:
        """Return the fingerprint of some real images."""
        return self.real[name][split].fingerprint


def plan(asked: Request) -> Plan:
    """Return the runs that are asked for, everything read and checked, nothing written.

    Raises `UserError` if a name is unknown, a folder does not hold what it must, or nothing can be
    trained.
    """
    names = asked.tables.names
    models = _check(asked, names)
    train = asked.train or _usual(asked, names)
    made = open_set(asked.data, asked.saw)
    others = {name: open_set(path, asked.saw) for name, path in asked.others.items()}
    read = _Read(asked, {"": made, **others}, _real(asked), _pool(asked.tables))
    chosen = [arms.find_arm(name) for name in _name(asked, read)]
    jobs = [
        _job(read, models[task], runs.Run(task, name, arm.name, seed, fold))
        for task in models
        for name in train
        if _is_usable(read, name, task)
        for seed in range(asked.repetitions)
        for arm in chosen
        for fold in (range(asked.fold_count) if read._fold(name) else (None,))
    ]
    if not jobs:
        rule = "a training set must have training and validation patients with known lesions"
        raise UserError(rule, ", ".join(train), "name another, --train bus_bra")
    return Plan(asked, made, read.real, tuple(jobs), others)


def _real(asked: Request) -> dict[str, dict[str, ImageSet]]:
    """Return the real images by data set and split, in folds where that is asked for."""
    real = read_images(asked.tables)
    for name in real:
        if name in FOLDED and asked.fold_count > 1:
            real[name] = add_folds(real[name], asked.fold_count)
    return real


def _pool(real: RealData) -> tuple[str, ...]:
    """Return the data sets that this project's generators learn from, all if there are none."""
    return real.shippable or tuple(real.names)


def _check(asked: Request, names: Sequence[str]) -> dict[str, Model]:
    """Return the models by task; raise `UserError` for what is unknown before anything is read."""
    for name in asked.train:
        if name not in names:
            rule = "a training set must be one of the real data sets"
            raise UserError(rule, repr(name), f"choose from {', '.join(names)}")
    for name in _arms(asked):
        arms.find_arm(name, tuple(asked.others))
    if arms.MIXED in asked.others or not all(name.isidentifier() for name in asked.others):
        rule = f"a set of made images must have a plain name other than {arms.MIXED}"
        raise UserError(rule, ", ".join(asked.others), "give e.g. --data phantom=DIR")
    if min(asked.repetitions, asked.workers) < 1:
        got = f"{asked.seeds}, {asked.workers}"
        raise UserError("seeds and workers must be 1 or more", got, "give e.g. --seeds 3")
    if asked.fold_count != 1 and asked.fold_count < LEAST_FOLDS:
        rule = f"folds must be 1, for none, or {LEAST_FOLDS} and more"
        raise UserError(rule, asked.folds, f"give e.g. --folds {FOLDS}")
    require_replaceable(asked.out, KIND)
    resolve_device(asked.device)
    wanted = asked.tasks or TASKS
    return {task: load_model(task, asked.models.get(task), asked.preset) for task in wanted}


def _usual(asked: Request, names: Sequence[str]) -> tuple[str, ...]:
    quick = [name for name in QUICK_TRAIN if name in names][:1]
    return tuple(quick if asked.quick and quick else names)


def _arms(asked: Request) -> tuple[str, ...]:
    """Return the arms that are asked for, or the usual ones."""
    others = tuple(asked.others)
    if asked.arms:
        return arms.expand(asked.arms, others)
    if asked.quick:
        return arms.QUICK
    return arms.expand(("core", *((arms.ENGINES,) if others else ())), others)


def _name(asked: Request, read: _Read) -> tuple[str, ...]:
    """Return the arms; usual ones of pooled patients stand beside a generator that saw more."""
    more = any(made.saw not in ("none", "own") for made in read.sets.values())
    beside = more and not asked.arms and not asked.quick and len(read.real) > 1
    return (*_arms(asked), *((arms.POOLED,) if beside else ()))


def _is_usable(read: _Read, name: str, task: str) -> bool:
    """Return whether a data set can train and choose a model: lesions, of both classes."""
    own = read.real[name]
    asked = ["train", "validation"]
    if read._fold(name):
        asked = [fold_name(fold) for fold in range(read.request.fold_count)]
    parts = [own[split].select(task) for split in asked if split in own]
    enough = [len(part) and (task == "segmentation" or _both(part)) for part in parts]
    return len(parts) == len(asked) and all(enough)


def _both(images: ImageSet) -> bool:
    return len(np.unique(images.labels)) > 1


def _job(read: _Read, model: Model, run: runs.Run) -> runs.Job:
    """Return a run with the fingerprints of what it looks at."""
    arm = arms.find_arm(run.arm)
    splits: tuple[str, ...] = ("train",)
    validation = "validation"
    if run.fold is not None:
        count = read.request.fold_count
        chooses = (run.fold + 1) % count
        splits = tuple(fold_name(k) for k in range(count) if k not in (run.fold, chooses))
        validation = fold_name(chooses)
    taught = [read.fingerprint(run.train, split) for split in splits]
    if arm.pooled:
        beside = [name for name in read.pooled if name != run.train]
        taught += [read.fingerprint(k, "train") for k in beside if _has(read.real[k], "train", run)]
    made = tuple(one.fingerprint for one in read._sets(arm))
    return runs.Job(
        run,
        model,
        read.request._recipes[run.task],
        tuple(taught) if arm.real else (),
        made,
        read.fingerprint(run.train, validation),
        _tests(read, arm, run),
        read.request.out,
        read.request.device,
    )


def _tests(read: _Read, arm: arms.Arm, run: runs.Run) -> tuple[tuple[str, str], ...]:
    """Return whom a run is tested on; other data sets than its own by its first fold alone."""
    tests = []
    for name, own in read.real.items():
        split = UNSEEN if read._fold(name) else "test"
        if name == run.train and run.fold is not None:
            saw = any(made.saw != "none" for made in read._sets(arm))
            split = f"{fold_name(run.fold)}{' unseen' if saw else ''}"
        elif run.fold:
            continue
        if _has(own, split, run):
            tests.append((name, read.fingerprint(name, split)))
    return tuple(tests)


def _has(own: Mapping[str, ImageSet], split: str, run: runs.Run) -> bool:
    return split in own and len(own[split].select(run.task)) > 0
