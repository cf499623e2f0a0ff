"""Which bright, thin pixels of an image are strokes of an overlay: a small network on patches.

In: a grey image. Out: log odds per pixel. Speckle is blurred by the beam, a scanner's letters
are not; what that looks like was learned from planted overlays (`overlay_fit`), whose weights lie
in `assets/overlays`. Only pixels that stand out of a 7x7 opening are asked, some tenth of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import load_file

from busgen.arrays import Bools, Floats32, Indices, Pixels
from busgen.io import ASSETS

WEIGHTS = ASSETS / "overlays" / "strokes.safetensors"
STANDS_OUT = 22  # grey levels above the opening: fainter strokes are left in
WIDEST = 7  # px; wider strokes are no candidates
NEAR, FAR, STRIDE = 8, 5, 3  # half a patch in px, half the wide patch in strides, stride in px
CHUNK = 512  # candidates asked at once: their patches stay in the cache
NO_STROKE = np.float32(-20.0)
_KERNEL = np.ones((WIDEST, WIDEST), np.uint8)


@dataclass(frozen=True)
class StrokeNet:
    """Layers `(weights (in, out), bias (out,))` float32 with rectifiers between; one output."""

    layers: tuple[tuple[Floats32, Floats32], ...]

    def log_odds(self, features: Floats32) -> Floats32:
        """Return the log odds (n,) of features (n, d)."""
        *hidden, last = self.layers
        for weights, bias in hidden:
            features = features @ weights
            features += bias
            np.maximum(features, 0, out=features)
        return np.asarray((features @ last[0] + last[1])[:, 0], np.float32)

    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """Return the weights as they are stored: half precision, by name."""
        named: dict[str, NDArray[np.float16]] = {}
        for i, (weights, bias) in enumerate(self.layers):
            named |= {
                f"weights{i}": weights.astype(np.float16),
                f"bias{i}": bias.astype(np.float16),
            }
        return named


def build_network(arrays: Mapping[str, NDArray[np.float16]]) -> StrokeNet:
    """Return the network of stored weights."""
    pairs = [(arrays[f"weights{i}"], arrays[f"bias{i}"]) for i in range(len(arrays) // 2)]
    return StrokeNet(tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in pairs))


@cache
def load_shipped() -> StrokeNet:
    """Return the network that comes with the package."""
    return build_network(load_file(WEIGHTS))


def find_candidates(image: Pixels) -> Bools:
    """Return which pixels (H, W) stand out of all that is `WIDEST` px or more both ways."""
    wide = cv2.morphologyEx(image, cv2.MORPH_OPEN, _KERNEL)
    return np.asarray(cv2.subtract(image, wide) > STANDS_OUT, np.bool_)


def measure(image: Pixels, rows: Indices, cols: Indices) -> Floats32:
    """Return patches (n, 17 * 17 + 11 * 11) in [0, 1] around pixels; mirrored at the edges.

    The first are the pixels themselves, the second means of 3x3 in steps of 3 px.
    """
    return _take(_patches(image), rows, cols)


def _take(patches: Sequence[Floats32], rows: Indices, cols: Indices) -> Floats32:
    return np.concatenate([one[rows, cols].reshape(rows.size, -1) for one in patches], axis=1)


def _patches(image: Pixels) -> list[Floats32]:
    """Return the patches around all pixels (H, W, 17, 17) and (H, W, 11, 11): views, no copies."""
    patches = []
    blurred = cv2.boxFilter(image, -1, (STRIDE, STRIDE))
    for pixels, half, stride in ((image, NEAR, 1), (blurred, FAR, STRIDE)):
        reach = half * stride
        padded = cv2.copyMakeBorder(pixels, *(reach,) * 4, cv2.BORDER_REFLECT_101)
        scaled = np.asarray(padded / np.float32(255), np.float32)
        around = sliding_window_view(scaled, (2 * reach + 1,) * 2)
        patches.append(around[:, :, ::stride, ::stride])
    return patches


def log_odds(image: Pixels, net: StrokeNet) -> Floats32:
    """Return the log odds (H, W) float32 that a pixel is an overlay's stroke."""
    result = np.full(image.shape, NO_STROKE, np.float32)
    rows, cols = np.nonzero(find_candidates(image))
    patches = _patches(image)
    for start in range(0, rows.size, CHUNK):
        part = slice(start, start + CHUNK)
        result[rows[part], cols[part]] = net.log_odds(_take(patches, rows[part], cols[part]))
    return result
