"""`busgen downstream`: which models are to be trained, trained where that is not done, compared.

In: a synthetic set, a folder of real data, arms. Out: a folder with `metrics.json`,
`predictions.parquet` and the runs (`busgen.downstream.runs`). Real pictures stay in a work folder,
which is removed when the comparison is finished.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE
from busgen.downstream import arms, runs
from busgen.downstream.answers import tested
from busgen.downstream.cases import Cases, datasets_in, read_real, save_cases
from busgen.downstream.compare import compared
from busgen.downstream.learner import Recipe, levelled_off
from busgen.downstream.made import Made, read_made
from busgen.downstream.models import TASKS, Model, model_of
from busgen.errors import UserError
from busgen.factory.work import locked
from busgen.io import dumps, replacing, require_vacant, write_text

METRICS, PREDICTIONS, ASKED = "metrics.json", "predictions.parquet", "asked.json"
SEEDS = 3
RECIPES = {"classification": Recipe(600), "segmentation": Recipe(500)}
QUICK_TRAIN = ("bus_bra", "busi", "breast", "bus_uclm", "udiat")  # the first that is there
ABOUT = (
    "mean over seeds; interval: 95 %, two-way bootstrap over patients and seeds; gain: over the "
    "arm `against` on the same patients, the primary one fixed beforehand, p_holm corrected among "
    "all secondary ones; generator_saw: whose patients the generator of the made pictures saw"
)
Say = Callable[[str], None]


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
        return self.seeds or (1 if self.quick else SEEDS)


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
    pooled = any(arm.pooled for arm in chosen)
    splits = {name: ("train", "validation", "test") for name in train}
    rest = ("train", "test") if pooled else ("test",)
    real = read_real(asked.real, dict.fromkeys(names, rest) | splits)
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


def carry_out(plan: Plan, tick: runs.loop.Tick, say: Say) -> tuple[dict[str, Any], int]:
    """Run what is missing and write the comparison; return its record and how many were run.

    Parameters
    ----------
    plan
        As `plan` returns it.
    tick
        Called with the number of runs that are done, those found done at the start too.
    say
        Told when another comparison is waited for.
    """
    out, jobs = plan.asked.out, plan.jobs
    require_vacant(out, ours=ASKED)
    write_text(out / ASKED, dumps({"runs": len(jobs), "notice": NOT_FOR_CLINICAL_USE}))
    with locked(out / "work", say):
        _store(plan)
        ran = runs.run_all(jobs, plan.asked.workers, tick)
        predictions, records = runs.gathered(jobs)
        with replacing(out / PREDICTIONS) as partial:
            pq.write_table(predictions, partial)
        record = _described(plan, records) | {
            "results": compared(predictions.to_pandas(), plan.made.saw)
        }
        write_text(out / METRICS, dumps(record))
        shutil.rmtree(out / "work")
    return record, ran


def to_rows(record: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return a record as rows of a table, the headline score of each arm and its gain."""
    rows: list[dict[str, object]] = []
    for one in record["results"]:
        name, score = next(iter(one["metrics"].items()), ("-", None))
        row: dict[str, object] = {key: one[key] for key in ("task", "train", "test", "arm")}
        row |= {"score": name, "value": _shown(score)}
        row["patients"] = score["patients"] if score else "-"
        gain = one.get("gain")
        row["gain"] = _shown(gain)
        row["verdict"] = gain["verdict"] + (" (primary)" if gain["primary"] else "") if gain else "-"
        row["generator_saw"] = one["generator_saw"] or "-"
        rows.append(row)
    return rows


def _shown(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "-"
    low, high = score["interval"]
    return f"{score['value']:.3f} ({low:.3f} to {high:.3f})"


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


def _store(plan: Plan) -> None:
    """Write the pictures that runs still need to where their processes find them."""
    needed = {name for job in plan.jobs if not job.done for name in job.pictures}
    for cases in _sets(plan):
        if cases.fingerprint in needed:
            save_cases(cases, runs.store(plan.asked.out, cases.fingerprint))


def _sets(plan: Plan) -> Iterator[Cases]:
    yield plan.made.cases
    for own in plan.real.values():
        yield from own.values()


def _described(plan: Plan, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the comparison was of: pictures, patients, generator, how trainings went."""
    losses: dict[str, list[list[float]]] = {}
    for one in records:
        run = one["run"]
        key = f"{run['task']}/{run['train']}/{run['arm']}"
        losses.setdefault(key, []).append(one["validation_loss"])
    return {
        "about": ABOUT,
        "notice": NOT_FOR_CLINICAL_USE,
        "rehearsal": plan.asked.runs_a_cell < SEEDS,
        "seeds": plan.asked.runs_a_cell,
        "generator": dict(plan.made.generator) | {"saw": plan.made.saw},
        "synthetic": {
            "pictures": len(plan.made.cases),
            "fingerprint": plan.made.cases.fingerprint,
        },
        "real": {
            name: {
                split: {"pictures": len(one), "patients": len(np.unique(one.crops.groups))}
                for split, one in own.items()
            }
            for name, own in plan.real.items()
        },
        "levelled_off": {
            key: levelled_off(np.mean(own, axis=0).tolist()) for key, own in losses.items()
        },
        "made_pictures": {
            f"{one['run']['task']}/{one['run']['train']}/{one['run']['arm']}": one["made"]
            for one in records
        },
    }
