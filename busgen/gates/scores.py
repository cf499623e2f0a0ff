"""Gates: scores of finished pairs, and the verdicts that they make.

In: a finding, its mask and image. Out: scores (`busgen.schema`, source `gate`), then
`(accepted, reason, flags)`. The scores are measured on the pixels, never taken from the engine;
what judges see was never shown to the engine either.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import isnan

import cv2
import numpy as np

from busgen.arrays import Bools, Pixels
from busgen.gates import image_checks, lesion_intensity
from busgen.gates.image_checks import Scores
from busgen.imaging.geometry import Geometry
from busgen.imaging.surroundings import FAT_QUANTILE
from busgen.params.gates import Gate
from busgen.priors.findings import Finding
from busgen.similarity.known_images import KnownImages

SHARP_PX = 256
SHARP_CYCLES = 0.12  # above this frequency (cycles/pixel) a blurred image has no energy
LOST = 1e3  # mask_error of an empty mask: nothing of what was asked for is there
UNSEEN = frozenset({"curved_5mhz"})  # no training patient was seen by such a scanner
LESION = ("contrast", "intensity", "descriptor_agreement")  # of a lesion's grey levels
DARKER = frozenset({"anechoic", "hypoechoic", "complex_cystic_solid"})


def score_pair(finding: Finding, mask: Pixels, image: Pixels, geometry: Geometry | None) -> Scores:
    """Return the scores of one pair; lesion scores are None where no lesion was asked for.

    `mask` (H, W) uint8 {0, 1}; `image` (H, W) uint8; `geometry` what
    `busgen.imaging.geometry.measure` found on `mask`, None for an empty mask.
    """
    scores = {"mask_error": mask_error(finding, geometry, len(mask)), **score_image(image)}
    if not finding.has_lesion:
        return scores | dict.fromkeys(LESION)
    return scores | score_lesion(image, mask, finding.echo_pattern, finding.posterior)


def score_image(image: Pixels) -> Scores:
    """Return the scores that need no finding, of an (H, W) uint8 image; None if it is too small."""
    return {
        "grey_sd": float(np.std(image[image > 0])) if image.any() else 0.0,
        "saturated": float(np.mean(image == 255)),
        "sharpness": sharpness(image),
        **image_checks.score_image(image),
    }


def score_lesion(
    image: Pixels, mask: Pixels, echo_pattern: str | None, posterior: str | None
) -> Scores:
    """Return the scores `LESION` of a lesion's grey levels; None where its terms are not stated.

    `image`, `mask` (H, W) uint8, mask {0, 1}; of an empty one what is asked is NaN; `echo_pattern`,
    `posterior` what the image is to show.
    """
    stated = {"echo_pattern": echo_pattern, "posterior": posterior}
    contrast = _contrast(echo_pattern, mask, image) if echo_pattern else None
    return {"contrast": contrast, **lesion_intensity.score_lesion(image, mask, stated)}


def score_copies(images: Iterable[Pixels], known: KnownImages | None) -> list[Scores]:
    """Return how alike each (S, S) uint8 image is to a known one, None where none are known."""
    request = list(images)
    found = known.similarities(request) if known else [None] * len(request)
    return [{"copy_similarity": similarity} for similarity in found]


def mask_error(finding: Finding, geometry: Geometry | None, size_px: int) -> float | None:
    """Return how far the mask is from what was asked for, relative to the lesion's size.

    The largest of: width, height and centre of the box, each beyond the pixel grid's own error, and
    how far the box leans to the wrong side of `orientation`. A normal finding whose mask is not
    empty, and a lesion whose mask is, get `LOST`. `geometry` what was measured on the mask, None
    for an empty one; `size_px` side of the image in pixels.
    """
    if not finding.has_lesion:
        return None if geometry is None else LOST
    if geometry is None or finding.width_mm is None or finding.height_mm is None:
        return LOST
    field_mm = finding.pixel_mm * size_px
    lean_mm = geometry.height_mm - geometry.width_mm
    wide, high = finding.width_mm, finding.height_mm
    errors_mm = (
        (abs(geometry.width_mm - wide), wide),
        (abs(geometry.height_mm - high), high),
        (abs(geometry.center_x - (finding.center_x or 0.0)) * field_mm, wide),
        (abs(geometry.center_y - (finding.center_y or 0.0)) * field_mm, high),
        (lean_mm if finding.orientation == "parallel" else -lean_mm, max(wide, high)),
    )
    return max(max(0.0, error - finding.pixel_mm) / request for error, request in errors_mm)


def sharpness(image: Pixels) -> float:
    """Return the share of the spectral energy (mean removed) above `SHARP_CYCLES`.

    On images above `SHARP_PX` the frequency is lower in proportion: speckle has its size in mm.
    """
    scale = max(1.0, len(image) / SHARP_PX)
    grey = image.astype(np.float32)
    grey -= cv2.GaussianBlur(grey, (0, 0), 16.0 * scale)  # anatomy is no sign of sharpness
    power = np.abs(np.fft.rfft2(grey)) ** 2
    fine = _high(SHARP_CYCLES / scale, image.shape)
    total = float(power.sum())
    return float(power[fine].sum()) / total if total > 0 else 0.0


@lru_cache(maxsize=4)
def _high(cycles: float, shape: tuple[int, ...]) -> Bools:
    """Return which frequencies of an image's half spectrum are above `cycles` a pixel."""
    rows = np.fft.fftfreq(shape[0])[:, None]
    return np.asarray(np.hypot(rows, np.fft.rfftfreq(shape[1])[None, :]) > cycles)


def _contrast(echo_pattern: str | None, mask: Pixels, image: Pixels) -> float:
    """Return mean grey inside against that of the ring beside it, signed by the echo pattern.

    Positive means as asked. Darker patterns are asked to be darker than the ring's mean,
    hyperechoic ones brighter than its darker quarter: echogenicity is read against fat, and
    amid glandular tissue 5 of BrEaST's 9 hyperechoic lesions are darker than the mean. Isoechoic
    and heterogeneous lesions ask for no sign and get the magnitude. The ring is taken beside the
    lesion only, because above and below it depth and posterior features decide the grey level.
    NaN where there is no lesion, or nothing beside it.
    """
    if not mask.any():
        return float("nan")
    ring = lesion_intensity._beside(mask) > 0
    reference = image[ring & (image > 0)]
    if reference.size == 0:
        return float("nan")
    inside = float(image[mask > 0].mean())
    if echo_pattern in DARKER:
        return float(reference.mean()) - inside
    if echo_pattern == "hyperechoic":
        return inside - float(np.quantile(reference, FAT_QUANTILE))
    return abs(inside - float(reference.mean()))


def verdict(
    scores: Mapping[str, float | None], gates: Mapping[str, Gate], *, taught: bool = True
) -> tuple[bool, str | None, list[str]]:
    """Return `(accepted, reason, flags)`; the reason is the first score that rejects.

    A score that is None is not asked for (a normal finding has no contrast). One that is NaN, or
    says that nothing of the lesion is there (`LOST`), rejects whatever its gate's action. `taught`
    is False for an image whose like taught no gate (`busgen.params.Gate`).
    """
    rejecting: list[str] = []
    flags: list[str] = []
    for name, score in scores.items():
        if score is None:
            continue
        action = gates[name].action_for(taught=taught)
        if isnan(score) or (name == "mask_error" and score >= LOST):
            rejecting.append(name)
        elif action != "off" and not gates[name].passes(score):
            (rejecting if action == "reject" else flags).append(name)
    return not rejecting, rejecting[0] if rejecting else None, flags
