"""Mask engine `curvature`: outlines made in curvature space, with the semantics of the lexicon.

In: findings. Out: outlines in mm and (N, H, W) masks. An ellipse of the wanted aspect and tilt
gives the curvature along the arc length, the terms change it (`semantics`), it is integrated and
closed (`closed`), and a last small stretch makes its box exactly that of the finding.
"Semantic-curvature" generators are known to us by an abstract only (arXiv 2507.07721); this design
is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.errors import FindingError
from busgen.masks.closed import (
    POINTS,
    close,
    ellipse_angles,
    fit_box,
    is_pinched,
    is_simple,
    rotate,
)
from busgen.masks.semantics import Lesions, angle_changes, lesions
from busgen.priors.findings import Finding

Floats = NDArray[np.float64]

DAMPING = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)  # of the changes; an undamped ellipse is always simple
TILT_RAD = 0.2  # sd
MIN_AXES_RATIO = 0.25  # of the tilted ellipse that fits the box
_FITS = 2  # corrections of the ellipse
_COARSE = slice(4, None, 8)  # points that are enough to see proportions
_CHUNK = 128  # outlines at a time: their arrays stay in the cache
_TOLERANCE_PX = 0.5  # of the box against the frame
_SHIFT = 4  # bits of a pixel's fraction in OpenCV's polygons


def contours(findings: Sequence[Finding]) -> Floats:
    """Return the outlines of findings.

    Parameters
    ----------
    findings
        N findings.

    Returns
    -------
    (N, POINTS, 2) float64
        Vertices (x, y) in mm from the centre of the lesion's box, y towards depth; closed, simple
        polygons whose box is exactly the finding's. Rows of normal findings are NaN.
    """
    outlines = np.full((len(findings), POINTS, 2), np.nan)
    with_lesion = [row for row, finding in enumerate(findings) if finding.has_lesion]
    for start in range(0, len(with_lesion), _CHUNK):
        rows = with_lesion[start : start + _CHUNK]
        drawn = _outlines(lesions([findings[row] for row in rows]))
        outlines[rows] = np.moveaxis(drawn, 1, 2)
    return outlines


def _outlines(lesions: Lesions) -> Floats:
    """Return (N, 2, POINTS) outlines; one that crosses or pinches itself is changed less."""
    changes = angle_changes(lesions)
    base, tilt = _bodies(lesions, changes)
    bodies, _ = close(base[:, _COARSE])
    outlines = np.empty((len(base), 2, POINTS))
    left = np.arange(len(base))
    for damping in DAMPING:
        vertices, closed = close(base[left] + damping * changes[left])
        done = closed & is_simple(vertices) & ~is_pinched(vertices[..., _COARSE], bodies[left])
        rows = left[done]
        turned = rotate(vertices[done], tilt[rows])
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
        vertices, _ = close(angles[:, _COARSE])
        extent = np.ptp(rotate(vertices, tilt), axis=2)
        ratio = ratio * wanted * extent[:, 1] / extent[:, 0]
    aspect, tilt = _tilted_ellipses(ratio, wanted >= 1, lesions.tilt)
    return ellipse_angles(aspect), tilt


def _tilted_ellipses(ratio: Floats, wide: NDArray[np.bool_], tilt: Floats) -> tuple[Floats, Floats]:
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


@dataclass(frozen=True)
class CurvatureEngine:
    """Draw masks of `size_px` x `size_px` pixels; `sha256` of all that decides them."""

    name: str
    sha256: str
    size_px: int

    def draw(self, findings: Sequence[Finding]) -> NDArray[np.uint8]:
        """Return (N, H, W) uint8 {0, 1}: one component without holes, or nothing where normal.

        Raises
        ------
        FindingError
            If a lesion's box is not inside the frame.
        """
        masks = np.zeros((len(findings), self.size_px, self.size_px), np.uint8)
        rows = [row for row, finding in enumerate(findings) if finding.has_lesion]
        lesions = [findings[row] for row in rows]
        for row, polygon in zip(rows, self._polygons(lesions), strict=True):
            _fill(masks[row], polygon)
        return masks

    def _polygons(self, findings: Sequence[Finding]) -> NDArray[np.int32]:
        """Return vertices (N, P, 2) in OpenCV's fixed-point pixels, whose centres are integers."""
        columns = ("pixel_mm", "width_mm", "height_mm", "center_x", "center_y")
        values = [[getattr(f, name) for name in columns] for f in findings]
        table = np.array(values, float).reshape(-1, len(columns))
        pixel_mm = table[:, 0]
        size, center = table[:, 1:3] / pixel_mm[:, None], table[:, 3:] * self.size_px
        self._check_frame(findings, size, center)
        # OpenCV also fills the pixels that the outline itself runs through: half a pixel a side
        scale = np.maximum(size - 1, 0.5) / size / pixel_mm[:, None]
        vertices = contours(findings) * scale[:, None] + (center - 0.5)[:, None]
        return np.asarray(np.rint(vertices * 2**_SHIFT), np.int32)

    def _check_frame(self, findings: Sequence[Finding], size: Floats, center: Floats) -> None:
        """Raise `FindingError` for the first lesion whose box (px) is not inside the frame."""
        low, high = center - size / 2, center + size / 2
        outside = ((low < -_TOLERANCE_PX) | (high > self.size_px + _TOLERANCE_PX)).any(axis=1)
        for row in np.flatnonzero(outside).tolist():
            raise FindingError(
                f"the lesion's box must be inside the frame of {self.size_px} pixels",
                f"{size[row].round(1).tolist()} pixels at {center[row].round(1).tolist()} "
                f"({findings[row].sample_id})",
                "make the lesion smaller, the pixels larger or move the centre",
            )


def _fill(mask: NDArray[np.uint8], polygon: NDArray[np.int32]) -> None:
    """Fill a polygon into a mask, with the bays that are narrower than a pixel closed."""
    cv2.fillPoly(mask, [polygon], 1, shift=_SHIFT)
    left, top, width, height = (v >> _SHIFT for v in cv2.boundingRect(polygon))
    window = mask[max(top - 1, 0) : top + height + 3, max(left - 1, 0) : left + width + 3]
    outlines, _ = cv2.findContours(window, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(window, outlines, -1, 1, cv2.FILLED)
