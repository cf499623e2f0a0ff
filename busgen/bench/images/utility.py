"""Utility, quick form: what rendered images teach a small segmenter and a small classifier.

In: real training crops, images rendered for findings of the same classes and machines with
everything else drawn from the prior, ungated. Out: scores on real test patients. Every arm sees as
many crops in as many steps; only what they are of differs.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from busgen import seeds
from busgen.arrays import Pixels
from busgen.bench.harness import Figure
from busgen.bench.images.scores import auc_score, drop_missing, interval, mean
from busgen.compute.threads import compute_alone
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec
from busgen.judges.nets import channels_last
from busgen.judges.training.fit import Member, Recipe, images_per_epoch
from busgen.judges.training.stage import Job, fit_member
from busgen.real.crops import Crops, join, save_crops
from busgen.stats.overlap import dice
from busgen.stats.patients import Floats, Score

SEGMENTER = SegmenterSpec(96, (16, 32, 64), 1)
CLASSIFIER = ClassifierSpec(64, (16, 32, 64), 1, 1.8, 1)
BATCH, RATE = 16, 3e-3
SEEN = {"segmenter": 8000, "classifier": 9600}  # crops that one training sees
WORKERS = 2
SEED = 20261126


@dataclass(frozen=True)
class Size:
    """How much is trained: seeds an arm, and the share of `SEEN`."""

    seeds: int
    share: float


def make_arms(real: Crops, generated: Mapping[str, Pixels], masks: Pixels) -> dict[str, Crops]:
    """Return the arms' training crops: real, each engine's alone, and real with each, 1:1.

    `generated` (engine -> images (N, S, S)) and their `masks` are one for each real crop: a
    rendered image counts for the same machine and class, so that drawing by machine draws both
    alike.
    """
    clear = np.zeros_like(masks)
    own = {n: replace(real, images=one, masks=masks, ignore=clear) for n, one in generated.items()}
    mixed = {f"real_{name}": join([real, crops]) for name, crops in own.items()}
    return {"real": real, **own, **mixed}


def figures(
    training: Mapping[str, Crops], test: Crops, work: Path, size: Size
) -> dict[str, Figure]:
    """Return the scores of every arm and what it gains over real alone, paired by image."""
    lesions = test.pick(test.is_labelled)
    groups, malignant = lesions.groups, lesions.is_malignant
    answers = _train(training, lesions, work, size, tuple(SEEN))
    (base, base_probabilities), measured = answers["real"], dict[str, Figure | None]()
    theirs = auc_score(malignant, base_probabilities)
    for arm, (agreed, probabilities) in answers.items():
        ours = auc_score(malignant, probabilities)
        measured[f"utility_dice_{arm}"] = mean(agreed.mean(0), groups, "Dice", "utility")
        measured[f"utility_auc_{arm}"] = interval(ours, groups, "AUC", "utility")
        if arm != "real":
            steps = (agreed - base).mean(0)
            measured[f"utility_dice_gain_{arm}"] = mean(steps, groups, "Dice", "gain")
            gain = partial(_gain, ours, theirs)
            measured[f"utility_auc_gain_{arm}"] = interval(gain, groups, "AUC", "gain")
    return drop_missing(measured)


def measure(
    training: Mapping[str, Crops], test: Crops, work: Path, size: Size, subject: str
) -> dict[str, Figure]:
    """Return the Dice of segmenters of every arm, and what `subject`'s gains over each other's."""
    lesions = test.pick(test.is_labelled)
    answers = _train(training, lesions, work, size, ("segmenter",))
    found = {arm: agreed.mean(0) for arm, (agreed, _) in answers.items()}
    measured: dict[str, Figure | None] = {}
    for arm, own in found.items():
        measured[f"utility_dice_{arm}"] = mean(own, lesions.groups, "Dice", "utility")
        if arm != subject:
            gain = found[subject] - own
            measured[f"utility_dice_gain_{arm}"] = mean(gain, lesions.groups, "Dice", "gain")
    return drop_missing(measured)


def _train(
    training: Mapping[str, Crops], test: Crops, work: Path, size: Size, kinds: Sequence[str]
) -> dict[str, tuple[Floats, Floats]]:
    """Train networks of these kinds on each arm; return what they say of the test crops.

    That is Dice and probabilities of the malignant class, (seeds, N) each.
    """
    jobs = {arm: _jobs(arm, crops, work, size, kinds) for arm, crops in training.items()}
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), compute_alone) as pool:
        list(pool.map(_learn, [job for own in jobs.values() for job in own]))
    return {arm: _answers(own, test) for arm, own in jobs.items()}


def _jobs(arm: str, crops: Crops, work: Path, size: Size, kinds: Sequence[str]) -> list[Job]:
    """Return an arm's trainings, its crops written to a folder of their own."""
    folder = work / f"crops-{arm}"
    save_crops(crops, folder)
    specs: Sequence[tuple[str, SegmenterSpec | ClassifierSpec, int]] = (
        ("segmenter", SEGMENTER, len(crops)),
        ("classifier", CLASSIFIER, int(crops.is_labelled.sum())),
    )
    jobs = []
    for name, spec, n in [own for own in specs if own[0] in kinds]:
        each = images_per_epoch(n, BATCH)
        epochs = max(round(SEEN[name] * size.share / each), 1)
        member = Member(spec, 0, Recipe(epochs, BATCH, RATE, average=0.98))
        for k in range(size.seeds):
            seed = seeds.sample_seed(SEED, k)
            jobs.append(Job(f"{arm}-{name}-{k}", member, seed, folder, work, epochs * each))
    return jobs


def _learn(job: Job) -> None:
    """Train in this process, which goes on to the next: a new one a training starts too slowly."""
    fit_member(job, lambda _: None)


def _answers(jobs: Sequence[Job], test: Crops) -> tuple[Floats, Floats]:
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
    return np.array(agreed), np.array(probabilities)


def _gain(ours: Score, theirs: Score, rows: NDArray[np.intp]) -> float:
    return ours(rows) - theirs(rows)
