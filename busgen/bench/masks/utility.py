"""Other ways to make masks, and what images drawn inside masks teach a small segmenter.

In: training crops of each arm. Out: Dice on real test patients. Every arm sees as many crops in as
many steps; only what they are of differs. What images teach, `busgen bench downstream` measures.
Of other ways, in: findings, and for one of them masks of training patients; out: (N, S, S) uint8
masks. The predecessor (Pan et al. 2025, MICCAI) deforms ellipses elastically, benign ones wider
than tall, malignant ones taller than wide; elastic deformation of real masks is the usual
augmentation.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from safetensors.torch import load_file

from busgen import seeds
from busgen.arrays import Floats, Pixels
from busgen.bench.harness import Figure, Figures, drop_missing, mean
from busgen.compute.devices import compute_alone
from busgen.judges.judges import ClassifierSpec, Judges, SegmenterSpec
from busgen.judges.nets import channels_last
from busgen.judges.training.fit import Member, Recipe, images_per_epoch
from busgen.judges.training.stage import Job, fit_member
from busgen.priors.findings import Finding
from busgen.real.crops import Crops, save_crops
from busgen.stats.overlap import dice

SEGMENTER = SegmenterSpec(96, (16, 32, 64), 1)
UNASKED = ClassifierSpec(64, (16, 32, 64), 1, 1.8, 1)
BATCH, RATE = 16, 3e-3
SEEN = 8000  # crops that one training sees
WORKERS = 2
SEED = 20261126
SMOOTH, MOST = 0.12, 0.08  # of the lesion's size: sd of the field's smoothing, its rms displacement
TRIES = 20


class Size(NamedTuple):
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


def draw_ellipses(findings: Sequence[Finding], size_px: int) -> Pixels:
    """Return ellipses of the findings' areas, lying or upright by class alone, then deformed."""
    generated = []
    for finding in findings:
        width, height = sorted(_box(finding), reverse=finding.pathology == "benign")
        col, row = (_along(finding.center_x, size_px, width),
                    _along(finding.center_y, size_px, height))  # fmt: skip
        mask = np.zeros((size_px, size_px), np.uint8)
        cv2.ellipse(mask, (col, row), (round(width / 2), round(height / 2)), 0, 0, 360, 1, -1)
        generated.append(_deform(mask, (width * height) ** 0.5, seeds.rng(finding.seed, "elastic")))
    return np.stack(generated)


def deform(findings: Sequence[Finding], training: Crops, size_px: int) -> Pixels:
    """Return training patients' masks of the same class, brought to the findings' boxes, deformed.

    `training` holds labelled crops.
    """
    own = {label: np.flatnonzero(training.labels == label) for label in ("benign", "malignant")}
    generated = []
    for finding in findings:
        rng = seeds.rng(finding.seed, "elastic")
        source = training.masks[rng.choice(own[finding.pathology])]
        width, height = _box(finding)
        mask = _resize(source, finding, size_px)
        generated.append(_deform(mask, (width * height) ** 0.5, rng))
    return np.stack(generated)


def _resize(source: Pixels, finding: Finding, size_px: int) -> Pixels:
    """Return the lesion of `source` stretched to the finding's box."""
    left, top, width, height = cv2.boundingRect(np.asarray(source))
    lesion = np.asarray(source)[top : top + height, left : left + width] * np.uint8(255)
    wide, high = (max(round(side), 2) for side in _box(finding))
    lesion = np.asarray(cv2.resize(lesion, (wide, high)) > 127, np.uint8)
    mask = np.zeros((size_px, size_px), np.uint8)
    row = _along(finding.center_y, size_px, high) - high // 2
    col = _along(finding.center_x, size_px, wide) - wide // 2
    target = mask[max(row, 0) : row + high, max(col, 0) : col + wide]
    target[:] = lesion[: target.shape[0], : target.shape[1]]
    return mask


def _deform(mask: Pixels, size: float, rng: np.random.Generator) -> Pixels:
    """Return the mask moved by a smooth random field (Simard 2003), less if it would vanish."""
    field = rng.standard_normal((2, *mask.shape)).astype(np.float32)
    smooth = [cv2.GaussianBlur(part, (0, 0), max(SMOOTH * size, 1.0)) for part in field]
    rows, cols = np.indices(mask.shape, np.float32)
    for attempt in range(TRIES):
        scale = MOST * size / 2**attempt
        dy, dx = (part / part.std() * scale for part in smooth)
        moved = cv2.remap(mask * np.uint8(255), cols + dx, rows + dy, cv2.INTER_LINEAR)
        if (moved > 127).any():
            return np.asarray(moved > 127, np.uint8)
    return mask


def _along(center: float | None, size_px: int, side: float) -> int:
    """Return where a lesion's centre is, in pixels, so that `side` stays inside the frame."""
    half = side / 2
    return round(float(np.clip((center or 0.5) * size_px, half, max(size_px - half, half))))


def _box(finding: Finding) -> tuple[float, float]:
    assert finding.width_mm is not None
    assert finding.height_mm is not None
    return finding.width_mm / finding.pixel_mm, finding.height_mm / finding.pixel_mm
