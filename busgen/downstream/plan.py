"""Which models are to be trained for what is asked, and whether they can be.

In: a `Request`, paths and names; what is not said has the usual values. Out: a `Plan`: each run
with the fingerprints of what it sees; no image is decoded, nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from busgen.compute.devices import resolve_device
from busgen.downstream import arms, runs
from busgen.downstream.data import real_images
from busgen.downstream.data.augmentation import load_change
from busgen.downstream.data.real_images import FOLD, ImageSet, RealData
from busgen.downstream.data.synthetic_set import SyntheticSet, open_set
from busgen.downstream.learner import Recipe
from busgen.downstream.models.registry import TASKS, Model, load_model
from busgen.errors import UserError
from busgen.folders import require_replaceable
from busgen.io import read_json
from busgen.params.downstream import FOLDS, SEEDS, STEPS, WORKERS

KIND = "comparison"
LEAST_FOLDS = 3  # one tests, one chooses, one teaches
QUICK_TRAIN = ("bus_bra", "busi", "breast", "bus_uclm", "udiat")  # the first that is there


RECIPES = {
    "classification": Recipe(STEPS["classification"]),
    "segmentation": Recipe(STEPS["segmentation"], strength=0.25),
}
PAPER = {"classification": Recipe(4000, 32, 1e-3), "segmentation": Recipe(6000, 16, 1e-3)}
PRETRAINED = {
    "classification": Recipe(600, rate=1e-3),
    "segmentation": Recipe(600, rate=1e-3),
}
PRESETS = {"small": RECIPES, "pretrained": PRETRAINED, "paper": PAPER}


@dataclass(frozen=True)
class Request:
    """What is to be compared; `train`, `arms` and `tasks` that are empty stand for the usual.

    `real` is a folder, as `busgen real --out` writes it, or its tables and their cohort apart;
    `models` task -> import path of a user's model; `saw` what the user says of the generator's
    patients; `quick` one training set, three arms, one seed; `recipes` those of the preset if None;
    `folds` of a data set that is cross-validated (`real_images.add_folds`), 1 for none; `others`
    further synthetic sets, by the names that arms call them; `augmentation` what changes images,
    the recipes' if None; `device` auto, cpu or cuda[:k].
    """

    data: Path
    real: Path | RealData
    out: Path
    train: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    seeds: int | None = None
    models: Mapping[str, str | None] = field(default_factory=dict)
    saw: str | None = None
    quick: bool = False
    workers: int = WORKERS
    recipes: Mapping[str, Recipe] | None = None
    folds: int | None = None
    others: Mapping[str, Path] = field(default_factory=dict)
    preset: str = "small"
    augmentation: str | None = None
    device: str = "auto"

    @property
    def tables(self) -> RealData:
        """Where the real data lie; `UserError` if the folder holds none."""
        return self.real if isinstance(self.real, RealData) else real_images.open_set(self.real)

    @property
    def repetitions(self) -> int:
        """Seeds of each arm."""
        return self.seeds if self.seeds is not None else 1 if self.quick else SEEDS

    @property
    def fold_count(self) -> int:
        """Folds of a data set that is cross-validated; 1: tested by its split like the others."""
        return self.folds if self.folds is not None else 1 if self.quick else FOLDS


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


def plan(request: Request) -> Plan:
    """Return the runs that are asked for, everything read and checked, nothing written.

    Raises `UserError` if a name is unknown, a folder does not hold what it must, or nothing can be
    trained.
    """
    tables, names = request.tables, request.tables.names
    models = _check(request, names)
    train = request.train or names
    if request.quick and not request.train:
        train = [name for name in QUICK_TRAIN if name in names][:1] or names
    paths = {"": request.data, **request.others}
    sets = {name: open_set(path, request.saw) for name, path in paths.items()}
    real = real_images.read_images(tables)
    for name in real_images.FOLDED:
        if name in real and request.fold_count > 1:
            real[name] = real_images.add_folds(real[name], request.fold_count)
    infos = {table.parent.name: read_json(table.parent / "info.json") for table in tables.tables}
    pooled = tuple(name for name, info in infos.items() if info.get("weights_may_ship"))
    read = Plan(request, sets, real, pooled or tuple(names))
    chosen = _name_arms(request)
    more = any(one.saw not in ("none", "own") for one in sets.values())  # than its arm's patients
    if more and not request.arms and not request.quick and len(real) > 1:
        chosen = (*chosen, arms.POOLED)
    jobs = [
        _job(read, models[task], runs.Run(task, name, arm, seed, fold))
        for task in models
        for name in train
        if _is_usable(read, name, task)
        for seed in range(request.repetitions)
        for arm in chosen
        for fold in (range(request.fold_count) if read._is_folded(name) else (None,))
    ]
    if not jobs:
        rule = "a training set must have training and validation patients with known lesions"
        raise UserError(rule, ", ".join(train), "name another, --train bus_bra")
    return replace(read, jobs=tuple(jobs))


def _check(request: Request, names: Sequence[str]) -> dict[str, Model]:
    """Return the models by task; raise `UserError` for what is unknown before anything is read."""
    for name in request.train:
        if name not in names:
            rule = "a training set must be one of the real data sets"
            raise UserError(rule, repr(name), f"choose from {', '.join(names)}")
    for name in _name_arms(request):
        arms.find_arm(name, tuple(request.others))
    if arms.MIXED in request.others or not all(name.isidentifier() for name in request.others):
        rule = f"a set of made images must have a plain name other than {arms.MIXED}"
        raise UserError(rule, ", ".join(request.others), "give e.g. --data phantom=DIR")
    if min(request.repetitions, request.workers) < 1:
        got = f"{request.seeds}, {request.workers}"
        raise UserError("seeds and workers must be 1 or more", got, "give e.g. --seeds 3")
    if request.fold_count != 1 and request.fold_count < LEAST_FOLDS:
        rule = f"folds must be 1, for none, or {LEAST_FOLDS} and more"
        raise UserError(rule, request.folds, f"give e.g. --folds {FOLDS}")
    load_change(request.augmentation or "own")
    require_replaceable(request.out, KIND)
    resolve_device(request.device)
    wanted = request.tasks or TASKS
    return {task: load_model(task, request.models.get(task), request.preset) for task in wanted}


def _name_arms(request: Request) -> tuple[str, ...]:
    """Return the arms that are asked for, or the usual ones."""
    if request.quick and not request.arms:
        return arms.QUICK
    usual = ("core", arms.ENGINES) if request.others else ("core",)
    return arms.expand(request.arms or usual, tuple(request.others))


def _is_usable(read: Plan, name: str, task: str) -> bool:
    """Return whether a data set can train and choose a model: lesions, of both classes."""
    own, request = read.real[name], ["train", "validation"]
    if read._is_folded(name):
        request = [FOLD.format(fold) for fold in range(read.request.fold_count)]
    parts = [own[split].select(task) for split in request if split in own]
    least = 1 if task == "segmentation" else 2
    enough = all(len(np.unique(part.labels)) >= least for part in parts)
    return len(parts) == len(request) and enough


def _job(read: Plan, model: Model, run: runs.Run) -> runs.Job:
    """Return a run with the fingerprints of what it sees."""
    arm = arms.find_arm(run.arm)
    own = read.real[run.train]
    splits, validation = ["train"], "validation"
    if run.fold is not None:
        count = read.request.fold_count
        chooses = (run.fold + 1) % count
        splits = [FOLD.format(k) for k in range(count) if k not in (run.fold, chooses)]
        validation = FOLD.format(chooses)
    request = read.request
    recipes = PRESETS[request.preset] if request.recipes is None else request.recipes
    taught = [own[split].fingerprint for split in splits]
    if arm.pooled:
        others = [name for name in read.pooled if name != run.train]
        usable = [name for name in others if read._has(name, "train", run.task)]
        taught += [read.real[name]["train"].fingerprint for name in usable]
    real = tuple(taught) if arm.real else ()
    made = tuple(one.fingerprint for one in read._sets_of(arm))
    images = (real, made, own[validation].fingerprint, _tests(read, arm, run))
    recipe = recipes[run.task]
    recipe = replace(recipe, augmentation=request.augmentation or recipe.augmentation)
    return runs.Job(run, model, recipe, *images, request.out, request.device)


def _tests(read: Plan, arm: arms.Arm, run: runs.Run) -> tuple[tuple[str, str], ...]:
    """Return whom a run is tested on; other data sets than its own by its first fold alone."""
    tests = []
    for name, own in read.real.items():
        split = real_images.UNSEEN if read._is_folded(name) else "test"
        if name == run.train and run.fold is not None:
            saw = any(generated.saw != "none" for generated in read._sets_of(arm))
            split = FOLD.format(run.fold) + (" unseen" if saw else "")
        elif run.fold:
            continue
        if read._has(name, split, run.task):
            tests.append((name, own[split].fingerprint))
    return tuple(tests)
