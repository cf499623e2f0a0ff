"""Scores of an image alone: is something burned in, does it look like ultrasound, is it upright.

In: (S, S) uint8. Out: three scores that do not depend on any other image. How real images
vary with depth was learned from training patients (`busgen.gates.calibration.fit`); what ships in
`assets/gates` is their mean, a whitening and a direction, no image.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from safetensors.numpy import load_file

from busgen.arrays import Floats, Floats32, Pixels
from busgen.imaging.overlays import find
from busgen.imaging.square import resize
from busgen.io import ASSETS

GATES = ASSETS / "gates"
LOOK = "look.safetensors"
SIDE = 256  # px at which images are examined
SMALLEST = 192  # px; a smaller image, enlarged, has no texture to look at
BANDS = 16  # of depth
STROKE = 4.0  # log odds from which a pixel is surely an overlay's stroke
SPECKLE_PX, EDGE_PX, ACROSS_PX = 3.0, 1.5, 4.0  # sd of the blurs that part fine from coarse
BLACK = 4  # grey levels up to this count as black
DIGITS = 4
Scores = dict[str, float | None]  # None where a score does not apply
LEARNED = ("overlay", "anomaly", "orientation_check")


@dataclass(frozen=True)
class Standard:
    """How training patients' images look, by D statistics (`measure`).

    `centre` (D,) is their mean, `whitening` (BANDS, D / BANDS, D / BANDS) of the shrunk covariance
    of each band's; `up` (D,) and `level` tell, as log odds, what is upright from what is not.
    """

    centre: Floats
    whitening: Floats
    up: Floats
    level: float

    def anomaly(self, statistics: Floats) -> float:
        """Return the Mahalanobis distance from the mean, a dimension, of the median band.

        About 1 is usual. The median, because a black border or a deep shadow is no other world.
        """
        off = (statistics - self.centre).reshape(-1, len(self.whitening)).T
        white = np.einsum("bi,bij->bj", off, self.whitening)
        return float(np.median(np.sqrt(np.mean(white**2, axis=1))))

    def orientation_check(self, statistics: Floats) -> float:
        """Return the log odds that the skin is at the top."""
        return float((statistics - self.centre) @ self.up + self.level)


@cache
def load_shipped() -> Standard:
    """Return the look that comes with the package."""
    stored = {name: values.astype(np.float64) for name, values in load_file(GATES / LOOK).items()}
    return Standard(stored["centre"], stored["whitening"], stored["up"], float(stored["level"][0]))


def score_image(image: Pixels) -> Scores:
    """Return `overlay`, `anomaly` and `orientation_check` of an (S, S) uint8 image.

    `overlay` counts pixels, of 256 x 256, that are surely strokes of text or calipers. All are
    None below `SMALLEST` px a side.
    """
    if min(image.shape) < SMALLEST:
        return dict.fromkeys(LEARNED)
    seen = resize(image, SIDE)
    statistics, look = measure(seen), load_shipped()
    return {
        "overlay": float(np.count_nonzero(find.log_odds(seen, find.load_shipped()) > STROKE)),
        "anomaly": round(look.anomaly(statistics), DIGITS),
        "orientation_check": round(look.orientation_check(statistics), DIGITS),
    }


def measure(image: Pixels) -> Floats:
    """Return eight statistics of each of `BANDS` bands of depth, from the top, (8 * BANDS,).

    Of a (SIDE, SIDE) uint8 image: mean, log sd, log sd of speckle, log mean slope across and
    along the beam, share of the slope along it that brightens, black share, log roughness of the
    mean along it.
    """
    grey = image.astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), EDGE_PX)
    down = np.zeros_like(grey)
    down[:-1] = np.diff(smooth, axis=0)
    speckle = grey - cv2.GaussianBlur(grey, (0, 0), SPECKLE_PX)
    columns = cv2.GaussianBlur(_bands(grey).mean(axis=1), (0, 0), sigmaX=ACROSS_PX, sigmaY=0.01)
    found = [
        _mean(grey),
        np.log(_bands(grey).std(axis=(1, 2)) + 1),
        np.log(_bands(speckle).std(axis=(1, 2)) + 1),
        np.log(_mean(np.abs(np.diff(smooth, axis=1))) + 0.1),
        np.log(_mean(np.abs(down)) + 0.1),
        _mean(np.maximum(down, 0) ** 2) / (_mean(down**2) + 1),
        _mean((image <= BLACK).astype(np.float32)),
        np.log(np.abs(np.diff(columns, axis=1)).mean(axis=1) + 0.1),
    ]
    return np.concatenate(found).astype(np.float64)


def _bands(pixels: Floats32) -> Floats32:
    """Return (BANDS, rows, columns) of an image of `SIDE` rows."""
    return pixels.reshape(BANDS, -1, pixels.shape[1])


def _mean(pixels: Floats32) -> Floats32:
    return np.asarray(_bands(pixels).mean(axis=(1, 2)), np.float32)
