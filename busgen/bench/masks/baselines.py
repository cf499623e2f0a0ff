"""Other ways to make masks, as engines of the benchmark.

In: findings, and for one of them masks of training patients. Out: (N, S, S) uint8 masks. The
predecessor (Pan et al. 2025, MICCAI) deforms ellipses elastically, benign ones wider than tall,
malignant ones taller than wide; elastic deformation of real masks is the usual augmentation.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from busgen import seeds
from busgen.arrays import Pixels
from busgen.priors.findings import Finding
from busgen.real.crops import Crops

SMOOTH, MOST = 0.12, 0.08  # of the lesion's size: sd of the field's smoothing, its rms displacement
TRIES = 20


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
