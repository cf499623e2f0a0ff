"""Masks from outlines: polygons in mm, brought into the frame and filled.

In: findings, and what draws their outlines. Out: (N, H, W) uint8 masks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Floats, Pixels
from busgen.errors import FindingError
from busgen.priors.findings import Finding

_TOLERANCE_PX = 0.5  # of the box against the frame
_AT_ONCE = 1024  # outlines in memory: masks need a tenth of their room
_SHIFT = 4  # bits of a pixel's fraction in OpenCV's polygons


@dataclass(frozen=True)
class MaskEngine:
    """Draws masks of `size_px` x `size_px` pixels; `sha256` of all that decides them.

    `outlines` gives the vertices (N, P, 2) of findings with a lesion, in mm from the centre of the
    lesion's box, which they fill.
    """

    name: str
    sha256: str
    size_px: int
    outlines: Callable[[Sequence[Finding]], Floats]

    def draw(self, findings: Sequence[Finding]) -> Pixels:
        """Return (N, H, W) uint8 {0, 1}: one component without holes, or nothing where normal.

        Raises `FindingError` if a lesion's box is not inside the frame.
        """
        masks = np.zeros((len(findings), self.size_px, self.size_px), np.uint8)
        lesions = [row for row, finding in enumerate(findings) if finding.has_lesion]
        for start in range(0, len(lesions), _AT_ONCE):
            rows = lesions[start : start + _AT_ONCE]
            for row, polygon in zip(rows, self._polygons([findings[k] for k in rows]), strict=True):
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
        vertices = self.outlines(findings) * scale[:, None] + (center - 0.5)[:, None]
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


def _fill(mask: Pixels, polygon: NDArray[np.int32]) -> None:
    """Fill a polygon into a mask, with the bays that are narrower than a pixel closed."""
    cv2.fillPoly(mask, [polygon], 1, shift=_SHIFT)
    left, top, width, height = (v >> _SHIFT for v in cv2.boundingRect(polygon))
    window = mask[max(top - 1, 0) : top + height + 3, max(left - 1, 0) : left + width + 3]
    outlines, _ = cv2.findContours(window, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(window, outlines, -1, 1, cv2.FILLED)
