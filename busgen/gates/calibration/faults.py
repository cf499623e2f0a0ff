"""Faults planted into pairs of image and mask: what gates must catch, at a known strength.

In: a pair, a generator, a strength. Out: a pair with one fault; the given one stays as it is.
Nothing here knows a gate: `busgen.gates.calibration.fault_injection` asks them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Floats32, Pixels
from busgen.errors import UserError
from busgen.imaging.overlays.planted import plant_overlays
from busgen.imaging.surroundings import band_behind
from busgen.seeds import Rng
from busgen.stats.overlap import dice

SWAPPED_DICE = 0.3  # a swapped mask agrees less with the true one
COARSE_PX = 24.0  # sd of the smoothing of an elastic field, at 256 px a side
SOFT_PX = 1.5  # sd of the edge of what is lit
BURNED = ("text", "caliper", "logo", "text", "caliper")  # in this order, as many as asked


@dataclass(frozen=True)
class Pair:
    """An image (S, S) uint8, the mask (S, S) uint8 {0, 1} of its lesion, what is said of it.

    `malignant` is the class that the pair claims; None where nothing is claimed, as of normal
    images.
    """

    image: Pixels
    mask: Pixels
    malignant: bool | None
    echo_pattern: str | None = None
    posterior: str | None = None


Fault = Callable[[Pair, Rng, float], Pair]


def blank_part(pair: Pair, rng: Rng, share: float) -> Pair:
    """Return the pair with `share` (0 to 1) of its image replaced by one grey level."""
    level = rng.uniform(0, 255)
    return _blend(pair, np.full(pair.image.shape, level, np.float32), share)


def replace_by_noise(pair: Pair, rng: Rng, share: float) -> Pair:
    """Return the pair with `share` (0 to 1) of its image replaced by white noise like it.

    The noise has the image's mean and standard deviation: no histogram gives it away.
    """
    grey = pair.image.astype(np.float32)
    white = grey.mean() + grey.std() * rng.standard_normal(grey.shape, np.float32)
    return _blend(pair, white, share)


def add_overlay(pair: Pair, rng: Rng, count: float) -> Pair:
    """Return the pair with `count` of text, calipers and a logo burned in, as scanners do."""
    kinds = BURNED[: round(count)]
    return replace(pair, image=plant_overlays(pair.image, rng, kinds).image) if kinds else pair


def add_noise(pair: Pair, rng: Rng, sd: float) -> Pair:
    """Return a copy with white noise of `sd` grey levels upon it."""
    added = np.float32(sd) * rng.standard_normal(pair.image.shape, np.float32)
    return replace(pair, image=to_levels(pair.image + added))


def crop(pair: Pair, rng: Rng, share: float) -> Pair:
    """Return a copy of which a window is left: `share` of each side is cut, the rest enlarged."""
    side = len(pair.image)
    kept = max(round(side * (1 - share)), 1)
    row, col = (int(k) for k in rng.integers(side - kept + 1, size=2))
    window = np.s_[row : row + kept, col : col + kept]
    image = cv2.resize(pair.image[window], (side, side), interpolation=cv2.INTER_LINEAR)
    mask = cv2.resize(pair.mask[window], (side, side), interpolation=cv2.INTER_NEAREST)
    return replace(pair, image=np.asarray(image, np.uint8), mask=np.asarray(mask, np.uint8))


def mirror(pair: Pair, rng: Rng, share: float, axis: int = 1) -> Pair:
    """Return a mirror image, left for right; `share` is 1, or 0 for the pair itself."""
    del rng
    image, mask = (np.ascontiguousarray(np.flip(x, axis)) for x in (pair.image, pair.mask))
    return replace(pair, image=image, mask=mask) if share else pair


flip = partial(mirror, axis=0)  # skin and depth exchanged, of the mask too


def brighten(pair: Pair, rng: Rng, change: float) -> Pair:
    """Return a copy whose grey levels are times 1 + `change`, or divided by it."""
    gain = 1 + change if rng.random() < 0.5 else 1 / (1 + change)
    return replace(pair, image=to_levels(pair.image * np.float32(gain)))


def deform(pair: Pair, rng: Rng, most_px: float) -> Pair:
    """Return a copy whose pixels are moved smoothly, by up to `most_px` of 256 a side."""
    side = len(pair.image)
    moves = [rng.standard_normal(pair.image.shape, np.float32) for _ in range(2)]
    moves = [cv2.GaussianBlur(move, (0, 0), COARSE_PX * side / 256) for move in moves]
    most = np.float32(most_px * side / 256)
    rows, cols = np.indices(pair.image.shape, np.float32)
    down, right = (move * most / max(float(np.abs(move).max()), 1e-6) for move in moves)

    def warp(pixels: Pixels, method: int) -> Pixels:
        got = cv2.remap(pixels, cols + right, rows + down, method, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(got, np.uint8)

    return replace(pair, image=warp(pair.image, cv2.INTER_LINEAR),
                   mask=warp(pair.mask, cv2.INTER_NEAREST))  # fmt: skip


def shift(pair: Pair, rng: Rng, px: float) -> Pair:
    """Return the pair with its mask moved by `px` in a drawn direction, what leaves it is lost."""
    turn = rng.uniform(0, 2 * np.pi)
    move = np.array([[1, 0, px * np.cos(turn)], [0, 1, px * np.sin(turn)]], np.float32)
    size = pair.mask.shape[::-1]
    return replace(pair, mask=np.asarray(cv2.warpAffine(pair.mask, move, size, flags=0), np.uint8))


def blur(pair: Pair, rng: Rng, sd: float) -> Pair:
    """Return the pair with its image blurred by `sd` px."""
    del rng
    blurred = cv2.GaussianBlur(pair.image, (0, 0), sd) if sd else pair.image
    return replace(pair, image=np.asarray(blurred, np.uint8))


def brighten_lesion(pair: Pair, rng: Rng, change: float) -> Pair:
    """Return the pair with the inside of its lesion brighter or darker by `change` grey levels."""
    sign = 1 if rng.random() < 0.5 else -1
    return replace(pair, image=_brighten(pair.image, pair.mask, sign * change))


def invert_band(pair: Pair, rng: Rng, change: float) -> Pair:
    """Return the pair with the band behind its lesion lit against what is said of it.

    By `change` grey levels: darker, unless it is said to be shadowing.
    """
    del rng
    if not pair.mask.any():
        return pair
    band = band_behind(pair.mask).astype(np.uint8)
    sign = 1 if pair.posterior == "shadowing" else -1
    return replace(pair, image=_brighten(pair.image, band, sign * change))


def swap_label(pair: Pair, rng: Rng, share: float) -> Pair:
    """Return the pair as of the other class; `share` is 1, or 0 for the pair itself."""
    del rng
    wrong = share > 0 and pair.malignant is not None
    return replace(pair, malignant=not pair.malignant) if wrong else pair


def swap_mask(pair: Pair, others: Sequence[Pixels], rng: Rng) -> Pair:
    """Return the pair with another lesion's mask, its Dice with the true one below `SWAPPED_DICE`.

    Raises `UserError` if none of the masks is that far from the pair's own.
    """
    for number in rng.permutation(len(others)):
        mask = others[int(number)]
        if mask.any() and dice(mask > 0, pair.mask > 0) < SWAPPED_DICE:
            return replace(pair, mask=mask)
    rule = f"some mask must agree with the true one by less than {SWAPPED_DICE}"
    raise UserError(rule, f"none of {len(others)}", "give masks of more lesions")


def to_levels(grey: NDArray[np.floating]) -> Pixels:
    """Return grey levels as 8-bit pixels."""
    return np.asarray(np.rint(np.clip(grey, 0, 255)), np.uint8)


def _brighten(image: Pixels, region: Pixels, change: float) -> Pixels:
    """Return an image whose region {0, 1} is brighter by `change`, with a soft edge."""
    weight = cv2.GaussianBlur(region.astype(np.float32), (0, 0), SOFT_PX)
    return to_levels(image + np.float32(change) * weight)


def _blend(pair: Pair, other: Floats32, share: float) -> Pair:
    mixed = (1 - np.float32(share)) * pair.image + np.float32(share) * other
    return replace(pair, image=to_levels(mixed))
