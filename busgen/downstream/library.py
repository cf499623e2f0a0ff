"""`busgen downstream`: the runs of a plan trained where that is not done, then compared.

In: a `Plan`. Out: a folder with `metrics.json`, `predictions.parquet` and the runs
(`busgen.downstream.runs`). Real pictures stay in a work folder, which is removed when the
comparison is finished.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE
from busgen.downstream import compare, headline, intervals, metrics, runs
from busgen.downstream.cases import Pictures, code_of, save_cases
from busgen.downstream.compare import HEADLINE, compared
from busgen.downstream.learner import levelled_off
from busgen.downstream.made import Made
from busgen.downstream.plan import ASKED, SEEDS, Plan
from busgen.factory.work import locked
from busgen.io import dumps, read_json, replacing, require_vacant, sha256_bytes, write_text
from busgen.loop import Tick

METRICS, PREDICTIONS = headline.METRICS, "predictions.parquet"
ABOUT = (
    "mean over seeds; interval: 95 %, two-way bootstrap over patients and seeds; gain: over the "
    "arm `against` on the same patients, the primary one fixed beforehand, p_holm corrected among "
    "all secondary ones; generator_saw: whose patients the generator of the made pictures saw"
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
    out, jobs = plan.asked.out, plan.jobs
    require_vacant(out, ours=ASKED)
    key = _key(plan)
    if _stands(plan, key):
        tick(len(jobs))
        return read_json(out / METRICS), 0
    asked = {"runs": len(jobs), "notice": NOT_FOR_CLINICAL_USE}
    write_text(out / ASKED, dumps(asked))
    with locked(out / "work", say):
        _store(plan)
        ran = runs.run_all(jobs, plan.asked.workers, tick)
        predictions, records = runs.gathered(jobs)
        with replacing(out / PREDICTIONS) as partial:
            pq.write_table(predictions, partial)
        results = compared(predictions.to_pandas(), plan.made.saw)
        record = _described(plan, records)
        record |= {"results": results, "headline": headline.headline(results)}
        write_text(out / METRICS, dumps(record))
        write_text(out / ASKED, dumps(asked | {"outcome_of": key}))
        shutil.rmtree(out / "work")
    return record, ran


def _key(plan: Plan) -> str:
    """Return the hash of all that decides the outcome of a plan."""
    code = code_of((compare, headline, intervals, metrics, sys.modules[__name__]))
    told = [code, plan.made.saw, sorted(plan.made.generator.items())]
    return sha256_bytes(repr([*told, *(job.sha256 for job in plan.jobs)]).encode())


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
    yield plan.made
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
            "pictures": len(plan.made),
            "fingerprint": plan.made.fingerprint,
        },
        "real": {
            name: {
                split: {"pictures": len(one), "patients": len(np.unique(one.groups))}
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
