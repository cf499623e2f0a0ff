"""`busgen downstream`: the runs of a plan trained where that is not done, then compared.

In: a `Plan`. Out: a folder with `metrics.json`, `predictions.parquet` and the runs
(`busgen.downstream.runs`). Real images stay in a work folder, which is removed when the
comparison is finished.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE
from busgen.code import hash_code
from busgen.downstream import runs
from busgen.downstream.data.real_images import ImageSet, save_examples
from busgen.downstream.data.synthetic_set import SyntheticSet
from busgen.downstream.learner import has_converged
from busgen.downstream.plan import KIND, Plan
from busgen.downstream.results import fairness, headline
from busgen.downstream.results.compare import HEADLINE, compare
from busgen.downstream.results.paper import write_paper
from busgen.folders import grow_folder, require_replaceable
from busgen.io import dumps, read_json, replace_file, sha256_bytes, write_text
from busgen.params.downstream import SEEDS
from busgen.training_loop import OnProgress

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
Known = Mapping[str, fairness.Words]


def run(plan: Plan, tick: OnProgress, say: Say) -> tuple[dict[str, Any], int]:
    """Run what is missing and write the comparison; return its record and how many were run.

    `tick` is called with the number of runs that are done, those found done at the start too;
    `say` where another comparison is waited for.
    """
    target = plan.request.out
    require_replaceable(target, KIND)
    known = fairness.read_findings(plan.request.tables)
    deciding = {"code": hash_code(__name__), "plan": _describe(plan), "findings": known}
    deciding["jobs"] = [job.sha256 for job in plan.jobs]
    key = sha256_bytes(dumps(deciding).encode())
    whole = all((target / name).is_file() for name in (ASKED, METRICS, PREDICTIONS))
    same = whole and read_json(target / ASKED).get("outcome_of") == key
    if same and all(job.is_done for job in plan.jobs):
        tick(len(plan.jobs))
        return read_json(target / METRICS), 0
    with grow_folder(target, KIND, say) as out:
        jobs = tuple(replace(job, out=out) for job in plan.jobs)
        moved = replace(plan, request=replace(plan.request, out=out), jobs=jobs)
        return _run(moved, known, key, tick)


def _run(plan: Plan, known: Known, key: str, tick: OnProgress) -> tuple[dict[str, Any], int]:
    out, jobs = plan.request.out, plan.jobs
    left = [job for job in jobs if not job.is_done]
    needed = {name for job in left for name in (*job.real, *job.made, job.validation)}
    needed |= {name for job in left for _, name in job.tests}
    every: list[SyntheticSet | ImageSet] = [*plan.sets.values()]
    every += [images for own in plan.real.values() for images in own.values()]
    for own in every:
        folder = runs.work_folder(out, own.fingerprint)
        if own.fingerprint in needed and not folder.is_dir():
            save_examples(own.load(), folder)
    ran = runs.run_all(jobs, plan.request.workers, tick)
    predictions, records = runs.gather(jobs)
    predictions = fairness.join(predictions, known)
    with replace_file(out / PREDICTIONS) as partial:
        pq.write_table(predictions, partial)
    table = predictions.to_pandas()
    results = compare(table, {name: one.saw for name, one in plan.sets.items()})
    record = _describe(plan) | _summarise_training(records)
    record |= {"results": results, "headline": headline.headline(results)}
    record |= {"by_group": fairness.score_groups(table)}
    record |= {"size_matched": fairness.match_sizes(table)}
    write_text(out / METRICS, dumps(record))
    write_paper(record, out)
    request = {"runs": len(jobs), "notice": NOT_FOR_CLINICAL_USE, "outcome_of": key}
    write_text(out / ASKED, dumps(request))
    if (out / "work").is_dir():
        shutil.rmtree(out / "work")  # in our own work folder: real images stay in no outcome
    return record, ran


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


def _show(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "-"
    low, high = score["interval"]
    return f"{score['value']:.3f} ({low:.3f} to {high:.3f})"


def _describe(plan: Plan) -> dict[str, Any]:
    """Return what the comparison is of: images, patients, generators."""
    folded = sorted({job.run.train for job in plan.jobs if job.run.fold is not None})
    sets = {
        name: {
            "generator": dict(one.generator) | {"saw": one.saw},
            "synthetic": {"images": len(one), "fingerprint": one.fingerprint},
        }
        for name, one in plan.sets.items()
    }
    return {
        "about": ABOUT,
        "notice": NOT_FOR_CLINICAL_USE,
        "rehearsal": plan.request.repetitions < SEEDS,
        "seeds": plan.request.repetitions,
        "preset": plan.request.preset,
        "folds": dict.fromkeys(folded, plan.request.fold_count),
        **sets.pop(""),
        "others": sets,
        "real": {
            name: {
                split: {"images": len(one), "patients": len(np.unique(one.groups))}
                for split, one in own.items()
            }
            for name, own in plan.real.items()
        },
    }


def _summarise_training(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the trainings went."""
    named = [("{task}/{train}/{arm}".format_map(one["run"]), one) for one in records]
    losses: dict[str, list[list[float]]] = {}
    for name, one in named:
        losses.setdefault(name, []).append(one["validation_loss"])
    means = {name: np.mean(own, axis=0).tolist() for name, own in losses.items()}
    return {
        "levelled_off": {name: has_converged(mean) for name, mean in means.items()},
        "validation_loss": means,
        "made_images": {name: one["made"] for name, one in named},
        "not_calibrated": sorted({name for name, one in named if not one["calibrated"]}),
    }
