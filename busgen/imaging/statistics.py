"""What is measured on one image with its mask, real or synthetic alike.

In: a square image, its mask, the side of a pixel. Out: named numbers in four groups: geometry of
the mask, grey levels, grey level by depth, texture (a fifth is what judges say of it). What does
not apply is absent, never NaN.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np

from busgen.arrays import Bools, Floats, Floats32, Indices, Pixels
from busgen.imaging.geometry import measure
from busgen.imaging.square import find_field
from busgen.schema import JUDGED

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
DEPTHS = 16  # equal bands from the top of the image to its bottom
BLACK = 4  # grey levels up to this count as black
BACKGROUND_PX = 4.0  # sd of the blur whose removal leaves speckle and fine structure
LAGS = 24  # pixels over which the autocorrelation is followed
SPECTRUM = (0.03, 0.35)  # cycles per pixel between which the slope of the spectrum is fitted
RIM_PX = 2  # drawn outlines and real edges are not this sharp: contrast leaves them out

_SIZES = ("width_mm", "height_mm", "aspect", "box_area_fraction", "center_y")
_SPECKLE = tuple(f"speckle_{axis}_{unit}" for unit in ("px", "mm") for axis in ("axial", "lateral"))
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "geometry": (*_SIZES, "solidity", "circularity", "roughness"),
        "grey": ("grey_mean", "grey_sd", *(f"grey_p{p}" for p in PERCENTILES), "black", "contrast"),
        "depth": tuple(f"depth_{k:02d}" for k in range(DEPTHS)),
        "texture": (*_SPECKLE, "spectrum_slope"),
        "judges": JUDGED,  # asked elsewhere: `busgen.gates.scores`
    }
)
MEASURED = tuple(name for group, names in GROUPS.items() for name in names if group != "judges")


def group_name(statistic: str) -> str:
    """Return the group of a statistic; the contrast of one echo pattern belongs to the grey."""
    return next((group for group, names in GROUPS.items() if statistic in names), "grey")


def contrast_name(echo_pattern: str) -> str:
    """Return the name of the contrast of one echo pattern, a statistic of its own."""
    return f"contrast_{echo_pattern}"


def measure_image(
    image: Pixels, mask: Pixels, pixel_mm: float | None, field: Bools | None = None
) -> dict[str, float]:
    """Measure one image; the same function for real and for synthetic ones.

    `image`: (N, N) uint8; `mask`: (N, N) uint8, non-zero inside the lesion; may be empty;
    `pixel_mm`: side of a pixel in mm, None where unknown: what is in mm is then absent; `field`:
    (N, N) bool, `find_field(image)` where it is known.

    Returns the names of `MEASURED`: sizes in mm; `center_y` and `box_area_fraction` as fractions of
    the image (no `center_x`: square crops put the lesion into their middle); `grey_*`, `contrast`
    (inside minus surroundings) and `depth_*` (bands of 1/16 of the image, from the top) in grey
    levels of the ultrasound field; `black` as share of the whole image; `speckle_*` full width at
    half maximum of the autocorrelation; `spectrum_slope` of log power against log spatial
    frequency.
    """
    field = find_field(image) if field is None else field
    if not field.any():
        return {"black": 1.0}
    levels = image[field]
    ranks = np.percentile(levels, PERCENTILES)
    bands = np.array_split(np.arange(len(image)), DEPTHS)
    depths = [(name, image[b][field[b]]) for name, b in zip(GROUPS["depth"], bands, strict=True)]
    return {
        **_measure(mask, pixel_mm),
        "grey_mean": float(levels.mean()),
        "grey_sd": float(levels.std()),
        **{f"grey_p{p}": float(level) for p, level in zip(PERCENTILES, ranks, strict=True)},
        "black": float((image <= BLACK).mean()),
        **_contrast(image, mask, field),
        **{name: float(part.mean()) for name, part in depths if part.size},
        **_texture(image, field, pixel_mm),
    }


def _measure(mask: Pixels, pixel_mm: float | None) -> dict[str, float]:
    shape = measure(mask, pixel_mm or 1.0)
    if shape is None:
        return {}
    area_mm2 = mask.size * (pixel_mm or 1.0) ** 2
    sizes = {"width_mm": shape.width_mm, "height_mm": shape.height_mm} if pixel_mm else {}
    return sizes | {
        "aspect": shape.width_mm / shape.height_mm,
        "box_area_fraction": shape.width_mm * shape.height_mm / area_mm2,
        "center_y": shape.center_y,
        "solidity": shape.solidity,
        "circularity": shape.circularity,
        "roughness": shape.roughness,
    }


def _contrast(image: Pixels, mask: Pixels, field: Bools) -> dict[str, float]:
    """Return mean grey inside minus that of a ring half an equivalent radius wide."""
    inside = (mask > 0).astype(np.uint8)
    radius = float(np.sqrt(inside.sum() / np.pi))
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    ring = (distance > RIM_PX) & (distance <= RIM_PX + max(3.0, radius / 2)) & field
    if radius == 0 or not ring.any():
        return {}
    return {"contrast": float(image[inside > 0].mean()) - float(image[ring].mean())}


def _texture(image: Pixels, field: Bools, pixel_mm: float | None) -> dict[str, float]:
    grey = image.astype(np.float32)
    flat = np.where(field, grey, grey[field].mean()).astype(np.float32)
    fine = flat - cv2.GaussianBlur(flat, (0, 0), BACKGROUND_PX)
    local = np.sqrt(cv2.GaussianBlur(fine**2, (0, 0), BACKGROUND_PX)) + 1
    even = np.where(field, fine / local, 0).astype(np.float32)  # or a few bright lines would rule
    axial, lateral = _half_width(even), _half_width(np.ascontiguousarray(even.T))
    found = {"speckle_axial": axial, "speckle_lateral": lateral}
    px = {f"{name}_px": width for name, width in found.items() if width is not None}
    mm = {f"{n}_mm": w * pixel_mm for n, w in found.items() if w is not None and pixel_mm}
    frequency, mean = radial_power(flat)
    used = (frequency >= SPECTRUM[0]) & (frequency <= SPECTRUM[1]) & (mean > 0)
    if used.sum() < 2:
        return px | mm
    slope = np.polyfit(np.log(frequency[used]), np.log(mean[used]), 1)[0]
    return px | mm | {"spectrum_slope": float(slope)}


def _half_width(fine: Floats32) -> float | None:
    """Return the full width at half maximum of the autocorrelation along the rows' axis, in px."""
    rows = fine.shape[0]
    products = [float(np.vdot(fine[: rows - k], fine[k:])) for k in range(min(LAGS, rows - 1))]
    if products[0] <= 0:
        return None
    curve = np.array(products) / products[0]
    below = int(np.argmax(curve < 0.5))
    if below == 0:
        return None
    high, low = curve[below - 1], curve[below]
    return float(2 * (below - 1 + (high - 0.5) / (high - low)))


def radial_power(flat: Floats32) -> tuple[Floats, Floats]:
    """Return frequencies (cycles per pixel) and the mean power at each of a Hann-windowed image."""
    side = flat.shape[0]
    window, bins, counts = _rings(side)
    power = np.abs(np.fft.rfft2((flat - flat.mean()) * window)) ** 2
    mean = np.bincount(bins, power.ravel()) / counts
    return np.arange(mean.size) / side, mean


@lru_cache(maxsize=4)
def _rings(side: int) -> tuple[Floats, Indices, Indices]:
    """Return a Hann window (S, S), the ring of each frequency of a half spectrum, rings' sizes."""
    window = np.hanning(side)
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    bins = np.rint(radius * side).astype(np.intp).ravel()
    return np.outer(window, window), bins, np.maximum(np.bincount(bins), 1)
