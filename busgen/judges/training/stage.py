"""Stage `train`: crops of real patients -> trained and calibrated judges.

In: canonical tables, the cohort, parameters. Out: a folder with the judges, and crops by split. A
killed training goes on from its last epochs and ends with the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from safetensors.torch import load_file
from scipy.special import logit

from busgen import io, seeds
from busgen.code import hash_code
from busgen.folders import open_work
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec, load_judges, save_model
from busgen.judges.training.fit import Member, Recipe, images_per_epoch
from busgen.judges.training.members import Job, run
from busgen.params.train_judges import JudgeParams, TrainJudgesParams
from busgen.real.crops import SPLITS, Crops, load_crops, read_shippable, save_crops
from busgen.stats.calibration import fit_platt, fit_threshold

TRAINED = "judges"  # folder in the work folder
Tick = Callable[[int], None]
Mapped = Callable[[Sequence[Job]], None]
Folders = Mapping[str, Path]  # split -> crops


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


def map_jobs(jobs: Sequence[Job], workers: int, tick: Tick) -> None:
    """Run `jobs`, `workers` of them at once."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(run, tick=tick), jobs))


def _assemble(plan: Plan, validation: Crops, folder: Path) -> Judges:
    """Write the judges of finished jobs to `folder`, calibrated on `validation`; return them."""
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
    return _assemble(plan, load_crops(splits["validation"]), work / TRAINED)


def work_folder(
    tables: Sequence[Path], cohort: Path, params: TrainJudgesParams, root: Path
) -> Path:
    """Return the folder in `root` of this training: its name hashes all that decides weights."""
    key = params.model_dump_json(exclude={"workers"}) + hash_code(__name__)
    key += "".join(map(io.sha256_file, (*tables, cohort)))
    return root / f"judges-{io.sha256_bytes(key.encode())[:16]}"
