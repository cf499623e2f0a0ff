"""What the BI-RADS terms mean in curvature space.

In: the terms and sizes of findings and each sample's own random numbers. Out: (N, POINTS) changes
of the tangent angle, to be added to an ellipse's. Shape sets slow undulations (the spectrum of
curvature at 2 to 24 cycles per outline); margin terms add kinks: a burst of curvature at one place,
half of its turn taken back at `reach` before and behind it, so that the rest stays where it is.
A corner is a kink of long reach, a spicule one of short reach and large turn, the notch between
two microlobules one that turns inward. Amounts were set by comparing with the outlines of BrEaST
(doi:10.1038/s41597-024-02984-z), shape by shape and margin by margin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from busgen import schema
from busgen.arrays import Bools, Floats
from busgen.masks.closed import POINTS
from busgen.priors.findings import Finding
from busgen.seeds import rng

CYCLES = np.arange(2, 25)
PULSE_WIDTHS = (0.003, 0.006, 0.012, 0.024, 0.048)  # sd of a burst, in outline lengths
CORNERS, SPICULES, LOBULES = 6, 14, 64  # kinks of a kind that an outline can hold
CORNER_SD, SHARP = 0.003, 0.18  # sd of a burst: of a corner, and of the others as a share of reach
CALM = 1.5  # largest wave of an outline that is not irregular, in sd
LOBULE_MM = (1.5, 3.0)  # distance of neighbouring notches
_KINKS = CORNERS + SPICULES + LOBULES
_WAVES = POINTS // 2 + 1
# (N, K) bursts: place, turn in rad (0: none there), reach and sd; lengths in outline lengths
_Kinks = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True)
class Lesions:
    """What decides the outlines of N lesions: sizes in mm, terms, random numbers of each."""

    width_mm: Floats  # (N,)
    height_mm: Floats  # (N,)
    shape: dict[str, Bools]  # term -> (N,)
    margin: dict[str, Bools]  # term -> (N,)
    waves: NDArray[np.complex128]  # (N, CYCLES) standard normal
    kinks: Floats  # (N, kinks, 3) uniform: place, turn, reach
    traits: Floats  # (N, 8) uniform: numbers and strengths of the whole outline
    tilt: Floats  # (N,) standard normal


def make_lesions(findings: Sequence[Finding]) -> Lesions:
    """Gather findings that have a lesion and draw each one's random numbers from its own seed."""
    n, waves = len(findings), len(CYCLES)
    normal = np.empty((n, 2 * waves + 1))
    uniform = np.empty((n, 3 * _KINKS + 8))
    for row, finding in enumerate(findings):
        generator = rng(finding.seed, "mask")
        generator.standard_normal(out=normal[row])
        generator.random(out=uniform[row])
    return Lesions(
        width_mm=np.array([f.width_mm for f in findings], float),
        height_mm=np.array([f.height_mm for f in findings], float),
        shape={t: np.array([f.shape == t for f in findings], bool) for t in schema.SHAPES},
        margin={
            t: np.array([t in (f.margin or ()) for f in findings], bool) for t in schema.MARGINS
        },
        waves=normal[:, :waves] + 1j * normal[:, waves : 2 * waves],
        kinks=uniform[:, 8:].reshape(n, _KINKS, 3),
        traits=uniform[:, :8],
        tilt=normal[:, -1],
    )


def bend(lesions: Lesions) -> Floats:
    """Return (N, POINTS) changes of the tangent angle, in rad, integrated from curvature."""
    first, second = CORNERS, CORNERS + SPICULES
    kinks = (
        _corners(lesions, lesions.kinks[:, :first]),
        _spicules(lesions, lesions.kinks[:, first:second]),
        _notches(lesions, lesions.kinks[:, second:]),
    )
    curvature = _kink_spectrum(*(np.hstack(parts) for parts in zip(*kinks, strict=True)))
    curvature[:, CYCLES] += _undulation(lesions)
    cycles = np.arange(_WAVES)
    # integration over arc length; a constant would turn the outline, so there is none
    angle = curvature[:, 1:] / (2j * np.pi * cycles[1:])
    return np.asarray(np.fft.irfft(np.pad(angle, ((0, 0), (1, 0))), POINTS, axis=1))


def _undulation(lesions: Lesions) -> NDArray[np.complex128]:
    """Return the slow part of the spectrum of curvature, (N, CYCLES)."""
    gentle = 0.16 * (CYCLES / 2.0) ** -0.55
    uneven = 0.205 * (CYCLES / 3.0) ** -0.9
    # the second harmonic lengthens and bends: much of it gives bananas, and round is not long
    gentle[0], uneven[0] = 0.10, 0.15
    amplitude = np.where(lesions.shape["irregular"][:, None], uneven, gentle)
    amplitude[lesions.shape["round"], :3] = 0.03, 0.05, 0.06
    amplitude *= np.exp(-((CYCLES / 14.0) ** 2)) * (0.65 + 0.7 * lesions.traits[:, :1])
    wobble = np.where(lesions.margin["indistinct"], 0.038, 0.0)[:, None]
    amplitude += wobble * np.exp(-(((CYCLES - 10) / 5.0) ** 2))
    # a rare large wave is what irregular means, and would make of an oval what it is not
    size = np.abs(lesions.waves)
    limit = np.where(lesions.shape["irregular"][:, None], 1.0, CALM / np.maximum(size, CALM))
    # of tangent angle; curvature is its derivative
    return np.asarray(lesions.waves * limit * amplitude * (0.5 * POINTS) * (2j * np.pi * CYCLES))


def _spread(number: Floats, start: Floats, jitter: Floats) -> tuple[Floats, Bools]:
    """Return (N, K) places, about evenly spread, and which of them are among the (N,) number."""
    k = np.arange(jitter.shape[1])
    place = start[:, None] + (k + 0.8 * (jitter - 0.5)) / number[:, None]
    return place, k < np.floor(number)[:, None]


def _corners(lesions: Lesions, u: Floats) -> _Kinks:
    """Angular: a few sharp outward corners, flatter in between."""
    number = 3.0 + 3.99 * lesions.traits[:, 1]
    place, there = _spread(number, lesions.traits[:, 2], u[..., 0])
    there &= lesions.margin["angular"][:, None]
    reach = 0.025 + 0.045 * u[..., 2]
    return place, there * (0.8 + 0.8 * u[..., 1]), reach, np.full_like(reach, CORNER_SD)


def _spicules(lesions: Lesions, u: Floats) -> _Kinks:
    """Spiculated: pointed extensions of uneven length; readers outline their roots only."""
    number = 5.0 + 9.0 * lesions.traits[:, 3]
    place, there = _spread(number, lesions.traits[:, 4], u[..., 0])
    there &= lesions.margin["spiculated"][:, None]
    reach = 0.012 + 0.035 * u[..., 2] ** 2
    return place, there * (1.4 + 1.4 * u[..., 1]), reach, SHARP * reach


def _notches(lesions: Lesions, u: Floats) -> _Kinks:
    """Microlobulated: notches every 1.5 to 3 mm, the outline bulging between them."""
    a, b = lesions.width_mm / 2, lesions.height_mm / 2
    perimeter_mm = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))  # Ramanujan
    low, high = LOBULE_MM
    number = np.clip(perimeter_mm / (low + (high - low) * lesions.traits[:, 5]), 6, LOBULES)
    place, there = _spread(number, lesions.traits[:, 6], u[..., 0])
    there &= lesions.margin["microlobulated"][:, None]
    # bumps come in runs: one side of a lesion is often more lobulated than the other
    run = 0.75 + 0.25 * np.cos(2 * np.pi * (place + lesions.traits[:, 7, None]))
    reach = np.broadcast_to(0.5 / number[:, None], place.shape)
    return place, there * run * (-1.1 - 0.9 * u[..., 1]), reach, SHARP * reach


def _kink_spectrum(
    place: Floats, turn: Floats, reach: Floats, sd: Floats
) -> NDArray[np.complex128]:
    """Return the spectrum (N, waves) of the curvature of kinks: bursts and their take-backs."""
    place = np.hstack([place, place - reach, place + reach])
    turn = np.hstack([turn, -turn / 2, -turn / 2])
    width = np.hstack([sd, 0.45 * reach, 0.45 * reach])
    edges = np.sqrt(np.multiply(PULSE_WIDTHS[1:], PULSE_WIDTHS[:-1]))
    n, kinds = len(place), len(PULSE_WIDTHS)
    row = np.arange(n)[:, None] * kinds + np.searchsorted(edges, width)
    cell = row * POINTS + np.floor(place * POINTS).astype(np.int64) % POINTS
    bursts = np.bincount(cell.ravel(), turn.ravel(), n * kinds * POINTS) * POINTS
    cycles = np.arange(_WAVES)
    smooth = np.exp(-0.5 * (2 * np.pi * np.multiply.outer(PULSE_WIDTHS, cycles)) ** 2)
    spectrum = np.fft.rfft(bursts.reshape(n, kinds, POINTS), axis=2)
    return np.asarray((spectrum * smooth).sum(axis=1))
