"""Mask engine `curvature`: outlines made in curvature space, with the semantics of the lexicon.

In: findings. Out: outlines in mm. An ellipse of the wanted aspect and tilt gives the curvature
along the arc length, the terms change it, it is integrated and closed (`closed`), and a last small
stretch makes its box exactly that of the finding. Shape sets slow undulations (the spectrum of
curvature at 2 to 24 cycles per outline); margin terms add kinks: a burst of curvature at one place,
half of its turn taken back at `reach` before and behind it, so that the rest stays where it is. A
corner is a kink of long reach, a spicule one of short reach and large turn, the notch between two
microlobules one that turns inward. Amounts were set by comparing with the outlines of BrEaST
(doi:10.1038/s41597-024-02984-z), shape by shape and margin by margin. "Semantic-curvature"
generators are known to us by an abstract only (arXiv 2507.07721); this design is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from busgen import schema
from busgen.arrays import Bools, Floats
from busgen.masks.closed import (
    POINTS,
    close_outlines,
    ellipse_angles,
    fit_box,
    is_pinched,
    is_simple,
)
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


DAMPING = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)  # of the changes; an undamped ellipse is always simple
TILT_RAD = 0.2  # sd
MIN_AXES_RATIO = 0.25  # of the tilted ellipse that fits the box
NECK = 0.3  # least share of the distance across the ellipse
_FITS = 2  # corrections of the ellipse
_COARSE = slice(4, None, 8)  # points that are enough to see proportions
_CHUNK = 128  # outlines at a time: their arrays stay in the cache


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


def draw_outlines(findings: Sequence[Finding]) -> Floats:
    """Return the outlines of findings.

    Returns (N, POINTS, 2) float64: vertices (x, y) in mm from the centre of the lesion's box, y
    towards depth; closed, simple polygons whose box is exactly the finding's. Rows of normal
    findings are NaN.
    """
    outlines = np.full((len(findings), POINTS, 2), np.nan)
    with_lesion = [row for row, finding in enumerate(findings) if finding.has_lesion]
    for start in range(0, len(with_lesion), _CHUNK):
        rows = with_lesion[start : start + _CHUNK]
        drawn = _outlines(make_lesions([findings[row] for row in rows]))
        outlines[rows] = np.moveaxis(drawn, 1, 2)
    return outlines


def _outlines(lesions: Lesions) -> Floats:
    """Return (N, 2, POINTS) outlines; one that crosses or pinches itself is changed less."""
    changes = bend(lesions)
    base, tilt = _bodies(lesions, changes)
    bodies, _ = close_outlines(base[:, _COARSE])
    outlines = np.empty((len(base), 2, POINTS))
    left = np.arange(len(base))
    for damping in DAMPING:
        vertices, closed = close_outlines(base[left] + damping * changes[left])
        pinched = is_pinched(vertices[..., _COARSE], bodies[left], NECK)
        done = closed & is_simple(vertices) & ~pinched
        rows = left[done]
        turned = _rotate(vertices[done], tilt[rows])
        outlines[rows] = fit_box(turned, lesions.width_mm[rows], lesions.height_mm[rows])
        left = left[~done]
        if not len(left):
            break
    return outlines


def _bodies(lesions: Lesions, changes: Floats) -> tuple[Floats, Floats]:
    """Return tangent angles (N, POINTS) and tilt (N,) of the ellipses that are to be changed.

    The changes alter the box, so an ellipse is sought whose changed outline has about the box's
    proportions: the stretch that remains is small and leaves the curvature what it was.
    """
    wanted = lesions.width_mm / lesions.height_mm
    ratio = wanted
    for _ in range(_FITS):
        aspect, tilt = _tilted_ellipses(ratio, wanted >= 1, lesions.tilt)
        angles = ellipse_angles(aspect) + changes
        vertices, _ = close_outlines(angles[:, _COARSE])
        extent = np.ptp(_rotate(vertices, tilt), axis=2)
        ratio = ratio * wanted * extent[:, 1] / extent[:, 0]
    aspect, tilt = _tilted_ellipses(ratio, wanted >= 1, lesions.tilt)
    return ellipse_angles(aspect), tilt


def _tilted_ellipses(ratio: Floats, wide: Bools, tilt: Floats) -> tuple[Floats, Floats]:
    """Return aspect and angle (rad) of the tilted ellipses in boxes of (N,) width / height."""
    # the squares of the semi-axes have the box's sum, and its difference / cos(2 tilt); the tilt
    # is limited so that the ellipse stays a body
    box = np.where(wide, 1.0, -1.0) * (ratio**2 - 1) / (ratio**2 + 1)
    limit = (1 - MIN_AXES_RATIO**2) / (1 + MIN_AXES_RATIO**2)
    largest = 0.5 * np.arccos(np.clip(box / limit, 0.0, 1.0))
    angle = np.clip(TILT_RAD * tilt, -largest, largest)
    eccentric = np.clip(box / np.cos(2 * angle), 0.0, 0.98)
    aspect = np.sqrt((1 + eccentric) / (1 - eccentric))
    return aspect, angle + np.where(wide, 0.0, np.pi / 2)


def _rotate(vertices: Floats, angle: Floats) -> Floats:
    """Return (N, 2, P) vertices turned by (N,) angles in rad."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = vertices[:, 0], vertices[:, 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=1)
