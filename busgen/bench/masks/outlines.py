"""What drawn outlines must be whatever the lesion: fast, whole, in the frame, of the right size.

In: a mask engine, findings, masks. Out: figures.
"""

import tracemalloc
from collections.abc import Sequence

import numpy as np

from busgen.arrays import Floats, Pixels
from busgen.bench.harness import Figure, measure_time, median_figure, share
from busgen.imaging.geometry import measure as measure_mask
from busgen.masks.raster import MaskEngine
from busgen.priors.findings import Finding
from busgen.real.crops import SIDE


def figures(engine: MaskEngine, findings: Sequence[Finding], repetitions: int) -> dict[str, Figure]:
    """Return masks per second, growth of memory, outlines that cross themselves or leave the frame.

    Memory is what four times as many masks need over these, but for the masks themselves.
    """
    engine.draw(findings[:100])
    part = findings[: max(len(findings) // 6, 1)]
    seconds = [measure_time(lambda: engine.draw(part)) for _ in range(repetitions)]
    speed = median_figure([len(part) / one for one in seconds], "1/s", repetitions * len(part))
    peaks = []
    for n in (len(findings) // 8, len(findings) // 2):
        tracemalloc.start()
        kept = engine.draw(findings[:n])
        peaks.append(tracemalloc.get_traced_memory()[1] - kept.nbytes)
        tracemalloc.stop()
    lesions = [finding for finding in findings if finding.has_lesion]
    found = engine.outlines(lesions)
    crossing = sum(_crosses(outline) for outline in found)
    side = np.array([SIDE * f.pixel_mm for f in lesions])[:, None]
    center = np.array([(f.center_x, f.center_y) for f in lesions], float) * side
    low, high = found.min(axis=1) + center, found.max(axis=1) + center
    outside = int(((low < -1e-6) | (high > side + 1e-6)).any(axis=1).sum())
    return {
        "masks_per_s": speed,
        "memory_growth": Figure(peaks[1] / peaks[0], "times", len(findings) // 2),
        "self_intersections": Figure(crossing, "outlines", len(lesions)),
        "out_of_frame": Figure(outside, "outlines", len(lesions)),
    }


def _crosses(outline: Floats) -> bool:
    """Compare all pairs of segments of a (P, 2) outline: engines have their own, faster proof."""
    x, y = outline.T
    dx, dy = np.roll(x, -1) - x, np.roll(y, -1) - y
    # [k, l]: on which side of segment k vertex l lies, and whether segment l reaches both sides
    side = dx[:, None] * (y - y[:, None]) - dy[:, None] * (x - x[:, None])
    splits = side * np.roll(side, -1, axis=1) <= 0
    first, second = np.nonzero(splits & splits.T)
    apart = np.abs(first - second)
    return bool((np.minimum(apart, len(x) - apart) > 1).any())


def measure_agreement(masks: Pixels, lesions: Sequence[Finding]) -> dict[str, Figure]:
    """Return how well the boxes measured on the masks agree with the findings'."""
    pixel = np.array([f.pixel_mm for f in lesions])[:, None]
    request = np.array([(f.width_mm, f.height_mm) for f in lesions], float)
    shapes = [measure_mask(m, f.pixel_mm) for m, f in zip(masks, lesions, strict=True)]
    found = np.array([(s.width_mm, s.height_mm) if s else (0.0, 0.0) for s in shapes])
    error_mm = np.abs(found - request)
    within = ((error_mm <= 0.05 * request) | (error_mm <= 1.001 * pixel)).all(axis=1)
    upright = np.array([f.orientation == "not_parallel" for f in lesions])
    agrees = upright == (found[:, 1] > found[:, 0])
    worst_px = (error_mm / pixel).max(axis=1)
    return {
        "box_error_px": Figure(float(np.percentile(worst_px, 95)), "pixel", len(lesions)),
        "size_within_5_percent": share(int(within.sum()), len(lesions)),
        "orientation_agreement": share(int(agrees.sum()), len(lesions)),
    }
