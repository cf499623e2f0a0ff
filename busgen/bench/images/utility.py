"""Utility, quick form: what rendered images teach a small segmenter and a small classifier.

In: real training crops, images rendered for findings of the same classes and machines with
everything else drawn from the prior, ungated. Out: scores on real test patients. Every arm sees as
many crops in as many steps; only what they are of differs.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from busgen import seeds
from busgen.bench.harness import Figure
from busgen.bench.images.scores import drop_missing, interval, mean
from busgen.compute.threads import compute_alone
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec
from busgen.judges.nets import channels_last
from busgen.judges.training.fit import Member, Recipe, images_per_epoch
from busgen.judges.training.stage import Job, fit_member
from busgen.real.crops import Crops, join, save_crops
from busgen.stats.overlap import dice
from busgen.stats.patients import Floats, Score
from busgen.stats.roc import auc

SEGMENTER = SegmenterSpec(96, (16, 32, 64), 1)
CLASSIFIER = ClassifierSpec(64, (16, 32, 64), 1, 1.8, 1)
BATCH, RATE = 16, 3e-3
SEEN = {"segmenter": 8000, "classifier": 9600}  # crops that one training looks at
WORKERS = 2
SEED = 20261126


@dataclass(frozen=True)
class Size:
    """How much is trained: seeds an arm, and the share of `SEEN`."""

    seeds: int
    share: float


@dataclass(frozen=True)
class Answers:
    """What an arm's networks say of the test crops: Dice and chances (seeds, N)."""

    dice: Floats
    malignant: Floats


def make_arms(real: Crops, made: Mapping[str, NDArray[np.uint8]], masks: NDArray[np.uint8]) -> dict[
    str, Crops
]:  # fmt: skip
    """Return the arms' training crops: real, each engine's alone, and real with each, 1:1.

    Parameters
    ----------
    real
        Training crops.
    made, masks
        Engine -> images (N, S, S), and their masks, one for each real crop: a rendered image
        counts for the same machine and class, so that drawing by machine draws both alike.
    """
    clear = np.zeros_like(masks)
    own = {
        name: replace(real, images=images, masks=masks, ignore=clear)
        for name, images in made.items()
    }
    mixed = {f"real_{name}": join([real, crops]) for name, crops in own.items()}
    return {"real": real, **own, **mixed}


def figures(
    training: Mapping[str, Crops], test: Crops, work: Path, size: Size
) -> dict[str, Figure]:
    """Return the scores of every arm and what it gains over real alone, paired by image."""
    jobs = {arm: _jobs(arm, crops, work, size) for arm, crops in training.items()}
    _train(jobs)
    lesions = test.pick(test.is_labelled)
    answers = {arm: _answers(own, lesions) for arm, own in jobs.items()}
    told: dict[str, Figure | None] = {}
    for arm, one in answers.items():
        told |= _scores(arm, one, lesions)
        if arm != "real":
            told |= _gains(arm, one, answers["real"], lesions)
    return drop_missing(told)


def measure(
    training: Mapping[str, Crops], test: Crops, work: Path, size: Size, subject: str
) -> dict[str, Figure]:
    """Return the Dice of segmenters of every arm, and what `subject`'s gains over each other's."""
    jobs = {arm: _jobs(arm, crops, work, size, ("segmenter",)) for arm, crops in training.items()}
    _train(jobs)
    lesions = test.pick(test.is_labelled)
    found = {arm: _answers(own, lesions).dice.mean(0) for arm, own in jobs.items()}
    told: dict[str, Figure | None] = {}
    for arm, own in found.items():
        told[f"utility_dice_{arm}"] = mean(own, lesions.groups, "Dice", "utility")
        if arm != subject:
            gain = found[subject] - own
            told[f"utility_dice_gain_{arm}"] = mean(gain, lesions.groups, "Dice", "gain")
    return drop_missing(told)


def _train(jobs: Mapping[str, Sequence[Job]]) -> None:
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), compute_alone) as pool:
        list(pool.map(_learn, [job for own in jobs.values() for job in own]))


def _jobs(
    arm: str, crops: Crops, work: Path, size: Size, kinds: Sequence[str] = tuple(SEEN)
) -> list[Job]:
    """Return an arm's trainings, its crops written to a folder of their own."""
    folder = work / f"crops-{arm}"
    save_crops(crops, folder)
    specs: Sequence[tuple[str, SegmenterSpec | ClassifierSpec, int]] = (
        ("segmenter", SEGMENTER, len(crops)),
        ("classifier", CLASSIFIER, int(crops.is_labelled.sum())),
    )
    jobs = []
    for name, spec, n in [own for own in specs if own[0] in kinds]:
        epochs = max(round(SEEN[name] * size.share / images_per_epoch(n, BATCH)), 1)
        member = Member(spec, 0, Recipe(epochs, BATCH, RATE, average=0.98))
        for k in range(size.seeds):
            seed = seeds.sample_seed(SEED, k)
            total = epochs * images_per_epoch(n, BATCH)
            jobs.append(Job(f"{arm}-{name}-{k}", member, seed, folder, work, total))
    return jobs


def _learn(job: Job) -> None:
    """Train in this process, which goes on to the next: a new one a training starts too slowly."""
    fit_member(job, lambda _: None)


def _answers(jobs: Sequence[Job], test: Crops) -> Answers:
    agreed, probabilities = [], []
    for job in jobs:
        spec = job.member.spec
        net = spec.build(0)
        net.load_state_dict(load_file(job.weights))
        nets = (channels_last(net).eval(),)
        if isinstance(spec, SegmenterSpec):
            found = Judges(spec, CLASSIFIER, nets, (), "cpu", "").segment(test.images)
            agreed.append(dice(found > 0.5, test.masks > 0))
        else:
            judges = Judges(SEGMENTER, spec, (), nets, "cpu", "")
            probabilities.append(judges.classify(test.images, test.masks))
    return Answers(np.array(agreed), np.array(probabilities))


def _scores(arm: str, answers: Answers, test: Crops) -> dict[str, Figure | None]:
    score = auc_score(test.is_malignant, answers.malignant)
    return {
        f"utility_dice_{arm}": mean(answers.dice.mean(0), test.groups, "Dice", "utility"),
        f"utility_auc_{arm}": interval(score, test.groups, "AUC", "utility"),
    }


def _gains(arm: str, own: Answers, real: Answers, test: Crops) -> dict[str, Figure | None]:
    ours, theirs = (auc_score(test.is_malignant, one.malignant) for one in (own, real))
    steps = (own.dice - real.dice).mean(0)
    return {
        f"utility_dice_gain_{arm}": mean(steps, test.groups, "Dice", "gain"),
        f"utility_auc_gain_{arm}": interval(
            lambda rows: ours(rows) - theirs(rows), test.groups, "AUC", "gain"
        ),
    }


def auc_score(outcomes: NDArray[np.bool_], probabilities: Floats) -> Score:
    """Return the mean AUC of several classifiers, chances (seeds, N), as a score of rows."""
    return lambda rows: float(np.mean([auc(outcomes[rows], own[rows]) for own in probabilities]))
