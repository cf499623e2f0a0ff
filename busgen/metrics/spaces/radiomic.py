"""Feature space `radiomic`: named measurements in units of their spread over training patients.

In: (N, S, S) uint8 images and masks. Out: (N, 56) float64 in the order of `NAMES`: first-order
statistics, grey level by depth, speckle, spectrum, co-occurrences of grey levels; of a lesion its
contrast, how even it is, its rim and what is behind it. Measured in grey levels, px and ratios,
with no weights; an image's numbers do not depend on what is embedded beside it.
"""

from pathlib import Path

import cv2
import numpy as np
from scipy.stats import entropy
from skimage.feature import graycomatrix, graycoprops

from busgen.arrays import Bools, Floats, Pixels
from busgen.compute.cores import on_all_cores
from busgen.imaging.square import find_field, resize
from busgen.imaging.statistics import BLACK, LAGS, measure_image
from busgen.imaging.surroundings import echo_level, posterior_band, rim_level
from busgen.io import read_toml
from busgen.metrics.spaces.us64.features import require_square
from busgen.metrics.speckle import SPECTRUM, band_levels

DEPTHS = 8  # equal bands from the top of the image to its bottom
LEVELS = 32  # of grey in co-occurrences; what is outside the ultrasound field is none of them
STEPS_PX = (1, 3)
WAYS = {"lateral": 0.0, "axial": np.pi / 2}
HARALICK = ("contrast", "homogeneity", "correlation", "energy")
WINDOW_PX = 7  # side of the windows in which speckle has a mean and a spread
WIDEST_PX = 2.0 * LAGS  # stands for a width of speckle that is not reached
FAINTEST_DB = -120.0  # stands for a band without any power
SIZE_PX = 256  # side at which images are measured
MOST = 6.0  # spreads: what lies farther out counts as this, or one odd image would rule a score
DEPTH = tuple(f"depth_{k}" for k in range(DEPTHS))
GLCM = tuple(f"{p}_{way}_{px}px" for p in HARALICK for px in STEPS_PX for way in WAYS)
LESION = ("contrast", "echo_level", "patches", "rim", "posterior")


def measure(image: Pixels, mask: Pixels | None) -> Floats:
    """Return the numbers of one image, (len(NAMES),) float64.

    `image` (S, S) uint8; `mask` (S, S) uint8, non-zero inside the lesion; None or empty: the
    numbers of `LESION` are NaN, as one is where there is no room for it beside the lesion or behind
    it. All others are finite: what a black image has not is 0.
    """
    lesion = np.zeros_like(image) if mask is None else (mask > 0).astype(np.uint8)
    field = find_field(image)
    found = measure_image(image, lesion, None, field)
    if field.any():
        widest = {"speckle_axial_px": WIDEST_PX, "speckle_lateral_px": WIDEST_PX}
        power = dict.fromkeys(SPECTRUM, FAINTEST_DB) | band_levels(image)
        found = widest | power | found | _measure(image, field) | _glcm(image, field)
    bands = np.array_split(np.arange(len(image)), DEPTHS)
    levels = [image[band][field[band]] for band in bands]
    found |= {n: float(x.mean()) if x.size else 0.0 for n, x in zip(DEPTH, levels, strict=True)}
    whole = [found.get(name, 0.0) for name in NAMES if name not in LESION]
    contrast = found.get("contrast", np.nan)
    return np.array([*whole, *_lesion(image, lesion, field, contrast)], np.float64)


def _measure(image: Pixels, field: Bools) -> dict[str, float]:
    """Return the shape of the distribution of grey levels, and their spread within windows."""
    grey = image.astype(np.float64)
    mean, square = (cv2.blur(x, (WINDOW_PX, WINDOW_PX)) for x in (grey, grey**2))
    sd = np.sqrt(np.maximum(square - mean**2, 0))
    lit = field & (mean > BLACK)
    lit = lit if lit.any() else field
    noise = (sd + 1)[lit]
    skewness, kurtosis = _moments(grey[field])
    return {
        "grey_skewness": skewness,
        "grey_kurtosis": kurtosis,
        "grey_entropy": float(entropy(np.bincount(image[field]), base=2)),
        "local_sd": float(np.median(sd[lit])),
        "local_snr": float(np.median(mean[lit] / noise)),
        "local_kurtosis": _moments((grey - mean)[lit] / noise)[1],
    }


def _moments(values: Floats) -> tuple[float, float]:
    """Return skewness and excess kurtosis, biased as scipy's; 0 where all values are one."""
    off = values - values.mean()
    square = off * off
    variance = float(square.mean())
    if variance == 0:
        return 0.0, 0.0
    third, fourth = float((square * off).mean()), float((square * square).mean())
    return third / variance**1.5, fourth / variance**2 - 3


def _glcm(image: Pixels, field: Bools) -> dict[str, float]:
    """Return Haralick's properties of neighbouring grey levels (doi:10.1109/TSMC.1973.4309314)."""
    coarse = np.where(field, image // (256 // LEVELS) + 1, 0).astype(np.uint8)
    counts = graycomatrix(coarse, STEPS_PX, list(WAYS.values()), LEVELS + 1, symmetric=True)
    inside = counts[1:, 1:].astype(np.float64)
    inside /= np.maximum(inside.sum(axis=(0, 1), keepdims=True), 1)
    tables = [graycoprops(inside, name) for name in HARALICK]
    return dict(zip(GLCM, (float(x) for table in tables for x in table.ravel()), strict=True))


def _lesion(image: Pixels, lesion: Pixels, field: Bools, contrast: float) -> tuple[float, ...]:
    if not lesion.any():
        return (np.nan,) * len(LESION)
    echo = echo_level(image, lesion, field)
    rim, behind = rim_level(image, lesion, field), posterior_band(image, lesion, field)
    return contrast, echo.level, echo.patches, rim, behind


STANDARD = read_toml(Path(__file__).with_suffix(".toml"))  # mean and spread, by name
NAMES = tuple(STANDARD)


def embed(images: Pixels, masks: Pixels) -> Floats:
    """Return coordinates (N, 56) of images, in the order of `NAMES`.

    `images` (N, S, S) uint8, S at least 32; other sides than 256 px are resized to it; `masks` (N,
    S, S) uint8, non-zero inside the lesion; all 0 where there is none: the coordinates of
    `LESION` are then NaN. Of a lesion those that there is no room for are 0, as of a mean
    image. Raises `UserError` if the images are not square.
    """
    require_square(images)
    with on_all_cores() as pool:
        rows = list(pool.map(_measure_sized, images, masks))
    raw = np.stack(rows) if rows else np.zeros((0, len(NAMES)))
    centre, spread = np.array(list(STANDARD.values())).T
    points = np.clip((raw - centre) / spread, -MOST, MOST)
    lesion = points[:, -len(LESION) :]
    shown: Bools = np.asarray(masks.any(axis=(1, 2)))
    lesion[np.isnan(lesion) & shown[:, None]] = 0.0
    return np.asarray(points, np.float64)


def _measure_sized(image: Pixels, mask: Pixels) -> Floats:
    lesion = (mask > 0).astype(np.uint8)
    if len(image) != SIZE_PX:
        image, wide = resize(image, SIZE_PX), resize(lesion * np.uint8(255), SIZE_PX)
        lesion = (wide > 127).astype(np.uint8)
    return measure(image, lesion)
