"""Utility of masks: what images drawn inside them teach a small segmenter.

In: training crops of each arm. Out: Dice on real test patients. Every arm sees as many crops in as
many steps; only what they are of differs. What images teach, `busgen bench downstream` measures.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from busgen import seeds
from busgen.arrays import Floats
from busgen.bench.harness import Figure, Figures, drop_missing, mean
from busgen.compute.devices import compute_alone
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec
from busgen.judges.nets import channels_last
from busgen.judges.training.fit import Member, Recipe, images_per_epoch
from busgen.judges.training.stage import Job, fit_member
from busgen.real.crops import Crops, save_crops
from busgen.stats.overlap import dice

SEGMENTER = SegmenterSpec(96, (16, 32, 64), 1)
UNASKED = ClassifierSpec(64, (16, 32, 64), 1, 1.8, 1)
BATCH, RATE = 16, 3e-3
SEEN = 8000  # crops that one training sees
WORKERS = 2
SEED = 20261126


@dataclass(frozen=True)
class Size:
    """How much is trained: seeds an arm, and the share of `SEEN`."""

    seeds: int
    share: float


def measure(
    training: Mapping[str, Crops], test: Crops, work: Path, size: Size, subject: str
) -> Figures:
    """Return the Dice of segmenters of every arm, and what `subject`'s gains over each other's."""
    lesions = test.pick(test.is_labelled)
    jobs = {arm: _jobs(arm, crops, work, size) for arm, crops in training.items()}
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), compute_alone) as pool:
        list(pool.map(_learn, [job for own in jobs.values() for job in own]))
    found = {arm: _dice(own, lesions) for arm, own in jobs.items()}
    measured: dict[str, Figure | None] = {}
    for arm, own in found.items():
        measured[f"utility_dice_{arm}"] = mean(own, lesions.groups, "Dice", "utility")
        if arm != subject:
            gain = found[subject] - own
            measured[f"utility_dice_gain_{arm}"] = mean(gain, lesions.groups, "Dice", "gain")
    return drop_missing(measured)


def _jobs(arm: str, crops: Crops, work: Path, size: Size) -> list[Job]:
    """Return an arm's trainings, its crops written to a folder of their own."""
    folder = work / f"crops-{arm}"
    save_crops(crops, folder)
    each = images_per_epoch(len(crops), BATCH)
    epochs = max(round(SEEN * size.share / each), 1)
    member = Member(SEGMENTER, 0, Recipe(epochs, BATCH, RATE, average=0.98))
    job = partial(Job, member=member, crops=folder, work=work, n=epochs * each)
    return [job(f"{arm}-segmenter-{k}", seed=seeds.sample_seed(SEED, k)) for k in range(size.seeds)]


def _learn(job: Job) -> None:
    """Train in this process, which goes on to the next: a new one a training starts too slowly."""
    fit_member(job, lambda _: None)


def _dice(jobs: Sequence[Job], test: Crops) -> Floats:
    """Return the mean Dice (N,) of the segmenters of several seeds with the test crops' masks."""
    agreed = []
    for job in jobs:
        net = SEGMENTER.build(0)
        net.load_state_dict(load_file(job.weights))
        found = Judges(SEGMENTER, UNASKED, (channels_last(net).eval(),), (), "cpu", "")
        agreed.append(dice(found.segment(test.images) > 0.5, test.masks > 0))
    return np.asarray(np.mean(agreed, axis=0), np.float64)
