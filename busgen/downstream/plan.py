"""Which models are to be trained for what is asked, and whether they can be.

In: paths and names. Out: a `Plan`: each run with the fingerprints of what it looks at; no image
is decoded, nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from busgen.compute.devices import resolve_device
from busgen.downstream import arms, runs
from busgen.downstream.data.folds import FOLD, FOLDED, UNSEEN, add_folds
from busgen.downstream.data.real_images import ImageSet, read_images
from busgen.downstream.data.synthetic_set import SyntheticSet, open_set
from busgen.downstream.models.registry import TASKS, Model, load_model
from busgen.downstream.request import PRESETS, Request
from busgen.errors import UserError
from busgen.folders import require_replaceable
from busgen.io import read_json
from busgen.params.downstream import FOLDS

KIND = "comparison"
LEAST_FOLDS = 3  # one tests, one chooses, one teaches
QUICK_TRAIN = ("bus_bra", "busi", "breast", "bus_uclm", "udiat")  # the first that is there


@dataclass(frozen=True)
class Plan:
    """The runs of a comparison, and the images that they need.

    `sets` synthetic ones by name, the first's is empty; `real` by data set and split; `pooled` the
    data sets whose licence lets weights ship, so that shipped ones learned of them; all if none.
    """

    request: Request
    sets: Mapping[str, SyntheticSet]
    real: Mapping[str, Mapping[str, ImageSet]]
    pooled: tuple[str, ...]
    jobs: tuple[runs.Job, ...] = ()

    def _is_folded(self, name: str) -> bool:
        """Return whether a data set is cross-validated."""
        return FOLD.format(0) in self.real[name]

    def _sets_of(self, arm: arms.Arm) -> tuple[SyntheticSet, ...]:
        """Return the synthetic sets that an arm has images of."""
        if not arm.is_synthetic:
            return ()
        return tuple(self.sets.values()) if arm.made_by == arms.MIXED else (self.sets[arm.made_by],)

    def _has(self, name: str, split: str, task: str) -> bool:
        own = self.real[name]
        return split in own and len(own[split].select(task)) > 0


def plan(asked: Request) -> Plan:
    """Return the runs that are asked for, everything read and checked, nothing written.

    Raises `UserError` if a name is unknown, a folder does not hold what it must, or nothing can be
    trained.
    """
    tables, names = asked.tables, asked.tables.names
    models = _check(asked, names)
    train = asked.train or names
    if asked.quick and not asked.train:
        train = [name for name in QUICK_TRAIN if name in names][:1] or names
    paths = {"": asked.data, **asked.others}
    sets = {name: open_set(path, asked.saw) for name, path in paths.items()}
    real = read_images(tables)
    for name in FOLDED:
        if name in real and asked.fold_count > 1:
            real[name] = add_folds(real[name], asked.fold_count)
    infos = {table.parent.name: read_json(table.parent / "info.json") for table in tables.tables}
    pooled = tuple(name for name, info in infos.items() if info.get("weights_may_ship"))
    read = Plan(asked, sets, real, pooled or tuple(names))
    chosen = _name_arms(asked)
    more = any(one.saw not in ("none", "own") for one in sets.values())  # than its arm's patients
    if more and not asked.arms and not asked.quick and len(real) > 1:
        chosen = (*chosen, arms.POOLED)
    jobs = [
        _job(read, models[task], runs.Run(task, name, arm, seed, fold))
        for task in models
        for name in train
        if _is_usable(read, name, task)
        for seed in range(asked.repetitions)
        for arm in chosen
        for fold in (range(asked.fold_count) if read._is_folded(name) else (None,))
    ]
    if not jobs:
        rule = "a training set must have training and validation patients with known lesions"
        raise UserError(rule, ", ".join(train), "name another, --train bus_bra")
    return replace(read, jobs=tuple(jobs))


def _check(asked: Request, names: Sequence[str]) -> dict[str, Model]:
    """Return the models by task; raise `UserError` for what is unknown before anything is read."""
    for name in asked.train:
        if name not in names:
            rule = "a training set must be one of the real data sets"
            raise UserError(rule, repr(name), f"choose from {', '.join(names)}")
    for name in _name_arms(asked):
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


def _name_arms(asked: Request) -> tuple[str, ...]:
    """Return the arms that are asked for, or the usual ones."""
    if asked.quick and not asked.arms:
        return arms.QUICK
    usual = ("core", arms.ENGINES) if asked.others else ("core",)
    return arms.expand(asked.arms or usual, tuple(asked.others))


def _is_usable(read: Plan, name: str, task: str) -> bool:
    """Return whether a data set can train and choose a model: lesions, of both classes."""
    own, asked = read.real[name], ["train", "validation"]
    if read._is_folded(name):
        asked = [FOLD.format(fold) for fold in range(read.request.fold_count)]
    parts = [own[split].select(task) for split in asked if split in own]
    least = 1 if task == "segmentation" else 2
    enough = all(len(np.unique(part.labels)) >= least for part in parts)
    return len(parts) == len(asked) and enough


def _job(read: Plan, model: Model, run: runs.Run) -> runs.Job:
    """Return a run with the fingerprints of what it looks at."""
    arm = arms.find_arm(run.arm)
    own = read.real[run.train]
    splits, validation = ["train"], "validation"
    if run.fold is not None:
        count = read.request.fold_count
        chooses = (run.fold + 1) % count
        splits = [FOLD.format(k) for k in range(count) if k not in (run.fold, chooses)]
        validation = FOLD.format(chooses)
    asked = read.request
    recipes = PRESETS[asked.preset] if asked.recipes is None else asked.recipes
    taught = [own[split].fingerprint for split in splits]
    if arm.pooled:
        others = [name for name in read.pooled if name != run.train]
        usable = [name for name in others if read._has(name, "train", run.task)]
        taught += [read.real[name]["train"].fingerprint for name in usable]
    return runs.Job(
        run,
        model,
        recipes[run.task],
        tuple(taught) if arm.real else (),
        tuple(one.fingerprint for one in read._sets_of(arm)),
        own[validation].fingerprint,
        _tests(read, arm, run),
        asked.out,
        asked.device,
    )


def _tests(read: Plan, arm: arms.Arm, run: runs.Run) -> tuple[tuple[str, str], ...]:
    """Return whom a run is tested on; other data sets than its own by its first fold alone."""
    tests = []
    for name, own in read.real.items():
        split = UNSEEN if read._is_folded(name) else "test"
        if name == run.train and run.fold is not None:
            saw = any(made.saw != "none" for made in read._sets_of(arm))
            split = FOLD.format(run.fold) + (" unseen" if saw else "")
        elif run.fold:
            continue
        if read._has(name, split, run.task):
            tests.append((name, own[split].fingerprint))
    return tuple(tests)
