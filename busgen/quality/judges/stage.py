"""Stage `train_judges`: real patients -> judges that were measured on patients they never saw.

In: crops by split, parameters. Out: a folder with weights, shapes, scores and cards.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from busgen import io, seeds
from busgen.params import JudgeParams, TrainJudgesParams
from busgen.quality.judges import scores
from busgen.quality.judges.calibration import fit_platt
from busgen.quality.judges.data import Crops, save_crops
from busgen.quality.judges.judges import (
    ClassifierSpec,
    Judges,
    SegmenterSpec,
    load_judges,
    save_judges,
)
from busgen.quality.judges.members import Job, run_job
from busgen.quality.judges.training import Member, Recipe, seen_an_epoch

Tick = Callable[[int], None]
Weights = dict[str, Tensor]
Mapped = Callable[[Sequence[Job]], Iterable[Weights]]


@dataclass(frozen=True)
class Plan:
    """What is trained: both shapes, and a job for every member."""

    segmenter: SegmenterSpec
    classifier: ClassifierSpec
    jobs: tuple[Job, ...]

    @property
    def crops(self) -> int:
        """Crops that all jobs together look at, as `tick` counts them."""
        return sum(job.n for job in self.jobs)


def plan_of(params: TrainJudgesParams, crops: Crops, folder: Path, work: Path) -> Plan:
    """Return the jobs for `params` on the training crops that lie in `folder`."""
    seg, cls = params.segmenter, params.classifier
    segmenter = SegmenterSpec(seg.size_px, seg.widths, seg.members)
    classifier = ClassifierSpec(cls.size_px, cls.widths, cls.members, cls.context, cls.blind)
    shapes: dict[str, tuple[SegmenterSpec | ClassifierSpec, JudgeParams]]
    shapes = {"segmenter": (segmenter, seg), "classifier": (classifier, cls)}
    sizes = {"segmenter": len(crops), "classifier": int(crops.labelled.sum())}
    jobs = tuple(
        Job(
            f"{name}-{k}",
            Member(spec, k, recipe_of(judge, half_precision=params.half_precision)),
            seeds.sample_seed(params.seed, k),
            folder,
            work,
            judge.epochs * seen_an_epoch(sizes[name], judge.batch),
        )
        for name, (spec, judge) in shapes.items()
        for k in range(judge.members)
    )
    return Plan(segmenter, classifier, jobs)


def recipe_of(judge: JudgeParams, *, half_precision: bool) -> Recipe:
    """Return how one member learns."""
    return Recipe(judge.epochs, judge.batch, judge.rate, half_precision=half_precision)


def map_jobs(jobs: Sequence[Job], workers: int, tick: Tick) -> Iterable[Weights]:
    """Yield the weights of `jobs` in their order, `workers` of them trained at once."""
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(partial(run_job, tick=tick), jobs)


def assemble(plan: Plan, weights: Sequence[Weights], validation: Crops, folder: Path) -> Judges:
    """Write the judges to `folder`, calibrated on `validation`, and return them."""
    members = plan.segmenter.members
    segmenters, classifiers = list(weights[:members]), list(weights[members:])
    save_judges(folder, (plan.segmenter, segmenters), (plan.classifier, classifiers))
    raw = load_judges(folder, "cpu")
    crops = validation.pick(validation.labelled)
    platt = fit_platt(raw.logits(crops.images, crops.masks), crops.malignant)
    calibrated = replace(plan.classifier, slope=platt.slope, intercept=platt.intercept)
    save_judges(folder, (plan.segmenter, segmenters), (calibrated, classifiers))
    return load_judges(folder, "cpu")


def train_judges(
    splits: Mapping[str, Crops], params: TrainJudgesParams, work: Path, mapped: Mapped
) -> Judges:
    """Train on ``splits["train"]``, calibrate on ``splits["validation"]``; judges in `work`.

    Parameters
    ----------
    splits
        Crops of real patients; the judges see no others.
    params
        What to train.
    work
        Folder that a killed training goes on from: crops, checkpoints, finished members.
    mapped
        What runs the jobs and yields their weights in order: `map_jobs`, or a flow's tasks.
    """
    folder = work / "crops"
    if not folder.is_dir():
        save_crops(splits["train"], folder)
    plan = plan_of(params, splits["train"], folder, work)
    weights = list(mapped(plan.jobs))
    return assemble(plan, weights, splits["validation"], work / "judges")


def score(judges: Judges, crops: Crops) -> Mapping[str, object]:
    """Return the scores of both judges on crops of patients that they never saw."""
    return {
        "segmenter": {"dice": scores.segmenter_scores(judges, crops)},
        "classifier": scores.classifier_scores(judges, crops),
    }


def write_scores(record: Mapping[str, object], folder: Path) -> None:
    """Write what a machine reads of the judges: data, training, scores."""
    io.write_text(folder / "scores.json", io.dumps(record))
