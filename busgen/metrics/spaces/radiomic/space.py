"""Coordinates of `radiomic`: measurements in units of their spread over real training patients.

In: (N, S, S) uint8 images and masks. Out: (N, 56) float64. An image's numbers do not depend on
what is embedded beside it.
"""

import numpy as np

from busgen.arrays import Bools, Floats, Pixels
from busgen.code import hash_code
from busgen.compute.cores import on_all_cores
from busgen.imaging.resize import resize
from busgen.metrics.spaces.radiomic import standard
from busgen.metrics.spaces.radiomic.measurements import LESION, NAMES, measure
from busgen.metrics.spaces.us64.features import require_square

SIZE_PX = 256  # side at which images are measured
MOST = 6.0  # spreads: what lies farther out counts as this, or one odd image would rule a score


def embed(images: Pixels, masks: Pixels) -> Floats:
    """Return coordinates (N, 56) of images, in the order of `measure.NAMES`.

    Raises `UserError` if the images are not square.

    Parameters
    ----------
    images : (N, S, S) uint8, S at least 32; other sides than 256 px are resized to it
    masks : (N, S, S) uint8, non-zero inside the lesion; all 0 where there is none: the coordinates
        of `measure.LESION` are then NaN. Of a lesion those that there is no room for are 0, as of a
        mean image
    """
    require_square(images)
    with on_all_cores() as pool:
        rows = list(pool.map(_measure, images, masks))
    raw = np.stack(rows) if rows else np.zeros((0, len(NAMES)))
    centre, spread = np.array([standard.STANDARD[name] for name in NAMES]).T
    points = np.clip((raw - centre) / spread, -MOST, MOST)
    lesion = points[:, -len(LESION) :]
    shown: Bools = np.asarray(masks.any(axis=(1, 2)))
    lesion[np.isnan(lesion) & shown[:, None]] = 0.0
    return np.asarray(points, np.float64)


def sha256() -> str:
    """Return the hash of the code and constants that decide coordinates."""
    return hash_code(__name__)


def _measure(image: Pixels, mask: Pixels) -> Floats:
    lesion = (mask > 0).astype(np.uint8)
    if len(image) != SIZE_PX:
        image, wide = resize(image, SIZE_PX), resize(lesion * np.uint8(255), SIZE_PX)
        lesion = (wide > 127).astype(np.uint8)
    return measure(image, lesion)
