"""The outlines that the mask generator learns from: codes, and what is known of each lesion.

In: canonical tables and the cohort. Out: `Examples` by split. Terms of shape and margin are those
that readers state (BrEaST's); where a publisher is silent, those that the outline shows by bounds
fitted to BrEaST's training patients (`busgen.masks.semantic_curvature.training.descriptor_bounds`),
and else none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.arrays import Floats, Floats32, Pixels
from busgen.errors import DataError
from busgen.io import replace_file
from busgen.masks.semantic_curvature.codes import Lesion, encode, find_outline, to_conditions
from busgen.masks.semantic_curvature.training import descriptor_bounds
from busgen.masks.semantic_curvature.training.descriptor_bounds import READ, Bounds, read_lesion
from busgen.real.cohort import IMAGES, has_usable_pixels, read_rows
from busgen.real.crops import SIDE, crop_square

SPLITS = ("train", "validation")
TOLD = ("pathology", "shape", "margin", "echo_pattern", "posterior", "pixel_mm")
COLUMNS = (*IMAGES, "source_file", *TOLD)
DESCRIBED = 1.5  # how much more often a lesion is drawn whose terms are known
WHOLE = 0.98  # share of a mask in its largest component: masks of several parts have no outline
VERSIONS = 8  # of each outline: as it is, mirrored, and both turned and stretched a little
TURN_DEG, STRETCH = 6.0, 0.06  # sd of the turn, and of the logarithm of the stretch


class Cases(NamedTuple):
    """Masks (N, SIDE, SIDE) {0, 1} of patients, and what is known of each lesion."""

    masks: Pixels
    lesions: tuple[Lesion, ...]


@dataclass(frozen=True)
class Examples:
    """Outlines as numbers.

    `codes` (N, V, CODE) of V versions, the first as it is; `to_conditions` (N, V, CONDITIONS);
    `probabilities` (N,) to be drawn.
    """

    codes: Floats32
    conditions: Floats32
    probabilities: Floats


def prepare(tables: Sequence[Path], cohort: Path, work: Path) -> dict[str, Examples]:
    """Return the examples of `SPLITS`, read from canonical tables unless in `work`.

    Raises `DataError` if a split has no outline.
    """
    if not all((work / f"{split}.npz").is_file() for split in SPLITS):
        work.mkdir(parents=True, exist_ok=True)
        bounds = fit_bounds(tables, cohort)
        for split in SPLITS:
            outlined = _read_outlines(tables, cohort, split, bounds)
            versions = VERSIONS if split == "train" else 1
            with replace_file(work / f"{split}.npz") as partial, partial.open("wb") as file:
                np.savez(file, **vars(make_examples(outlined, versions)))
    generated = {}
    for split in SPLITS:
        with np.load(work / f"{split}.npz") as arrays:
            generated[split] = Examples(**arrays)
    return generated


def fit_bounds(tables: Sequence[Path], cohort: Path) -> Bounds:
    """Return the bounds of terms that readers give training patients, none without readers."""
    readers = [path for path in tables if path.parent.name in READ]
    if not readers:
        return Bounds(())
    rows = _rows(readers, cohort, "train")
    squares = map(crop_square, rows)
    readings = [read_lesion(square.image, square.mask) for square in squares]
    return descriptor_bounds.fit_bounds(rows, readings)


def _read_outlines(tables: Sequence[Path], cohort: Path, split: str, bounds: Bounds) -> Cases:
    """Return the outlined lesions of a split; `DataError` if there is none."""
    masks, lesions = [], []
    for row in _rows(tables, cohort, split):
        square = crop_square(row)
        if _is_whole(square.mask):
            masks.append(square.mask)
            lesions.append(_lesion(row, square.mask, square.scale, bounds))
    if not masks:
        raise DataError("masks need outlined lesions", f"none in {split}", "name more datasets")
    return Cases(np.stack(masks), tuple(lesions))


def _rows(tables: Sequence[Path], cohort: Path, split: str) -> list[Mapping[str, Any]]:
    rows = read_rows(tables, cohort, splits=(split,), columns=COLUMNS, usable=has_usable_pixels)
    return [row for row in rows if row["mask"] is not None]


def _is_whole(mask: Pixels) -> bool:
    """Return whether a mask is one lesion, inside the image."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    parts = stats[1:, cv2.CC_STAT_AREA]
    return bool(parts.size and parts.max() >= WHOLE * parts.sum())


def _lesion(row: Mapping[str, Any], mask: Pixels, scale: float, bounds: Bounds) -> Lesion:
    _, _, width, height = cv2.boundingRect(mask)
    pixel_mm = row["pixel_mm"] and row["pixel_mm"] * scale
    disputed = "label_conflict" in row["flags"]
    lesion = Lesion(
        style=row["dataset"],
        width=width / SIDE,
        height=height / SIDE,
        size_mm=pixel_mm and (width * height) ** 0.5 * pixel_mm,
        pathology=None if disputed else row["pathology"],
        shape=row["shape"],
        margin=row["margin"] and tuple(row["margin"]),
    )
    reading = read_lesion(np.zeros_like(mask), mask)  # what is sought is seen on the outline alone
    if row["dataset"] in READ or reading is None:
        return lesion
    shape, margin = (bounds.term(name, reading) for name in ("shape", "margin"))
    margins = (margin,) if margin else None
    return replace(lesion, shape=lesion.shape or shape, margin=lesion.margin or margins)


def make_examples(outlined: Cases, versions: int) -> Examples:
    """Return the examples of outlines in `versions`; those of some pixels only are left out."""
    codes, record, weights = [], [], []
    pairs = zip(outlined.masks, outlined.lesions, strict=True)
    for number, (mask, lesion) in enumerate(pairs):
        outline = find_outline(mask)
        if outline is None:
            continue
        rng = seeds.rng(number, "versions")
        drawn = [_version(outline, lesion, k, rng) for k in range(versions)]
        codes.append([encode(own) for own, _ in drawn])
        record.append(to_conditions([own for _, own in drawn]))
        weights.append(1.0 if lesion.margin is None else DESCRIBED)
    probabilities = np.array(weights) / sum(weights)
    return Examples(np.array(codes, np.float32), np.stack(record), probabilities)


def _version(
    outline: NDArray[np.complex128], lesion: Lesion, number: int, rng: np.random.Generator
) -> tuple[NDArray[np.complex128], Lesion]:
    """Return an outline, odd numbers mirrored, from 2 on turned and stretched, and its lesion."""
    turn, stretch = rng.normal(0, TURN_DEG), np.exp(rng.normal(0, STRETCH))
    own = -outline.conj() if number % 2 else outline
    if number < 2:
        return own, lesion
    own = own * np.exp(1j * np.deg2rad(turn))
    own = own.real * stretch + 1j * own.imag
    ratio = (np.ptp(own.real) + 1) / (np.ptp(own.imag) + 1)
    size = (lesion.width * lesion.height) ** 0.5
    return own, replace(lesion, width=size * ratio**0.5, height=size / ratio**0.5)
