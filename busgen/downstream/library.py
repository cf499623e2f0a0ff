"""`busgen downstream`: the runs of a plan trained where that is not done, then compared.

In: a `Plan`. Out: a folder with `metrics.json`, `predictions.parquet` and the runs
(`busgen.downstream.runs`). Real pictures stay in a work folder, which is removed when the
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
from busgen.code import code_sha256
from busgen.downstream import runs
from busgen.downstream.data.findings import Words, findings_of, with_findings
from busgen.downstream.data.real_images import Pictures, save_cases
from busgen.downstream.data.synthetic_set import Made
from busgen.downstream.learner import levelled_off
from busgen.downstream.plan import KIND, Plan
from busgen.downstream.results import fairness, headline
from busgen.downstream.results.compare import HEADLINE, compared
from busgen.folders import grown_folder, require_replaceable
from busgen.io import dumps, read_json, replacing, sha256_bytes, write_text
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
    "generator of the made pictures saw; levelled_off: the last quarter of the steps, at a rate "
    "that falls to nothing, lowered the validation loss by 2 % at most"
)
Say = Callable[[str], None]


def carry_out(plan: Plan, tick: Tick, say: Say) -> tuple[dict[str, Any], int]:
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
    require_replaceable(plan.asked.out, KIND)
    known = findings_of(plan.asked.tables)
    key = _key(plan, known)
    if not _stands(plan, key):
        with grown_folder(plan.asked.out, KIND, say) as out:
            return _carry_out(_moved(plan, out), known, key, tick)
    tick(len(plan.jobs))
    return read_json(plan.asked.out / METRICS), 0


def _moved(plan: Plan, out: Path) -> Plan:
    """Return the plan with another folder to work in."""
    jobs = tuple(replace(job, out=out) for job in plan.jobs)
    return replace(plan, asked=replace(plan.asked, out=out), jobs=jobs)


def _carry_out(
    plan: Plan, known: Mapping[str, Words], key: str, tick: Tick
) -> tuple[dict[str, Any], int]:
    out, jobs = plan.asked.out, plan.jobs
    _store(plan)
    ran = runs.run_all(jobs, plan.asked.workers, tick)
    predictions, records = runs.gathered(jobs)
    predictions = with_findings(predictions, known)
    with replacing(out / PREDICTIONS) as partial:
        pq.write_table(predictions, partial)
    record = _described(plan) | _learned(records) | _told(plan, predictions.to_pandas())
    write_text(out / METRICS, dumps(record))
    asked = {"runs": len(jobs), "notice": NOT_FOR_CLINICAL_USE, "outcome_of": key}
    write_text(out / ASKED, dumps(asked))
    if (out / "work").is_dir():
        shutil.rmtree(out / "work")  # in our own work folder: real pictures stay in no outcome
    return record, ran


def _key(plan: Plan, known: Mapping[str, Words]) -> str:
    """Return the hash of all that decides the outcome of a plan."""
    code = code_sha256(__name__)
    told = {"code": code, "plan": _described(plan), "findings": known}
    return sha256_bytes(dumps(told | {"jobs": [job.sha256 for job in plan.jobs]}).encode())


def _stands(plan: Plan, key: str) -> bool:
    """Return whether the outcome of just this plan lies in its folder."""
    out = plan.asked.out
    if not all((out / name).is_file() for name in (ASKED, METRICS, PREDICTIONS)):
        return False
    own = read_json(out / ASKED).get("outcome_of") == key
    return own and all(job.done for job in plan.jobs)


def tables(record: Mapping[str, Any]) -> list[tuple[str, list[dict[str, object]]]]:
    """Return a record as (title, rows): the headline score of each arm, and its gain."""
    found: dict[str, list[dict[str, object]]] = {}
    for one in record["results"]:
        name = HEADLINE[one["task"]]
        score, gain = one["metrics"].get(name), one.get("gain")
        row: dict[str, object] = {
            "test (patients)": f"{one['test']} ({score['patients'] if score else '-'})",
            "arm": one["arm"],
            name: _shown(score),
            "gain": _shown(gain),
            "verdict": gain["verdict"] if gain else "-",
            "saw": one["generator_saw"] or "-",
        }
        found.setdefault(f"{one['task']}, trained on {one['train']}", []).append(row)
    return list(found.items())


def primaries(record: Mapping[str, Any]) -> list[str]:
    """Return the primary comparisons in words."""
    gains = [one for one in record["results"] if one.get("gain", {}).get("primary")]
    return [
        f"{one['task']}, {one['train']}: {one['gain']['metric']} {_shown(one['gain'])}, "
        f"{one['gain']['verdict']}"
        for one in gains
    ]


def _shown(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "-"
    low, high = score["interval"]
    return f"{score['value']:.3f} ({low:.3f} to {high:.3f})"


def _store(plan: Plan) -> None:
    """Write the pictures that runs still need to where their processes find them."""
    needed = {name for job in plan.jobs if not job.done for name in job.pictures}
    for own in _sets(plan):
        folder = runs.store(plan.asked.out, own.fingerprint)
        if own.fingerprint in needed and not folder.is_dir():
            save_cases(own.load(), folder)


def _sets(plan: Plan) -> Iterator[Made | Pictures]:
    yield from plan.sets.values()
    for own in plan.real.values():
        yield from own.values()


def _told(plan: Plan, table: pd.DataFrame) -> dict[str, Any]:
    """Return what the predictions tell."""
    results = compared(table, {name: made.saw for name, made in plan.sets.items()})
    return {
        "results": results,
        "headline": headline.headline(results),
        "by_group": fairness.by_group(table),
        "size_matched": fairness.size_matched(table),
    }


def _described(plan: Plan) -> dict[str, Any]:
    """Return what the comparison is of: pictures, patients, generators."""
    return {
        "about": ABOUT,
        "notice": NOT_FOR_CLINICAL_USE,
        "rehearsal": plan.asked.runs_a_cell < SEEDS,
        "seeds": plan.asked.runs_a_cell,
        "preset": plan.asked.preset,
        "folds": dict.fromkeys(_folded(plan), plan.asked.fold_count),
        **_set(plan.made),
        "others": {name: _set(made) for name, made in plan.others.items()},
        "real": {
            name: {
                split: {"pictures": len(one), "patients": len(np.unique(one.groups))}
                for split, one in own.items()
            }
            for name, own in plan.real.items()
        },
    }


def _learned(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the trainings went."""
    losses: dict[str, list[list[float]]] = {}
    for one in records:
        losses.setdefault(_cell(one["run"]), []).append(one["validation_loss"])
    return {
        "levelled_off": {
            key: levelled_off(np.mean(own, axis=0).tolist()) for key, own in losses.items()
        },
        "made_pictures": {_cell(one["run"]): one["made"] for one in records},
        "not_calibrated": sorted({_cell(one["run"]) for one in records if not one["calibrated"]}),
    }


def _cell(run: Mapping[str, Any]) -> str:
    return f"{run['task']}/{run['train']}/{run['arm']}"


def _folded(plan: Plan) -> list[str]:
    return sorted({job.run.train for job in plan.jobs if job.run.fold is not None})


def _set(made: Made) -> dict[str, Any]:
    pictures = {"pictures": len(made), "fingerprint": made.fingerprint}
    return {"generator": dict(made.generator) | {"saw": made.saw}, "synthetic": pictures}
