"""What drawn outlines must be whatever the lesion: fast, whole, in the frame, of the right size.

In: a mask engine, findings, masks. Out: figures; also whether masks drawn from the prior have the
proportions and areas of BUS-BRA's patients. Kolmogorov-Smirnov distances stand beside their limit:
the largest distance, in 95 % of draws, between a sample of patients and all of them, corrected for
the number of tests.
"""

import tracemalloc
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from busgen import seeds
from busgen.arrays import Floats, Pixels
from busgen.bench.harness import Figure, Figures, measure_time, median_figure, share
from busgen.bench.images.findings import Lesions
from busgen.imaging.geometry import measure as measure_mask
from busgen.masks.raster import MaskEngine
from busgen.priors.findings import Finding
from busgen.real.crops import SIDE
from busgen.stats.ks import ks

MEASURED = "bus_bra"  # whose proportions are met
TALL = {"benign": 0.011, "malignant": 0.170}  # of all 1,064 patients of BUS-BRA
DRAWS = 2000
LEVEL = 0.95

Values = Mapping[str, Mapping[str, Floats]]  # class -> measure -> (N,)


def figures(engine: MaskEngine, findings: Sequence[Finding], repetitions: int) -> Figures:
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


def measure_agreement(masks: Pixels, lesions: Sequence[Finding]) -> Figures:
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


def marginals(masks: Pixels, lesions: Sequence[Finding], held_out: Lesions) -> Figures:
    """Return how masks of the prior's findings compare with BUS-BRA's held-out patients."""
    labels = np.array([finding.pathology for finding in lesions])
    own = held_out.pick(held_out.crops.datasets == MEASURED)
    _, first = np.unique(own.crops.groups, return_index=True)
    real = np.asarray(own.crops.masks)[first]
    kinds = own.crops.labels[first]
    classes = ("benign", "malignant")
    measured = _compare_marginals(
        {label: measure(masks[labels == label]) for label in classes},
        {label: measure(real[kinds == label]) for label in classes},
    )
    benign, malignant = (measured[f"taller_{label}"] for label in classes)
    ratio = benign.value / TALL["benign"]
    gap = abs(malignant.value - TALL["malignant"])
    return measured | {
        "taller_benign_times": Figure(max(ratio, 1 / max(ratio, 1e-9)), "times", benign.n),
        "taller_malignant_gap": Figure(gap, "share", malignant.n),
    }


def _compare_marginals(generated: Values, real: Values) -> Figures:
    """Return distances and shares of what `measure` returns of each class.

    Real values are one a patient.
    """
    measured = {f"prior_{name}": figure for name, figure in distances(generated, real).items()}
    for label in real:
        tall = generated[label]["ratio"] < 0
        measured[f"taller_{label}"] = share(int(tall.sum()), len(tall))
    return measured


def distances(drawn: Values, real: Values) -> Figures:
    """Return the distance of each class's values in limits of as many real ones, by NAME_CLASS."""
    level = 1 - (1 - LEVEL) / sum(len(own) for own in real.values())
    measured = {}
    for label, own in real.items():
        for name, held in own.items():
            rng, values = seeds.rng(0, "prior limit"), drawn[label][name]
            chance = [ks(rng.choice(held, len(held)), held) for _ in range(DRAWS)]
            found = ks(values, held) / float(np.quantile(chance, level))
            measured[f"{name}_{label}"] = Figure(found, "limits", len(values))
    return measured


def measure(masks: Pixels) -> dict[str, Floats]:
    """Return the logarithms of width over height, and of the box's share of the image."""
    boxes = np.array([cv2.boundingRect(np.asarray(mask))[2:] for mask in masks], float)
    width, height = boxes.T
    return {"ratio": np.log(width / height), "area": np.log(width * height / masks[0].size)}
