"""Mask engine `curvature`: outlines made in curvature space, with the semantics of the lexicon.

In: findings. Out: outlines in mm and (N, H, W) masks. An ellipse of the wanted aspect and tilt gives
the curvature along the arc length, the terms change it (`semantics`), it is integrated and closed
(`closed`), and a last small stretch makes its box exactly that of the finding. "Semantic-curvature"
generators are known to us by an abstract only (arXiv 2507.07721); this design is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen import schema
from busgen.errors import FindingError
from busgen.masks.closed import POINTS, close, ellipse_angles, fit_box, is_simple
from busgen.masks.semantics import Lesions, angle_changes, lesions
from busgen.priors.findings import Finding

Floats = NDArray[np.float64]

DAMPING = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)  # of the changes; an undamped ellipse is always simple
TILT_RAD = 0.2  # sd
MIN_AXES_RATIO = 0.25  # of the tilted ellipse that fits the box
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
    rows = [row for row, finding in enumerate(findings) if finding.has_lesion]
    if rows:
        outlines[rows] = _outlines(lesions([findings[row] for row in rows], schema.MARGINS))
    return outlines


def _outlines(lesions: Lesions) -> Floats:
    """Return simple outlines; one that crosses itself is made anew with its changes damped."""
    aspect, tilt = _tilted_ellipses(lesions)
    base, changes = ellipse_angles(aspect), angle_changes(lesions)
    outlines = np.empty((len(base), POINTS, 2))
    left = np.arange(len(base))
    for damping in DAMPING:
        vertices, closed = close(base[left] + damping * changes[left])
        done = closed & is_simple(vertices)
        rows = left[done]
        turned = _rotate(vertices[done], tilt[rows])
        outlines[rows] = fit_box(turned, lesions.width_mm[rows], lesions.height_mm[rows])
        left = left[~done]
        if not len(left):
            break
    return outlines


def _tilted_ellipses(lesions: Lesions) -> tuple[Floats, Floats]:
    """Return aspect and angle (rad) of the tilted ellipse that fits each box."""
    w2, h2 = lesions.width_mm**2, lesions.height_mm**2
    # x2, y2 = squares of the semi-axes after a turn by t: their sum is that of the box's, their
    # difference is the box's / cos 2t; the turn is limited so that the ellipse stays a body
    limit = (1 - MIN_AXES_RATIO**2) / (1 + MIN_AXES_RATIO**2)
    ratio = np.abs(w2 - h2) / (w2 + h2)
    largest = 0.5 * np.arccos(np.minimum(ratio / limit, 1.0))
    tilt = np.clip(TILT_RAD * lesions.tilt, -largest, largest)
    eccentric = np.minimum(ratio / np.cos(2 * tilt), 0.98)
    aspect = np.sqrt((1 + eccentric) / (1 - eccentric))
    return aspect, tilt + np.where(h2 > w2, np.pi / 2, 0.0)


def _rotate(vertices: Floats, angle: Floats) -> Floats:
    """Return (N, P, 2) vertices turned by (N,) angles in rad."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = vertices[..., 0], vertices[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=2)


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
        outlines = contours(findings)
        for mask, outline, finding in zip(masks, outlines, findings, strict=True):
            if finding.has_lesion:
                _fill(mask, self._to_pixels(outline, finding))
        return masks

    def _to_pixels(self, outline: Floats, finding: Finding) -> Floats:
        """Return vertices (P, 2) in OpenCV's coordinates, where pixel centres are integers."""
        size = np.array([finding.width_mm, finding.height_mm], float) / finding.pixel_mm
        center = np.array([finding.center_x, finding.center_y], float) * self.size_px
        if (center - size / 2 < -0.5).any() or (center + size / 2 > self.size_px + 0.5).any():
            raise FindingError(
                f"the lesion's box must be inside the frame of {self.size_px} pixels",
                f"{size.round(1).tolist()} pixels at {center.round(1).tolist()} "
                f"({finding.sample_id})",
                "make the lesion smaller, the pixels larger or move the centre",
            )
        # OpenCV also fills the pixels that the outline itself runs through: half a pixel a side
        shrink = np.maximum(size - 1, 0.5) / size
        return np.asarray(outline / finding.pixel_mm * shrink + center - 0.5)


def _fill(mask: NDArray[np.uint8], vertices: Floats) -> None:
    """Fill a polygon into a mask, with the bays that are narrower than a pixel closed."""
    polygon = np.rint(vertices * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(mask, [polygon], 1, shift=_SHIFT)
    x, y, width, height = cv2.boundingRect(mask)
    window = mask[y : y + height, x : x + width]
    outlines, _ = cv2.findContours(window, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(window, outlines, -1, 1, cv2.FILLED)
