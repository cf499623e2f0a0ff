"""Codes of outlines, octaves of the tangent angle along the arc length, and their conditions.

In: outlines of masks. Out: codes (N, CODE), and closed polygons again. A code is the spectrum of
the tangent angle, octave by octave. An outline is brought to a box of unit sides (the box is the
finding's, not the outline's), and its tangent angle, the integral of its curvature, is followed
from its rightmost crossing of the box's middle. Harmonic 1 is left out: it is what closes the
outline (`busgen.masks.closed.close_outlines`). An octave is the logarithm of its amplitude, how
much the outline bends at that scale, and a direction on a sphere, where it does.

Conditions (N, CONDITIONS) of `Lesion`s, of findings or of real rows, are what an outline is drawn
from: proportions and size of its box, pathology, shape, margin. What is not known is zero, as it is
where it was left out in training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from busgen import schema, seeds
from busgen.arrays import Floats, Floats32, Pixels
from busgen.imaging.geometry import largest_outline, resample
from busgen.masks.closed import POINTS, circle_angles
from busgen.priors.findings import Finding

Outline = NDArray[np.complex128]

OCTAVES = ((2, 3), (4, 7), (8, 15), (16, 31), (32, 47))  # harmonics, both ends included
CODE = len(OCTAVES) + 1 + 2 * sum(high - low + 1 for low, high in OCTAVES)
FEWEST_PX = 12  # of an outline: fewer pixels have no shape
SMOOTH_PX = 0.7  # sd of the smoothing of pixels' corners: more would be seen (docs/log)
FINE = 1024  # points at which the staircase of the pixels is smoothed away
LEAST = 1e-4  # rad: amplitude of an octave that is not there


PATHOLOGIES = ("benign", "malignant")
# Whose annotators outlined it, and how often each is drawn: as often as they are learned from. One
# data set's outlines are smoother than another's, whatever the terms.
STYLES = {"breast": 0.12, "bus_bra": 0.66, "busi": 0.22}
USUAL_SHARE, USUAL_MM = 0.3, 14.0  # sizes that are told as 0
SLOPE = 2.0  # of logarithms: their sd is about a half
# columns that are known or unknown together, after proportions and size in the image
PARTS = {
    "style": len(STYLES),
    "mm": 2,
    "pathology": len(PATHOLOGIES),
    "shape": len(schema.SHAPES),
    "margin": 1 + len(schema.MARGINS),
}
ALWAYS = 2
CONDITIONS = ALWAYS + sum(PARTS.values())


def find_outline(mask: Pixels) -> Outline | None:
    """Return the outline (P,), x + i y in pixels, of the largest component of a mask (H, W).

    None where fewer than `FEWEST_PX` pixels are on it.
    """
    if not mask.any():
        return None
    outline = largest_outline(mask).astype(float)
    if len(outline) < FEWEST_PX or np.ptp(outline, axis=0).min() < 2:
        return None
    return np.asarray(outline[:, 0] + 1j * outline[:, 1])


def encode(outline: Outline) -> Floats:
    """Return the code (CODE,) of an outline (P,).

    Amplitudes of the octaves come first, then the mean angle, then the directions.
    """
    spectrum = np.fft.rfft(_angles(outline)) / POINTS
    amplitudes, directions = [], []
    for low, high in OCTAVES:
        part = spectrum[low : high + 1]
        amplitude = np.linalg.norm(part) + LEAST
        amplitudes.append(np.log(amplitude))
        unit = part / amplitude * np.sqrt(2 * len(part))  # each number has a mean square of 1
        directions += [unit.real, unit.imag]
    return np.concatenate([amplitudes, [spectrum[0].real - np.pi / 2], *directions])


def decode(codes: Floats) -> Floats:
    """Return tangent angles (N, POINTS), without their turn of 2 pi, of codes (N, CODE)."""
    spectrum = np.zeros((len(codes), POINTS // 2 + 1), complex)
    spectrum[:, 0] = codes[:, len(OCTAVES)] + np.pi / 2
    at = len(OCTAVES) + 1
    for octave, (low, high) in enumerate(OCTAVES):
        count = high - low + 1
        unit = codes[:, at : at + count] + 1j * codes[:, at + count : at + 2 * count]
        at += 2 * count
        length = np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), LEAST)
        spectrum[:, low : high + 1] = unit / length * np.exp(codes[:, octave, None])
    return np.asarray(np.fft.irfft(spectrum * POINTS, POINTS))


def damp(codes: Floats, share: float) -> Floats:
    """Return codes whose octaves bend `share` as much: at 0 it would be an ellipse in the box."""
    calm = codes.copy()
    calm[:, : len(OCTAVES)] += np.log(share)
    return calm


def _angles(outline: Outline) -> Floats:
    """Return the tangent angles (POINTS,) of an outline in a box of unit sides."""
    even, length = resample(outline, FINE)
    cycles = np.fft.fftfreq(FINE, 1 / FINE)
    smoothing = np.exp(-0.5 * (2 * np.pi * cycles * SMOOTH_PX / length) ** 2)
    smooth = np.fft.ifft(np.fft.fft(even[:-1]) * smoothing)
    boxed = smooth.real / np.ptp(smooth.real) + 1j * smooth.imag / np.ptp(smooth.imag)
    points, _ = resample(boxed, POINTS)
    if np.imag(np.conj(points[:-1]) * points[1:]).sum() < 0:
        points = points[::-1]
    steps = np.roll(np.diff(points), -_start(points[:-1]))
    angle = np.unwrap(np.angle(steps)) - circle_angles(POINTS)
    return np.asarray(angle - 2 * np.pi * np.round((angle.mean() - np.pi / 2) / (2 * np.pi)))


def _start(points: Outline) -> int:
    """Return where the outline crosses the middle of its box, downwards and farthest right."""
    x, y = points.real, points.imag
    below = y - (y.max() + y.min()) / 2 > 0
    crossings = np.flatnonzero(~below & np.roll(below, -1))
    return int(crossings[np.argmax(x[crossings])])


@dataclass(frozen=True)
class Lesion:
    """What is known of a lesion; None is not known.

    `style` the data set whose annotators outline it; `width`, `height` of its box as fractions of
    the image's side; `size_mm` the root of width times height in mm.
    """

    style: str | None
    width: float
    height: float
    size_mm: float | None
    pathology: str | None
    shape: str | None
    margin: tuple[str, ...] | None


def to_lesion(finding: Finding, size_px: int) -> Lesion:
    """Return what is known of a finding's lesion."""
    assert finding.width_mm is not None
    assert finding.height_mm is not None
    side_mm = finding.pixel_mm * size_px
    rng = seeds.rng(finding.seed, "annotator")
    return Lesion(
        style=str(rng.choice(list(STYLES), p=list(STYLES.values()))),
        width=finding.width_mm / side_mm,
        height=finding.height_mm / side_mm,
        size_mm=(finding.width_mm * finding.height_mm) ** 0.5,
        pathology=finding.pathology,
        shape=finding.shape,
        margin=finding.margin,
    )


def to_conditions(lesions: Sequence[Lesion]) -> Floats32:
    """Return the conditions (N, CONDITIONS) of lesions."""
    return np.array([_row(lesion) for lesion in lesions], np.float32).reshape(-1, CONDITIONS)


def _row(lesion: Lesion) -> list[float]:
    margin, mm = lesion.margin or (), lesion.size_mm
    size = (lesion.width * lesion.height) ** 0.5
    return [
        SLOPE * np.log(lesion.width / lesion.height),
        SLOPE * np.log(size / USUAL_SHARE),
        *(float(lesion.style == name) for name in STYLES),
        *((0.0, 0.0) if mm is None else (1.0, SLOPE * np.log(mm / USUAL_MM))),
        *(float(lesion.pathology == term) for term in PATHOLOGIES),
        *(float(lesion.shape == term) for term in schema.SHAPES),
        float(lesion.margin is not None),
        *(float(term in margin) for term in schema.MARGINS),
    ]


def forget(rows: Floats32, chance: float, rng: np.random.Generator) -> Floats32:
    """Return conditions of which each part is unknown with a `chance`."""
    rows = rows.copy()
    start = ALWAYS
    for width in PARTS.values():
        rows[rng.random(len(rows)) < chance, start : start + width] = 0
        start += width
    return rows
