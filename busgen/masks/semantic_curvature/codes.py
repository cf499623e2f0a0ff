"""Codes of outlines: the spectrum of the tangent angle along the arc length, octave by octave.

In: outlines of masks. Out: codes (N, CODE), and closed polygons again. An outline is brought to a
box of unit sides (the box is the finding's, not the outline's), and its tangent angle, the integral
of its curvature, is followed from its rightmost crossing of the box's middle. Harmonic 1 is left
out: it is what closes the outline (`busgen.masks.closed.close_outlines`). An octave is the
logarithm of its amplitude, how much the outline bends at that scale, and a direction on a sphere,
where it does.
"""

import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Floats, Pixels
from busgen.imaging.geometry import largest_outline
from busgen.masks.closed import POINTS, circle_angles

Outline = NDArray[np.complex128]

OCTAVES = ((2, 3), (4, 7), (8, 15), (16, 31), (32, 47))  # harmonics, both ends included
CODE = len(OCTAVES) + 1 + 2 * sum(high - low + 1 for low, high in OCTAVES)
FEWEST_PX = 12  # of an outline: fewer pixels have no shape
SMOOTH_PX = 0.7  # sd of the smoothing of pixels' corners: more would be seen (docs/log)
FINE = 1024  # points at which the staircase of the pixels is smoothed away
LEAST = 1e-4  # rad: amplitude of an octave that is not there


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
    even, length = _even(outline, FINE)
    cycles = np.fft.fftfreq(FINE, 1 / FINE)
    smoothing = np.exp(-0.5 * (2 * np.pi * cycles * SMOOTH_PX / length) ** 2)
    smooth = np.fft.ifft(np.fft.fft(even[:-1]) * smoothing)
    boxed = smooth.real / np.ptp(smooth.real) + 1j * smooth.imag / np.ptp(smooth.imag)
    points, _ = _even(boxed, POINTS)
    if np.imag(np.conj(points[:-1]) * points[1:]).sum() < 0:
        points = points[::-1]
    angle = np.unwrap(np.angle(np.roll(np.diff(points), -_start(points[:-1])))) - circle_angles(
        POINTS
    )
    return np.asarray(angle - 2 * np.pi * np.round((angle.mean() - np.pi / 2) / (2 * np.pi)))


def _even(outline: Outline, count: int) -> tuple[Outline, float]:
    """Return `count` + 1 points at equal arc lengths, the last one the first, and the length."""
    closed = np.append(outline, outline[0])
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(closed)))])
    length = float(along[-1])
    return np.interp(np.arange(count + 1) * (length / count), along, closed), length


def _start(points: Outline) -> int:
    """Return where the outline crosses the middle of its box, downwards and farthest right."""
    x, y = points.real, points.imag
    below = y - (y.max() + y.min()) / 2 > 0
    crossings = np.flatnonzero(~below & np.roll(below, -1))
    return int(crossings[np.argmax(x[crossings])])
