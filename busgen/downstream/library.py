"""`busgen downstream`: the runs of a plan trained where that is not done, then compared.

In: a `Plan`. Out: a folder with `metrics.json`, `predictions.parquet` and the runs
(`busgen.downstream.runs`). Real images stay in a work folder, which is removed when the
comparison is finished.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE
from busgen.code import hash_code
from busgen.downstream import runs
from busgen.downstream.data.findings import Words, join, read_findings
from busgen.downstream.data.real_images import ImageSet, save_examples
from busgen.downstream.data.synthetic_set import SyntheticSet
from busgen.downstream.learner import has_converged
from busgen.downstream.plan import KIND, Plan
from busgen.downstream.results import fairness, headline
from busgen.downstream.results.compare import HEADLINE, compare
from busgen.folders import grow_folder, require_replaceable
from busgen.io import dumps, read_json, replace_file, sha256_bytes, write_text
from busgen.params.downstream import SEEDS
from busgen.training_loop import Tick

METRICS, PREDICTIONS = headline.METRICS, "predictions.parquet"
ASKED = "asked.json"  # what the comparison is the outcome of
ABOUT = (
    "mean over seeds; interval: 95 %, two-way bootstrap over patients and seeds; ece's is turned "
    "about its value, as chance alone makes it larger; gain: over the arm `against` on the same "
    "patients, whose score there is `base`, the primary one fixed beforehand, p_holm corrected "
    "among all secondary ones; strict: on the test patients alone, where validation patients, "
    "whom no weights or prior were fitted on, are tested too; generator_saw: whose patients the "
    "generator of the made images saw; levelled_off: the last quarter of the steps, at a rate "
    "that falls to nothing, lowered the validation loss by 2 % at most"
)
Say = Callable[[str], None]


def run(plan: Plan, tick: Tick, say: Say) -> tuple[dict[str, Any], int]:
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
    require_replaceable(plan.request.out, KIND)
    known = read_findings(plan.request.tables)
    key = _key(plan, known)
    if not _is_done(plan, key):
        with grow_folder(plan.request.out, KIND, say) as out:
            return _run(_move(plan, out), known, key, tick)
    tick(len(plan.jobs))
    return read_json(plan.request.out / METRICS), 0


def _move(plan: Plan, out: Path) -> Plan:
    """Return the plan with another folder to work in."""
    jobs = tuple(replace(job, out=out) for job in plan.jobs)
    return replace(plan, request=replace(plan.request, out=out), jobs=jobs)


def _run(
    plan: Plan, known: Mapping[str, Words], key: str, tick: Tick
) -> tuple[dict[str, Any], int]:
    out, jobs = plan.request.out, plan.jobs
    _write(plan)
    ran = runs.run_all(jobs, plan.request.workers, tick)
    predictions, records = runs.gather(jobs)
    predictions = join(predictions, known)
    with replace_file(out / PREDICTIONS) as partial:
        pq.write_table(predictions, partial)
    record = _describe(plan) | _learn(records) | _to_record(plan, predictions.to_pandas())
    write_text(out / METRICS, dumps(record))
    asked = {"runs": len(jobs), "notice": NOT_FOR_CLINICAL_USE, "outcome_of": key}
    write_text(out / ASKED, dumps(asked))
    if (out / "work").is_dir():
        shutil.rmtree(out / "work")  # in our own work folder: real images stay in no outcome
    return record, ran


def _key(plan: Plan, known: Mapping[str, Words]) -> str:
    """Return the hash of all that decides the outcome of a plan."""
    code = hash_code(__name__)
    told = {"code": code, "plan": _describe(plan), "findings": known}
    return sha256_bytes(dumps(told | {"jobs": [job.sha256 for job in plan.jobs]}).encode())


def _is_done(plan: Plan, key: str) -> bool:
    """Return whether the outcome of just this plan lies in its folder."""
    out = plan.request.out
    if not all((out / name).is_file() for name in (ASKED, METRICS, PREDICTIONS)):
        return False
    own = read_json(out / ASKED).get("outcome_of") == key
    return own and all(job.is_done for job in plan.jobs)


def to_tables(record: Mapping[str, Any]) -> list[tuple[str, list[dict[str, object]]]]:
    """Return a record as (title, rows): the headline score of each arm, and its gain."""
    found: dict[str, list[dict[str, object]]] = {}
    for one in record["results"]:
        name = HEADLINE[one["task"]]
        score, gain = one["metrics"].get(name), one.get("gain")
        row: dict[str, object] = {
            "test (patients)": f"{one['test']} ({score['patients'] if score else '-'})",
            "arm": one["arm"],
            name: _show(score),
            "gain": _show(gain),
            "verdict": gain["verdict"] if gain else "-",
            "saw": one["generator_saw"] or "-",
        }
        found.setdefault(f"{one['task']}, trained on {one['train']}", []).append(row)
    return list(found.items())


def primaries(record: Mapping[str, Any]) -> list[str]:
    """Return the primary comparisons in words."""
    gains = [one for one in record["results"] if one.get("gain", {}).get("primary")]
    return [
        f"{one['task']}, {one['train']}: {one['gain']['metric']} {_show(one['gain'])}, "
        f"{one['gain']['verdict']}"
        for one in gains
    ]


def _show(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "-"
    low, high = score["interval"]
    return f"{score['value']:.3f} ({low:.3f} to {high:.3f})"


def _write(plan: Plan) -> None:
    """Write the images that runs still need to where their processes find them."""
    needed = {name for job in plan.jobs if not job.is_done for name in job.fingerprints}
    for own in _sets(plan):
        folder = runs.work_folder(plan.request.out, own.fingerprint)
        if own.fingerprint in needed and not folder.is_dir():
            save_examples(own.load(), folder)


def _sets(plan: Plan) -> Iterator[SyntheticSet | ImageSet]:
    yield from plan.sets.values()
    for own in plan.real.values():
        yield from own.values()


def _to_record(plan: Plan, table: pd.DataFrame) -> dict[str, Any]:
    """Return what the predictions tell."""
    results = compare(table, {name: made.saw for name, made in plan.sets.items()})
    return {
        "results": results,
        "headline": headline.headline(results),
        "by_group": fairness.score_groups(table),
        "size_matched": fairness.match_sizes(table),
    }


def _describe(plan: Plan) -> dict[str, Any]:
    """Return what the comparison is of: images, patients, generators."""
    return {
        "about": ABOUT,
        "notice": NOT_FOR_CLINICAL_USE,
        "rehearsal": plan.request.repetitions < SEEDS,
        "seeds": plan.request.repetitions,
        "preset": plan.request.preset,
        "folds": dict.fromkeys(_fold(plan), plan.request.fold_count),
        **_set(plan.synthetic),
        "others": {name: _set(made) for name, made in plan.others.items()},
        "real": {
            name: {
                split: {"images": len(one), "patients": len(np.unique(one.groups))}
                for split, one in own.items()
            }
            for name, own in plan.real.items()
        },
    }


def _learn(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the trainings went."""
    losses: dict[str, list[list[float]]] = {}
    for one in records:
        losses.setdefault(_cell(one["run"]), []).append(one["validation_loss"])
    return {
        "levelled_off": {
            key: has_converged(np.mean(own, axis=0).tolist()) for key, own in losses.items()
        },
        "made_images": {_cell(one["run"]): one["made"] for one in records},
        "not_calibrated": sorted({_cell(one["run"]) for one in records if not one["calibrated"]}),
    }


def _cell(run: Mapping[str, Any]) -> str:
    return f"{run['task']}/{run['train']}/{run['arm']}"


def _fold(plan: Plan) -> list[str]:
    return sorted({job.run.train for job in plan.jobs if job.run.fold is not None})


def _set(made: SyntheticSet) -> dict[str, Any]:
    images = {"images": len(made), "fingerprint": made.fingerprint}
    return {"generator": dict(made.generator) | {"saw": made.saw}, "synthetic": images}
