"""Benchmark of the mask engine: rate at 256 x 256, and whether masks are what was asked for.

In: findings drawn from the published prior. Out: figures. The interval of the rate is its range
over the repetitions, those of shares are 95 % Wilson intervals.
"""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from busgen.bench.harness import Bar, Figure, share
from busgen.masks.curvature import contours
from busgen.masks.engines import MaskEngine, load_mask_engine
from busgen.masks.geometry import Geometry
from busgen.masks.geometry import measure as measure_mask
from busgen.priors.draw import draw
from busgen.priors.findings import Finding
from busgen.priors.network import load_prior

SEED = 20261122

BARS = {
    "masks_per_s": Bar(">=", 2000.0),
    "self_intersections": Bar("<=", 0.0),
    "out_of_frame": Bar("<=", 0.0),
    "box_error_px": Bar("<=", 1.0),
    "size_within_5_percent": Bar(">=", 0.95),
    "orientation_agreement": Bar(">=", 0.95),
}


def measure(*, quick: bool = False) -> dict[str, Figure]:
    """Return the figures; `quick` uses a tenth of the 6,000 findings."""
    repetitions, batch = (3, 200) if quick else (6, 1000)
    findings = draw(load_prior(), repetitions * batch, SEED)
    engine = load_mask_engine("curvature")
    lesions = [finding for finding in findings if finding.has_lesion]
    return {
        "masks_per_s": _rate(engine, findings[: 2 * batch], repetitions),
        **_outlines(lesions),
        **_agreement(engine, lesions),
    }


def _rate(engine: MaskEngine, findings: Sequence[Finding], repetitions: int) -> Figure:
    """Return masks per second of wall-clock time: median and range of the repetitions."""
    engine.draw(findings[:100])
    rates = []
    for _ in range(repetitions):
        start = time.perf_counter()
        engine.draw(findings)
        rates.append(len(findings) / (time.perf_counter() - start))
    n = repetitions * len(findings)
    return Figure(float(np.median(rates)), "1/s", n, (min(rates), max(rates)))


def _outlines(lesions: Sequence[Finding]) -> dict[str, Figure]:
    """Return how many outlines cross themselves, and how many masks' boxes leave the frame."""
    outlines = contours(lesions)
    crossing = sum(_crosses(outline) for outline in outlines)
    side = np.array([256 * f.pixel_mm for f in lesions])[:, None]
    center = np.array([(f.center_x, f.center_y) for f in lesions], float) * side
    low, high = outlines.min(axis=1) + center, outlines.max(axis=1) + center
    outside = int(((low < -1e-6) | (high > side + 1e-6)).any(axis=1).sum())
    return {
        "self_intersections": Figure(crossing, "outlines", len(lesions)),
        "out_of_frame": Figure(outside, "outlines", len(lesions)),
    }


def _crosses(outline: NDArray[np.float64]) -> bool:
    """Compare all pairs of segments of a (P, 2) outline: the engine has its own, faster proof."""
    x, y = outline.T
    dx, dy = np.roll(x, -1) - x, np.roll(y, -1) - y
    # [k, l]: on which side of segment k vertex l lies, and whether segment l reaches both sides
    side = dx[:, None] * (y - y[:, None]) - dy[:, None] * (x - x[:, None])
    splits = side * np.roll(side, -1, axis=1) <= 0
    first, second = np.nonzero(splits & splits.T)
    apart = np.abs(first - second)
    return bool((np.minimum(apart, len(x) - apart) > 1).any())


def _agreement(engine: MaskEngine, lesions: Sequence[Finding]) -> dict[str, Figure]:
    """Return how well the boxes measured on the masks agree with the findings'."""
    pixel = np.array([f.pixel_mm for f in lesions])[:, None]
    asked = np.array([(f.width_mm, f.height_mm) for f in lesions], float)
    found = np.array([_box(engine, finding) for finding in lesions])
    error_mm = np.abs(found - asked)
    within = ((error_mm <= 0.05 * asked) | (error_mm <= 1.001 * pixel)).all(axis=1)
    upright = np.array([f.orientation == "not_parallel" for f in lesions])
    agrees = upright == (found[:, 1] > found[:, 0])
    worst_px = (error_mm / pixel).max(axis=1)
    return {
        "box_error_px": Figure(float(np.percentile(worst_px, 95)), "pixel", len(lesions)),
        "size_within_5_percent": share(int(within.sum()), len(lesions)),
        "orientation_agreement": share(int(agrees.sum()), len(lesions)),
    }


def _box(engine: MaskEngine, finding: Finding) -> tuple[float, float]:
    """Return width and height (mm) measured on a finding's mask."""
    geometry = measure_mask(engine.draw([finding])[0], finding.pixel_mm)
    if not isinstance(geometry, Geometry):
        return 0.0, 0.0
    return geometry.width_mm, geometry.height_mm
