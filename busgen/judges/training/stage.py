"""Stage `train`: crops of real patients -> trained and calibrated judges.

In: canonical tables, the cohort, parameters. Out: a folder with the judges, and crops by split. A
killed training goes on from its last epochs and ends with the same bytes. Members of the ensembles
are each trained in a process of its own with one thread: two networks side by side use two cores
better than one network with two threads, none waits for the other, and sums keep their order.
"""

import multiprocessing
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from safetensors.torch import load_file, save_file
from scipy.special import logit

from busgen import io, seeds
from busgen.code import hash_code
from busgen.compute.devices import compute_alone
from busgen.errors import BusgenError
from busgen.folders import open_work
from busgen.io import replace_file
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec, load_judges, save_model
from busgen.judges.training import fit
from busgen.judges.training.fit import Member, Recipe, images_per_epoch
from busgen.params.train_judges import JudgeParams, TrainJudgesParams
from busgen.real.crops import SPLITS, load_crops, read_shippable, save_crops
from busgen.stats.calibration import fit_platt, fit_threshold
from busgen.training_loop import OnProgress

TRAINED = "judges"  # folder in the work folder
Folders = Mapping[str, Path]  # split -> crops


@dataclass(frozen=True)
class Job:
    """One member to train: what from (`save_crops`' folder), how, and where its weights go.

    `n` is the number of crops it sees, over all epochs.
    """

    name: str
    member: Member
    seed: int
    crops: Path
    work: Path
    n: int

    @property
    def weights(self) -> Path:
        """The file of the finished weights."""
        return self.work / f"{self.name}.safetensors"


def run(job: Job, tick: OnProgress) -> None:
    """Write the weights of a member, trained in a process of its own, unless they are there.

    A killed job goes on from its last epoch. `tick` gets the number of crops seen, in steps. Raises
    `BusgenError` if the process ended without weights.
    """
    if job.weights.is_file():
        tick(job.n)
    else:
        context = multiprocessing.get_context("spawn")
        record, tells = context.Pipe(duplex=False)
        process = context.Process(target=_train, args=(job, tells), name=job.name)
        process.start()
        tells.close()
        with record, suppress(EOFError):
            while True:
                tick(record.recv())
        process.join()
        if process.exitcode != 0 or not job.weights.is_file():
            raise BusgenError(f"training of {job.name} ended with code {process.exitcode}")


def _train(job: Job, tells: Connection) -> None:
    """Train in this process; it ends when nobody listens any more: the pipe breaks."""
    compute_alone()
    fit_member(job, tells.send)


def fit_member(job: Job, tick: OnProgress) -> None:
    """Write the weights of a member, trained in this process."""
    crops = load_crops(job.crops)
    if isinstance(job.member.spec, ClassifierSpec):
        crops = crops.pick(crops.is_labelled)
    checkpoints = job.work / f"{job.name}.checkpoints"
    weights = fit.train(job.member, crops, job.seed, checkpoints, tick)
    with replace_file(job.weights) as partial:
        save_file({key: value.contiguous() for key, value in weights.items()}, partial)
    shutil.rmtree(checkpoints)


Mapped = Callable[[Sequence[Job]], None]


@dataclass(frozen=True)
class Plan:
    """What is trained: both shapes, and a job for every member."""

    segmenter: SegmenterSpec
    classifier: ClassifierSpec
    jobs: tuple[Job, ...]

    @property
    def n(self) -> int:
        """Crops that all jobs together look at, as `tick` counts them."""
        return sum(job.n for job in self.jobs)


def plan(params: TrainJudgesParams, training: Path, work: Path) -> Plan:
    """Return the jobs for `params` on the crops in the folder `training`."""
    seg, cls, crops = params.segmenter, params.classifier, load_crops(training)
    segmenter = SegmenterSpec(seg.size_px, seg.widths, seg.members)
    classifier = ClassifierSpec(cls.size_px, cls.widths, cls.members, cls.context, cls.blind)
    ensembles: tuple[tuple[str, SegmenterSpec | ClassifierSpec, JudgeParams, int], ...] = (
        ("segmenter", segmenter, seg, len(crops)),
        ("classifier", classifier, cls, int(crops.is_labelled.sum())),
    )
    jobs = []
    half = params.half_precision
    for name, spec, judge, size in ensembles:
        recipe = Recipe(judge.epochs, judge.batch, judge.rate, judge.polish, half_precision=half)
        n = (judge.epochs + judge.polish) * images_per_epoch(size, judge.batch)
        for k in range(judge.members):
            seed = seeds.sample_seed(params.seed, k)
            jobs.append(Job(f"{name}-{k}", Member(spec, k, recipe), seed, training, work, n))
    return Plan(segmenter, classifier, tuple(jobs))


def map_jobs(jobs: Sequence[Job], workers: int, tick: OnProgress) -> None:
    """Run `jobs`, `workers` of them at once."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(run, tick=tick), jobs))


def prepare(tables: Sequence[Path], cohort: Path, work: Path) -> Folders:
    """Return folders with the crops of each split, read from canonical tables unless there."""
    folders = {split: open_work(work) / split for split in SPLITS}
    if not all(folder.is_dir() for folder in folders.values()):
        for split, crops in read_shippable(tables, cohort).items():
            save_crops(crops, folders[split])
    return folders


def train(plan: Plan, splits: Folders, work: Path, mapped: Mapped) -> Judges:
    """Train the judges of `plan`, calibrate them on the validation patients, keep them in `work`.

    `mapped` runs the jobs: `map_jobs`, or a flow that maps tasks.
    """
    mapped(plan.jobs)
    validation, folder = load_crops(splits["validation"]), work / TRAINED
    weights, members = [load_file(job.weights) for job in plan.jobs], plan.segmenter.members
    segmenters, classifiers = weights[:members], weights[members:]
    save_model(folder, (plan.segmenter, segmenters), (plan.classifier, classifiers))
    raw = load_judges(folder, "cpu")
    crops = validation.pick(validation.is_labelled)
    platt = fit_platt(raw.logits(crops.images, crops.masks), crops.is_malignant)
    classifier = replace(plan.classifier, slope=platt.slope, intercept=platt.intercept)
    level = fit_threshold(raw.segment(validation.images), validation.masks)
    segmenter = replace(plan.segmenter, offset=0.0 - float(logit(level)))
    save_model(folder, (segmenter, segmenters), (classifier, classifiers))
    return load_judges(folder, "cpu")


def work_folder(
    tables: Sequence[Path], cohort: Path, params: TrainJudgesParams, root: Path
) -> Path:
    """Return the folder in `root` of this training: its name hashes all that decides weights."""
    key = params.model_dump_json(exclude={"workers"}) + hash_code(__name__)
    key += "".join(map(io.sha256_file, (*tables, cohort)))
    return root / f"judges-{io.sha256_bytes(key.encode())[:16]}"
