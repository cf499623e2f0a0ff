"""One run: (task, training set, arm, seed, fold), kept in a folder named by its hash.

In: a `Job`. Out: `run.json` and `predictions.parquet` in that folder: what the model says of test
patients, one row an image, from which anyone can compute the scores. The hash covers what decides
them: the package's code, the model, the recipe, the arm, and the images: real ones of the splits
it uses, made ones only where the arm has them. So a changed generator repeats the arms with made
images and no other, and a killed comparison goes on.
"""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit
from torch import nn

from busgen import folders, seeds, training_loop
from busgen.code import hash_code
from busgen.compute.devices import compute_alone, resolve_device
from busgen.downstream import arms
from busgen.downstream.data import pools
from busgen.downstream.data.real_images import Cases, load_examples
from busgen.downstream.learner import Recipe, classify, segment, train
from busgen.downstream.models.registry import Model
from busgen.errors import DataError
from busgen.folders import write_folder
from busgen.io import dumps, read_json, sha256_bytes, write_text
from busgen.judges.judges import SegmenterSpec
from busgen.real.crops import Crops, join
from busgen.stats import calibration
from busgen.stats.calibration import Platt
from busgen.stats.overlap import dice, hd95, iou, largest_part

PREDICTIONS, RECORD = "predictions.parquet", "run.json"
ROOT_SEED = 20261126
TEXT, REAL = pa.string(), pa.float64()
SCHEMA = pa.schema(
    [
        *((name, TEXT) for name in ("task", "train", "arm")),
        ("seed", pa.int64()),
        ("fold", pa.int64()),  # of the test patients, where the data set is cross-validated
        *((name, TEXT) for name in ("test", "sample_id", "patient", "scanner", "pathology")),
        *((name, REAL) for name in ("probability", "dice", "iou", "hd95_px", "pixel_mm")),
        ("lesion_share", REAL),  # of the image's area
    ]
)


@dataclass(frozen=True)
class Run:
    """What one run is: task, data set trained on, arm, number of the seed, fold if there are."""

    task: str
    train: str
    arm: str
    seed: int
    fold: int | None = None


@dataclass(frozen=True)
class Job:
    """A run and its images, by fingerprint: sets of real training patients, made ones.

    `tests` data set -> fingerprint of its test patients; `out` the folder of the comparison,
    `device` where it computes (`busgen.compute.devices`), which decide nothing.
    """

    run: Run
    model: Model
    recipe: Recipe
    real: tuple[str, ...]
    made: tuple[str, ...]
    validation: str
    tests: tuple[tuple[str, str], ...]
    out: Path
    device: str = "cpu"

    @property
    def sha256(self) -> str:
        """Hash of all that decides the run."""
        deciding = asdict(self) | {"model": self.model.fingerprint, "code": hash_code(__name__)}
        deciding |= {"out": "", "device": ""}
        return sha256_bytes(json.dumps(deciding, sort_keys=True).encode())

    @property
    def folder(self) -> Path:
        """Where its outcome lies."""
        return self.out / "runs" / self.sha256[:16]

    @property
    def is_done(self) -> bool:
        """Whether it was run, for a comparison that stands or for one that was stopped."""
        stopped = replace(self, out=folders.work_folder(self.out))
        return any((one.folder / RECORD).is_file() for one in (self, stopped))


def work_folder(out: Path, fingerprint: str) -> Path:
    """Return the folder of some cases while a comparison is under way."""
    return out / "work" / "images" / fingerprint[:16]


def run_all(jobs: Sequence[Job], workers: int, tick: training_loop.OnProgress) -> int:
    """Run what is missing, several at a time, each in one thread; return how many were run.

    Cross-validated sets come last: they take most of the time, and others can be told before.
    """
    left = [job for job in jobs if not job.is_done]
    left.sort(key=lambda job: job.run.fold is not None)
    tick(len(jobs) - len(left))
    if workers == 1:
        for job in left:
            run(job)
            tick(1)
        return len(left)
    with ProcessPoolExecutor(workers, get_context("spawn"), compute_alone) as pool:
        try:
            for ended in as_completed([pool.submit(run, job) for job in left]):
                ended.result()
                tick(1)
        except BaseException:  # what waits would else be run before the error is told
            pool.shutdown(cancel_futures=True)
            raise
    return len(left)


def run(job: Job) -> None:
    """Train and test one model; its folder is there only when it is whole."""
    start = time.monotonic()
    arm = arms.find_arm(job.run.arm)
    seed = seeds.sample_seed(ROOT_SEED, job.run.seed)
    tests = {name: load_examples(work_folder(job.out, one)) for name, one in job.tests}
    validation = load_examples(work_folder(job.out, job.validation)).crops
    generated = [load_examples(work_folder(job.out, one)).crops for one in job.made]
    real = _learn(job, [validation, *(cases.crops for cases in tests.values())])
    pool = pools.make_pool(arm, real, generated, job.run.task, seed)
    # a low-data arm has few validation patients too: they are real patients like the others
    validation = pools.subsample(validation, arm.share)
    if arm.shuffled:  # else validation patients would tell the control what it must not know
        validation = pools.shuffle(validation, job.run.task == "classification", seed)
    work = job.out / "work" / job.folder.name
    recipe = replace(job.recipe, steps=job.recipe.steps * arm.longer)
    place = resolve_device(job.device)
    net, losses = train(job.model, pool, validation, recipe, seed, work, place)
    scale = fit_platt(job.model, net, validation)
    rows = [
        asdict(job.run) | {"test": name} | row
        for name, cases in tests.items()
        for row in predict(job.model, net, scale, cases)
    ]
    record = {"run": asdict(job.run), "validation_loss": losses, "calibrated": scale is not None}
    record |= {"images": len(pool.crops), "made": pool.synthetic}
    record |= {"seconds": time.monotonic() - start}
    with write_folder(job.folder, "run") as partial:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), partial / PREDICTIONS)
        write_text(partial / RECORD, dumps(record))


def fit_platt(model: Model, net: nn.Module, validation: Crops) -> Platt | None:
    """Return Platt's scaling by validation patients; None for segmenters and for too few."""
    if isinstance(model.spec, SegmenterSpec):
        return None
    own = validation.pick(validation.is_labelled)
    try:
        return calibration.fit_platt(classify(model.spec, net, own), own.is_malignant)
    except DataError:  # fewer than ten of a class: as the network gives them
        return None


def predict(
    model: Model, net: nn.Module, scale: Platt | None, cases: Cases
) -> Iterator[dict[str, Any]]:
    """Yield a row for each image that the task is tested on; what it has not is missing.

    `scale` makes the network's logits probabilities, None where that is unknown.
    """
    crops, classifies = cases.crops, model.task == "classification"
    tested = crops.is_labelled if classifies else crops.masks.any(axis=(1, 2))
    own = cases.pick(np.asarray(tested, np.bool_))
    found: list[dict[str, float]] = []
    if isinstance(model.spec, SegmenterSpec):
        drawn = segment(model.spec, net, np.asarray(own.crops.images))
        for one, mask in zip(map(largest_part, drawn), own.crops.masks, strict=True):
            true = np.asarray(mask) > 0
            agreed = {"dice": float(dice(one, true)), "iou": float(iou(one, true))}
            found.append(agreed | {"hd95_px": hd95(one, true)})
    else:
        logits = classify(model.spec, net, own.crops)
        found += [{"probability": float(p)} for p in (scale(logits) if scale else expit(logits))]
    for k, values in enumerate(found):
        yield {
            "sample_id": own.ids[k],
            "patient": own.crops.groups[k],
            "scanner": own.crops.scanners[k],
            "pathology": own.crops.labels[k] or None,
            "pixel_mm": float(own.pixel_mm[k]) if np.isfinite(own.pixel_mm[k]) else None,
            "lesion_share": float(own.crops.masks[k].mean()),
        } | values


def _learn(job: Job, others: Sequence[Crops]) -> Crops | None:
    """Return the real crops that a run learns from: no patient of `others`, its other sets.

    Splits see to that already; folds of one data set and splits of the others do not, where one
    patient is in several data sets.
    """
    if not job.real:
        return None
    crops = join([load_examples(work_folder(job.out, one)).crops for one in job.real])
    known = np.isin(crops.groups, np.concatenate([other.groups for other in others]))
    return crops.pick(~known) if known.any() else crops


def gather(jobs: Sequence[Job]) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return the predictions of finished runs as one table, and their records."""
    tables = [pq.read_table(job.folder / PREDICTIONS) for job in jobs]
    return pa.concat_tables(tables), [read_json(job.folder / RECORD) for job in jobs]
