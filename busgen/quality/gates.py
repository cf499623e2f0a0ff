"""Gates, first form: scores of one finished pair, and the verdict that they make.

In: a finding, its mask and image. Out: scores (`busgen.schema`, source `gate`), then
`(accepted, reason, flags)`. The scores are measured on the pixels, never taken from the engine.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.masks.geometry import Geometry
from busgen.params import Gate
from busgen.priors.findings import Finding

RING_PX = 10  # surroundings of a lesion: the ring of this width outside a gap
GAP_PX = 4  # halo and blurred transition are neither inside nor surroundings
SHARP_CYCLES = 0.12  # above this frequency (cycles/pixel) a blurred image has no energy
FAT_QUANTILE = 0.25  # of the grey levels beside a lesion: fat is the darker tissue
LOST = 1e3  # mask_error of an empty mask: nothing of what was asked for is there
DARKER = frozenset({"anechoic", "hypoechoic", "complex_cystic_solid"})


def pair_scores(
    finding: Finding, mask: NDArray[np.uint8], image: NDArray[np.uint8], geometry: Geometry | None
) -> dict[str, float | None]:
    """Return the scores of one pair; lesion scores are None where no lesion was asked for.

    Parameters
    ----------
    mask : (H, W) uint8 {0, 1}
    image : (H, W) uint8
    geometry : what `busgen.masks.geometry.measure` found on `mask`, None for an empty mask
    """
    return {
        "mask_error": mask_error(finding, geometry),
        "grey_sd": float(np.std(image[image > 0])) if image.any() else 0.0,
        "saturated": float(np.mean(image == 255)),
        "sharpness": sharpness(image),
        "contrast": signed_contrast(finding, mask, image),
    }


def mask_error(finding: Finding, geometry: Geometry | None) -> float | None:
    """Return the largest relative error of the mask's box, beyond the pixel grid's own.

    A normal finding whose mask is not empty, and a lesion whose mask is, get `LOST`.
    """
    if not finding.has_lesion:
        return None if geometry is None else LOST
    if geometry is None or finding.width_mm is None or finding.height_mm is None:
        return LOST
    grid = finding.pixel_mm
    errors = (
        max(0.0, abs(measured - asked) - grid) / asked
        for measured, asked in (
            (geometry.width_mm, finding.width_mm),
            (geometry.height_mm, finding.height_mm),
        )
    )
    return max(errors)


def sharpness(image: NDArray[np.uint8]) -> float:
    """Return the share of the spectral energy (mean removed) above `SHARP_CYCLES`."""
    grey = image.astype(np.float32)
    grey -= cv2.GaussianBlur(grey, (0, 0), 16.0)  # anatomy is no sign of sharpness
    power = np.abs(np.fft.rfft2(grey)) ** 2
    rows = np.fft.fftfreq(image.shape[0])[:, None]
    high = np.hypot(rows, np.fft.rfftfreq(image.shape[1])[None, :]) > SHARP_CYCLES
    total = float(power.sum())
    return float(power[high].sum()) / total if total > 0 else 0.0


def signed_contrast(
    finding: Finding, mask: NDArray[np.uint8], image: NDArray[np.uint8]
) -> float | None:
    """Return mean grey inside against that of the ring beside it, signed by the echo pattern.

    Positive means as asked. Darker patterns are asked to be darker than the ring's mean,
    hyperechoic ones brighter than its darker quarter: echogenicity is read against fat, and
    amid glandular tissue 5 of BrEaST's 9 hyperechoic lesions are darker than the mean. Isoechoic
    and heterogeneous lesions ask for no sign and get the magnitude. The ring is taken beside the
    lesion only, because above and below it depth and posterior features decide the grey level.
    """
    if not finding.has_lesion:
        return None
    if not mask.any():
        return float("nan")
    ring = _dilate(mask, GAP_PX + RING_PX) - _dilate(mask, GAP_PX)
    rows = np.flatnonzero(mask.any(axis=1))
    ring[: rows[0]], ring[rows[-1] + 1 :] = 0, 0
    beside = image[(ring > 0) & (image > 0)]
    if beside.size == 0:
        return float("nan")
    inside = float(image[mask > 0].mean())
    if finding.echo_pattern in DARKER:
        return float(beside.mean()) - inside
    if finding.echo_pattern == "hyperechoic":
        return inside - float(np.quantile(beside, FAT_QUANTILE))
    return abs(inside - float(beside.mean()))


def _dilate(mask: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask, kernel), np.uint8)


def verdict(
    scores: Mapping[str, float | None], gates: Mapping[str, Gate]
) -> tuple[bool, str | None, list[str]]:
    """Return `(accepted, reason, flags)`; the reason is the first gate that rejects.

    A score that is None is not asked for (a normal finding has no contrast).
    """
    failed = [
        name
        for name, gate in gates.items()
        if gate.action != "off"
        and (score := scores.get(name)) is not None
        and not gate.passes(score)
    ]
    rejecting = [name for name in failed if gates[name].action == "reject"]
    flags = [name for name in failed if gates[name].action == "flag"]
    return not rejecting, rejecting[0] if rejecting else None, flags


def difference_hash(image: NDArray[np.uint8]) -> int:
    """Return the 64-bit difference hash: which of 8x9 area means grow to the right."""
    small = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits((small[:, 1:] > small[:, :-1]).ravel())
    return int(bits.view(np.int64)[0])


def nearest_hash(
    hashes: NDArray[np.int64], earlier: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each of (N,) hashes, the least Hamming distance to (M,) earlier ones and where.

    Distance 64 and position -1 where there is no earlier one.
    """
    if earlier.size == 0:
        return np.full(hashes.shape, 64), np.full(hashes.shape, -1)
    differing = hashes.view(np.uint64)[:, None] ^ earlier.view(np.uint64)[None, :]
    distance = np.bitwise_count(differing).astype(np.int64)  # of signed numbers: of their abs()
    where = distance.argmin(axis=1)
    return distance[np.arange(len(hashes)), where], where
