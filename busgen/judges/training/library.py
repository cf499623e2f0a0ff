"""Training of the judges as a function call: canonical folders in, a folder of judges out.

In: what `busgen real ... --out` wrote, parameters. Out: a folder to ship, written with no server:
weights, shapes, cards, and how well the judges judge patients that they never saw, by data set,
with intervals over patients.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from busgen import folders, io, seeds
from busgen.arrays import Bools, Indices, Names
from busgen.folders import write_folder
from busgen.judges.judges import FILES, SHIPPED, SPEC, Judges, load_judges
from busgen.judges.training import stage
from busgen.params.train_judges import TrainJudgesParams
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import SPLITS, Crops, load_crops, origin_of, read_crops, weights_may_ship
from busgen.stats.calibration import calibration_error, debiased_error, error_floor
from busgen.stats.overlap import dice
from busgen.stats.patients import Floats, Rows, Score, interval, mean_score
from busgen.stats.roc import auc, auc_score
from busgen.templates import card_of, tell_changes

SCORES = "scores.json"
JUDGES = "judges"
Record = dict[str, Any]
FOUND = 0.005  # of an image's area: less is not counted as a lesion found


class Training(NamedTuple):
    """A training that can start: its tables, its crops, where it works and where it ends.

    `left_out`: tables of datasets that it is not to learn from.
    """

    params: TrainJudgesParams
    tables: tuple[Path, ...]
    cohort: Path
    splits: stage.Folders
    work: Path
    out: Path
    plan: stage.Plan
    left_out: tuple[Path, ...] = ()


def resolve(
    folder: Path, out: Path, params: TrainJudgesParams, without: Collection[str] = ()
) -> Training:
    """Return the training on the canonical data in `folder`; its crops are read.

    `without`: datasets that it is not to learn from. Raises `UserError` if `folder` has no
    canonical data, or `out` holds other things.
    """
    folders.require_replaceable(out, JUDGES)
    tables, cohort = find_tables(folder, without), find_cohort(folder)
    work = stage.work_folder(tables, cohort, params, folders.work_path(out))
    splits = stage.prepare(tables, cohort, work)
    plan = stage.plan(params, splits["train"], work)
    left_out = tuple(path for path in find_tables(folder) if path not in tables)
    return Training(params, tuple(tables), cohort, splits, work, out, plan, left_out)


def train(training: Training, tick: Callable[[int], None]) -> dict[str, Any]:
    """Train, score and write the judges; return what `scores.json` holds.

    `tick` gets the number of crops examined. What a killed training did is not done again.
    """
    params, work, out = training.params, training.work, training.out
    mapped = partial(stage.map_jobs, workers=params.workers, tick=tick)
    with folders.lock_folder(out, JUDGES):
        stage.train(training.plan, training.splits, work, mapped)
        record = publish(
            work / stage.TRAINED, params, training.tables, training.cohort, out, training.left_out
        )
        folders.clear_work(out)
    return record


def score_segmenter(judges: Judges, crops: Crops) -> Record:
    """Return Dice by data set of images with a lesion, and how many normals stay empty."""
    found = judges.segment(crops.images) > 0.5
    agreed = dice(found, crops.masks > 0)
    record: Record = {}
    for name, rows in _parts(crops, np.asarray(crops.masks.any(axis=(1, 2)))):
        groups, own = crops.groups[rows], agreed[rows]
        record[name] = {
            **_measure(mean_score(own), groups, f"dice {name}"),
            "median": round(float(np.median(own)), 4),
            "missed": round(float((own < 0.1).mean()), 4),
        }
    normal = crops.labels == "normal"
    if normal.any():
        empty = found[normal].mean(axis=(1, 2)) < FOUND
        value = round(float(empty.mean()), 4)
        record["normals_left_empty"] = {"value": value, "n": int(normal.sum())}
    return record


def score_classifier(judges: Judges, crops: Crops) -> Record:
    """Return AUC by data set, that of the lesion's area alone beside it, and calibration."""
    crops = crops.pick(crops.is_labelled)
    if not len(crops):
        return {}
    probabilities, area = judges.classify(crops.images, crops.masks), crops.masks.mean(axis=(1, 2))
    ranks: Record = {}
    for name, rows in _parts(crops, np.ones(len(crops), np.bool_)):
        truth, own = crops.is_malignant[rows], probabilities[rows]
        if truth.all() or not truth.any():
            continue
        ranks[name] = {
            **_measure(auc_score(truth, own), crops.groups[rows], f"auc {name}"),
            "malignant": int(truth.sum()),
            "area_alone": round(auc(truth, area[rows]), 4),
        }
    calibration = _calibration(probabilities, crops.is_malignant, crops.groups)
    return {"auc": ranks, "calibration": calibration}


def _calibration(probabilities: Floats, outcomes: Bools, groups: Names) -> Record:
    """Return calibration errors with 5 and 10 bins, each with the floor of true chances."""
    record: Record = {}
    for bins in (5, 10):

        def error(rows: Rows, bins: int = bins) -> float:
            return calibration_error(probabilities[rows], outcomes[rows], bins)

        floor = error_floor(probabilities, seeds.rng(0, f"floor {bins}"), bins)
        record[f"ece_{bins}_bins"] = {
            **_measure(error, groups, f"ece {bins}"),
            "floor": round(floor[0], 4),
            "floor_95": round(floor[1], 4),
            "debiased": round(debiased_error(probabilities, outcomes, bins), 4),
        }
    return record


def _parts(crops: Crops, among: Bools) -> list[tuple[str, Indices]]:
    """Return `(data set, rows)` of those `among`, and all of them where there are several."""
    names = [str(name) for name in np.unique(crops.datasets[among])]
    each = [(name, np.flatnonzero(among & (crops.datasets == name))) for name in names]
    return each + ([("all", np.flatnonzero(among))] if len(names) > 1 else [])


def _measure(score: Score, groups: Names, stream: str) -> Record:
    """Return value, n, patients and interval of a score of rows 0 ... N - 1."""
    return {
        "value": round(score(np.arange(len(groups))), 4),
        "n": len(groups),
        "patients": len(np.unique(groups)),
        "interval": interval(score, groups, seeds.rng(0, stream)),
    }


def publish(
    judges: Path,
    params: TrainJudgesParams,
    tables: Sequence[Path],
    cohort: Path,
    out: Path,
    left_out: Sequence[Path] = (),
) -> Record:
    """Write the judges in the folder `judges` to `out` with scores and cards, all of it or nothing.

    The crops by split lie beside `judges`. Data sets among `tables` that the judges did not learn
    from are scored whole, of those `left_out` the test patients. Returns what `scores.json` holds.
    """
    crops = {split: load_crops(judges.parent / split) for split in SPLITS}
    loaded = load_judges(judges, "cpu")
    strange = [path for path in tables if not weights_may_ship(path)]
    record: Record = {
        "data": {path.parent.name: describe(path, crops) for path in tables},
        "training": params.model_dump(mode="json", exclude={"workers"}),
        "weights_sha256": {name: io.sha256_file(judges / name) for name in FILES},
        "test": score(loaded, crops["test"]),
        "other": {
            path.parent.name: score(loaded, read_crops([path], cohort, SPLITS)) for path in strange
        },
        "left_out": {
            path.parent.name: score(loaded, read_crops([path], cohort, ("test",)))
            for path in left_out
        },
    }
    with write_folder(out, JUDGES) as partial:
        for name in (SPEC, *FILES):
            shutil.copyfile(judges / name, partial / name)
        io.write_text(partial / SCORES, io.dumps(record))
        for name, text in write_card(record).items():
            io.write_text(partial / name, text)
    return record


def score(judges: Judges, crops: Crops) -> Record:
    """Return the scores of both judges on crops of patients that they never saw."""
    return {
        "segmenter": score_segmenter(judges, crops),
        "classifier": score_classifier(judges, crops),
    }


def describe(table: Path, crops: Mapping[str, Crops]) -> Record:
    """Return origin and licence of a data set, and what of it is in which split."""
    name = table.parent.name
    record: Record = {**origin_of(table), "weights_may_ship": weights_may_ship(table)}
    for split, own in crops.items():
        rows = np.flatnonzero(own.datasets == name)
        if len(rows):
            labels = Counter(str(label) or "unknown" for label in own.labels[rows])
            record[split] = {"patients": len(np.unique(own.groups[rows])), **labels}
    return record


def write_card(record: Mapping[str, Any]) -> dict[str, str]:
    """Return file name -> Markdown; data sets that were not learned from are marked *."""
    card = card_of(Path(__file__).parent)
    scored = [("", record["test"]), *((" *", scores) for scores in record["other"].values())]
    return {
        f"{judge}.md": card.render(
            record, judge=judge, scored=scored, changes=_changes(record, judge)
        )
        for judge in ("segmenter", "classifier")
    }


def _changes(record: Mapping[str, Any], judge: str) -> str:
    """Return what the card of a judge tells of datasets that were left out: scores beside ours."""
    shipped = io.read_json(SHIPPED / SCORES)
    names = [name for name, told in record["data"].items() if told["weights_may_ship"]]
    this, rows = _tell(record["test"][judge]), list[tuple[str, str, str]]()
    for name, scores in record["left_out"].items():
        this[name] = _tell(scores[judge])[name]
    for name, told in _tell(shipped["test"][judge]).items():
        what = "Dice" if judge == "segmenter" else "AUC"
        rows.append((f"{what}, test patients, {name}", told, this.get(name, "-")))
    return tell_changes(names, list(shipped["data"]), rows)


def _tell(scores: Mapping[str, Any]) -> dict[str, str]:
    """Return a judge's scores by dataset with their intervals, as a card writes them."""
    known = scores.get("auc", scores)
    told = {name: part for name, part in known.items() if "interval" in part}
    return {
        name: "{:.3f} ({:.3f} to {:.3f})".format(part["value"], *part["interval"])
        for name, part in told.items()
    }
