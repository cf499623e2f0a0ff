"""Geometry of a mask: size, position, axes, and how smooth its outline is.

In: a (H, W) binary mask and the side of its pixels in mm. Out: `Geometry`, the `mask_*` columns.
Area, box and axes are of all that is set; solidity, circularity, roughness and curvature are of
the outline of the largest component, holes filled.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Pixels

POINTS = 256  # along the resampled outline
SMOOTH_PX = 1.2  # sd of the smoothing that takes away the staircase of the pixels
SMOOTH_HARMONICS = 5  # what the smooth version of an outline keeps, in cycles per outline
BANDS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31))  # cycles per outline, both ends included
_CYCLES = np.fft.fftfreq(POINTS, 1.0 / POINTS)


@dataclass(frozen=True)
class Geometry:
    """Measures of one mask, as in the columns ``mask_*`` of `busgen.schema`.

    Centres are fractions of the image; `angle_deg` in (-90, 90] is the major axis against the
    skin, positive where its right end is the deeper one; `curvature` is the power of curvature
    times equivalent radius in the octaves `BANDS`.
    """

    area_mm2: float
    width_mm: float
    height_mm: float
    center_x: float
    center_y: float
    major_mm: float
    minor_mm: float
    angle_deg: float
    solidity: float
    circularity: float
    roughness: float
    curvature: tuple[float, ...]


COLUMNS = tuple(f"mask_{field.name}" for field in fields(Geometry))


def measure(mask: Pixels, pixel_mm: float) -> Geometry | None:
    """Measure a mask.

    `mask`: (H, W) uint8, zero outside the lesion; `pixel_mm`: side of a square pixel in mm.

    None where nothing is set.
    """
    left, top, width, height = cv2.boundingRect(mask)
    if width == 0:
        return None
    window = mask[top : top + height, left : left + width]
    count, major, minor, angle = _axes(window)
    outline = largest_outline(window)
    circularity, roughness, curvature = _outline_measures(outline)
    rows, cols = mask.shape
    return Geometry(
        area_mm2=count * pixel_mm**2,
        width_mm=width * pixel_mm,
        height_mm=height * pixel_mm,
        center_x=(left + width / 2) / cols,
        center_y=(top + height / 2) / rows,
        major_mm=major * pixel_mm,
        minor_mm=minor * pixel_mm,
        angle_deg=angle,
        solidity=_solidity(outline),
        circularity=circularity,
        roughness=roughness,
        curvature=curvature,
    )


def to_columns(geometry: Geometry | None) -> dict[str, float | list[float] | None]:
    """Return `geometry` under the schema's column names; None gives nulls."""
    if geometry is None:
        return dict.fromkeys(COLUMNS)
    values = {f"mask_{field.name}": getattr(geometry, field.name) for field in fields(geometry)}
    return values | {"mask_curvature": list(geometry.curvature)}


def _axes(window: Pixels) -> tuple[float, float, float, float]:
    """Return pixel count, axes of the ellipse of equal moments (px), angle of the major (deg)."""
    m = cv2.moments(window, binaryImage=True)
    count = m["m00"]
    # a pixel is a square, not a point: its own second moment is 1/12
    xx, yy, xy = m["mu20"] / count + 1 / 12, m["mu02"] / count + 1 / 12, m["mu11"] / count
    mean, spread = (xx + yy) / 2, float(np.hypot((xx - yy) / 2, xy))
    angle = 0.5 * float(np.degrees(np.arctan2(2 * xy, xx - yy)))
    return count, 4 * (mean + spread) ** 0.5, 4 * (mean - spread) ** 0.5, angle


def largest_outline(window: Pixels) -> NDArray[np.int32]:
    """Return the (n, 2) pixel centres (x, y) around the component of the largest outline area."""
    outlines, _ = cv2.findContours(window, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=cv2.contourArea) if len(outlines) > 1 else outlines[0]
    return np.asarray(largest[:, 0, :], np.int32)


def _solidity(outline: NDArray[np.int32]) -> float:
    """Return the pixels inside the outline / the pixels inside its convex hull."""
    hull = cv2.convexHull(outline)[:, 0, :]
    edges = np.abs(hull - np.roll(hull, 1, axis=0))
    border = int(np.gcd(edges[:, 0], edges[:, 1]).sum())
    if border == 0:
        return 1.0
    # how many pixel centres lie in or on a lattice polygon (Pick's theorem)
    inside, convex = (
        float(cv2.contourArea(polygon)) + count / 2 + 1
        for polygon, count in ((outline, len(outline)), (hull, border))
    )
    return min(inside / convex, 1.0)


def _outline_measures(outline: NDArray[np.int32]) -> tuple[float, float, tuple[float, ...]]:
    """Return circularity, roughness, power of curvature in octaves; a speck counts as a disc."""
    if len(outline) < 8:
        return 1.0, 0.0, (0.0,) * len(BANDS)
    harmonics = _harmonics(outline)
    turns = 2j * np.pi * _CYCLES
    velocity, bend = np.fft.ifft(np.stack([harmonics * turns, harmonics * turns**2])) * POINTS
    speed = np.abs(velocity)
    perimeter = float(speed.mean())
    area = abs(float(np.pi * np.sum(_CYCLES * np.abs(harmonics) ** 2)))
    # the outline runs through pixel centres, half a pixel inside the edge (Steiner's formula)
    area, perimeter = area + perimeter / 2 + np.pi / 4, perimeter + np.pi
    radius = (area / np.pi) ** 0.5
    rough = np.abs(harmonics[np.abs(_CYCLES) > SMOOTH_HARMONICS])
    curvature = np.imag(np.conj(velocity) * bend) / np.maximum(speed, 1e-9) ** 3 * radius
    power = 2 * np.abs(np.fft.rfft(curvature) / POINTS) ** 2
    bands = tuple(float(power[low : high + 1].sum()) for low, high in BANDS)
    roughness = float(np.sqrt(np.sum(rough**2))) / radius
    return 4 * np.pi * area / perimeter**2, roughness, bands


def _harmonics(outline: NDArray[np.int32]) -> NDArray[np.complex128]:
    """Return Fourier coefficients of the outline at equal arc length, without its staircase."""
    even, length = resample(outline[:, 0] + 1j * outline[:, 1], POINTS)
    smoothing = np.exp(-0.5 * (2 * np.pi * _CYCLES * SMOOTH_PX / length) ** 2)
    return np.asarray(np.fft.fft(even[:-1]) / POINTS * smoothing)


def resample(outline: NDArray[np.complex128], count: int) -> tuple[NDArray[np.complex128], float]:
    """Return `count` + 1 points at equal arc lengths, the last one the first, and the length."""
    closed = np.append(outline, outline[0])
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(closed)))])
    length = float(along[-1])
    return np.interp(np.arange(count + 1) * (length / count), along, closed), length


def signed_distance(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the distance (H, W) in px to the outline of a mask {0, 1}, positive inside."""
    inside, outside = (cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (mask, 1 - mask))
    return np.asarray(inside - outside, np.float32)
