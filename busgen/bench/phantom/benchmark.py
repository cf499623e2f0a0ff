"""Benchmark of the image engine `phantom`: rate, speckle, posterior features.

In: the shipped prior and the mask engine `curvature`. Out: figures. Posterior features are measured
on the envelope, as a reader would see them: level below the lesion against level beside it.
"""

import numpy as np
from scipy.stats import spearmanr

from busgen.arrays import Floats, Floats32, Pixels
from busgen.bench.harness import Figure, Figures, measure_time, read_bars, share
from busgen.images.engines import load_image_engine
from busgen.images.phantom import engine
from busgen.images.phantom.beams import STYLES, draw_settings, linear_grid
from busgen.masks.engines import load_mask_engine
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.priors.request import parse_request
from busgen.seeds import rng

RAYLEIGH_RATIO = 1.913  # mean over standard deviation of a Rayleigh distribution
BARS = read_bars("phantom")
SIZE_PX = 256
BAND_MM = 8.0  # height of the band below the lesion


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; takes about a minute on two cores, `quick` some ten seconds."""
    n, looks = (40, 8) if quick else (300, 40)
    ratios = [speckle_ratio(scanner, seed) for scanner in STYLES for seed in range(looks)]
    mean, error = float(np.mean(ratios)), float(np.std(ratios) / np.sqrt(len(ratios)))
    ends = mean - 1.96 * error, mean + 1.96 * error
    figures = {
        "images_per_s": _rate(n),
        "rayleigh_ratio": Figure(mean, "1", len(ratios), ends),
        "rayleigh_error": Figure(abs(mean - RAYLEIGH_RATIO), "1", len(ratios)),
    }
    for feature, sign in (("enhancement", 1), ("shadowing", -1)):
        excess_db, thick_mm = _posterior(feature, n)
        right = np.sign(excess_db) == sign
        figures[f"{feature}_sign"] = share(int(right.sum()), len(right))
        grows = spearmanr(sign * excess_db, thick_mm).statistic
        figures[f"{feature}_grows"] = Figure(float(grows), "rank correlation", len(right))
    return figures


def posterior_band(envelope: Floats32, mask: Pixels, pixel_mm: float) -> float:
    """Return the level (dB) below a lesion against the level beside that, at the same depth.

    Below: the middle half of the lesion's columns, a band of 8 mm that starts 1 mm under it.
    Beside: columns as wide on both sides, .7 to 1.2 widths from the lesion's middle. NaN where
    less than 2 mm of image is left below.
    """
    rows, columns = np.nonzero(mask)
    top = rows.max() + 1 + round(1 / pixel_mm)
    band = envelope[top : top + round(BAND_MM / pixel_mm)]
    if len(band) * pixel_mm < 2:
        return float("nan")
    middle, width = (columns.min() + columns.max()) / 2, float(np.ptp(columns) + 1)
    away = np.abs(np.arange(mask.shape[1]) - middle) / width
    seen = (band > 0).all(0)
    level = 20 * np.log10(np.maximum(band, 1e-6)).mean(0)
    below, reference = (away < 0.25) & seen, (away > 0.7) & (away < 1.2) & seen
    return float(level[below].mean() - level[reference].mean()) if reference.any() else float("nan")


def mean_chord(mask: Pixels, pixel_mm: float) -> float:
    """Return the lesion's mean axial thickness over the middle half of its columns."""
    columns = np.flatnonzero(mask.any(0))
    quarter = len(columns) // 4
    return float(mask[:, columns[quarter : len(columns) - quarter]].sum(0).mean() * pixel_mm)


def speckle_ratio(scanner: str, seed: int) -> float:
    """Return mean over standard deviation of one look's envelope in uniform tissue."""
    grid = linear_grid(SIZE_PX, 0.15)
    settings = draw_settings(scanner, rng(seed, "image"))
    flat = np.zeros(grid.shape, np.float32)
    gain = np.zeros((SIZE_PX, 1), np.float32)
    look = engine.draw_looks(rng(seed, "echo"), (flat, flat, flat), gain, grid, settings)[0]
    return float(look.mean() / look.std())


def _rate(n: int) -> Figure:
    findings = draw(load_prior(), n, 1)
    masks = load_mask_engine("curvature", SIZE_PX).draw(findings)
    engine = load_image_engine("phantom", SIZE_PX, threads=2)
    engine.render(findings[:4], masks[:4])
    seconds = measure_time(lambda: engine.render(findings, masks))
    return Figure(n / seconds, "images/s", n)


def _posterior(feature: str, n: int) -> tuple[Floats, Floats]:
    """Return excess levels (dB) and thicknesses (mm) of `n` lesions with a posterior `feature`."""
    findings = draw(load_prior(), n, 2, request=parse_request([f"posterior={feature}"], None, None))
    masks = load_mask_engine("curvature", SIZE_PX).draw(findings)
    pairs = list(zip(findings, masks, strict=True))
    excess = np.array([posterior_band(engine.envelope(f, m), m, f.pixel_mm) for f, m in pairs])
    thick = np.array([mean_chord(mask, finding.pixel_mm) for finding, mask in pairs])
    return excess[~np.isnan(excess)], thick[~np.isnan(excess)]
