"""Mask engine `curvature`: outlines made in curvature space, with the semantics of the lexicon.

In: findings. Out: outlines in mm. An ellipse of the wanted aspect and tilt
gives the curvature along the arc length, the terms change it (`semantics`), it is integrated and
closed (`closed`), and a last small stretch makes its box exactly that of the finding.
"Semantic-curvature" generators are known to us by an abstract only (arXiv 2507.07721); this design
is our own.
"""

from collections.abc import Sequence

import numpy as np

from busgen.arrays import Bools, Floats
from busgen.masks.closed import (
    POINTS,
    close_outlines,
    ellipse_angles,
    fit_box,
    is_pinched,
    is_simple,
)
from busgen.masks.semantics import Lesions, bend, make_lesions
from busgen.priors.findings import Finding

DAMPING = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)  # of the changes; an undamped ellipse is always simple
TILT_RAD = 0.2  # sd
MIN_AXES_RATIO = 0.25  # of the tilted ellipse that fits the box
NECK = 0.3  # least share of the distance across the ellipse
_FITS = 2  # corrections of the ellipse
_COARSE = slice(4, None, 8)  # points that are enough to see proportions
_CHUNK = 128  # outlines at a time: their arrays stay in the cache


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
