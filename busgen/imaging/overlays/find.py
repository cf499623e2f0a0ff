"""Overlays burned into images: text, logos, body marks, rulers, calipers.

In: a grey image as published. Out: which pixels to ignore, and the image without them. Strokes are
told by a small network on patches, then kept where several lie together. Speckle is blurred by the
beam, a scanner's letters are not; what that looks like was learned from planted overlays
(`overlay_fitting`), whose weights lie in `assets/overlays`. Only pixels that stand out of a 7x7
opening are asked, some tenth of all. Holes are filled with what surrounds them: each gets pixels
from the place nearby that fits its rim best, and on top what the rim differs, carried inwards: no
seam shows, and no smooth blob either, which a network would learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

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


SURE, LIKELY, BESIDE = 2.0, -0.5, -2.5  # log odds that found a stroke, extend it, join it
ENOUGH = 4  # sure pixels that strokes lying together must have
TOGETHER = np.ones((5, 5), np.uint8)  # strokes this close are one: a dotted line, an i and its dot
REACH = np.ones((9, 15), np.uint8)  # how far around found strokes fainter ones join them
EDGE = np.ones((5, 5), np.uint8)  # smooth edges and outlines of strokes are ignored too
GREY_PX, RIM_PX = (3.0, 12.0), (0.8, 1.6, 4.0, 12.0)  # widths of smoothing, finest first
TRUST = 0.15  # share of neighbours shown, from which on a narrower width is believed
TURNS = 16  # directions in which a hole's filling is looked for
AWAY_PX = (7, 10, 14, 20, 28, 40)
FARTHEST_PX = max(AWAY_PX)
RING = np.ones((5, 5), np.uint8)  # px around a hole where its filling is compared


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


def find_overlays(image: Pixels) -> Bools:
    """Return which pixels (H, W) bool of an (H, W) uint8 image an overlay covers.

    Bright strokes up to some 6 px wide, with 2 px around them. Dark overlays, filled tiles and
    strokes fainter than their surroundings stay in.
    """
    odds = log_odds(image, load_shipped())
    found = _clusters(odds > LIKELY, odds > SURE)
    if not found.any():
        return found
    reference = cv2.dilate(found.astype(np.uint8), REACH) > 0
    joined = found | (reference & (odds > BESIDE))
    return np.asarray(cv2.dilate(joined.astype(np.uint8), EDGE) > 0, np.bool_)


def _clusters(likely: Bools, sure: Bools) -> Bools:
    """Return the likely pixels of clusters that hold enough sure ones."""
    together = cv2.dilate(likely.astype(np.uint8), TOGETHER)
    count, labels = cv2.connectedComponents(together, connectivity=8)
    sures = np.bincount(labels[sure & likely], minlength=count)
    sures[0] = 0
    return np.asarray((sures >= ENOUGH)[labels] & likely, np.bool_)


def remove_overlays(image: Pixels, hole: Bools) -> Pixels:
    """Return the image (H, W) uint8 with the pixels of a hole (H, W) bool replaced.

    The other pixels stay as they are. An image that is all hole is returned unchanged.
    """
    if not hole.any() or hole.all():
        return image.copy()
    rim = (cv2.dilate(hole.astype(np.uint8), RING) > 0) & ~hole
    shown = image.astype(np.float32)
    moved = _move(shown, hole, rim)
    moved += _fill(shown - moved, rim, RIM_PX)
    result = image.copy()
    result[hole] = np.rint(moved[hole]).clip(0, 255).astype(np.uint8)
    return result


def _fill(values: Floats32, known: Bools, widths: tuple[float, ...]) -> Floats32:
    """Return values (H, W) known at some pixels, carried smoothly to the others."""
    weight = known.astype(np.float32)
    result = np.full(values.shape, values[known].mean(), np.float32)
    for width in reversed(widths):
        share = cv2.GaussianBlur(weight, (0, 0), width)
        mean = cv2.GaussianBlur(values * weight, (0, 0), width) / np.maximum(share, 1e-6)
        result += (mean - result) * np.minimum(share / np.float32(TRUST), 1)
    return result


def _move(shown: Floats32, hole: Bools, rim: Bools) -> Floats32:
    """Return the image with each hole and its rim (connected: one shift) filled from nearby.

    What would come from a hole is smooth grey instead; beyond its edges the image is mirrored.
    """
    smooth = _fill(shown, ~hole, GREY_PX)
    count, labels = cv2.connectedComponents((hole | rim).astype(np.uint8), connectivity=8)
    request = np.nonzero(labels)
    hole_of, at_rim = labels[request], rim[request]
    here, grey = shown[request], smooth[request]
    wide_shown, wide_smooth, wide_hole = (_pad(x) for x in (shown, smooth, hole))
    width = shown.shape[1] + 2 * FARTHEST_PX
    places = (request[0] + FARTHEST_PX) * width + request[1] + FARTHEST_PX
    edge, edge_here = np.flatnonzero(at_rim), here[at_rim]
    best, nearest = np.full(count, np.inf), np.zeros(count, np.intp)
    turns = 2 * np.pi * np.arange(TURNS) / TURNS
    shifts = [(round(r * np.sin(t)), round(r * np.cos(t))) for r in AWAY_PX for t in turns]
    for row, col in shifts:  # near ones first
        source = places + (row * width + col)
        misfit = np.abs(wide_smooth[source] - grey)
        misfit[edge] += np.abs(wide_shown[source[edge]] - edge_here)
        misfit[wide_hole[source]] = 255
        cost = np.bincount(hole_of, misfit, minlength=count)
        better = cost < best
        best[better], nearest[better] = cost[better], row * width + col
    source = places + nearest[hole_of]
    result = shown.copy()
    result[request] = np.where(wide_hole[source], grey, wide_shown[source])
    return result


def _pad(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return an image with `FARTHEST_PX` of its mirror image on all sides, one row after another.

    An image smaller than that repeats its last pixels instead.
    """
    mode: Any = "reflect" if min(pixels.shape) > FARTHEST_PX else "edge"
    return np.pad(pixels, FARTHEST_PX, mode=mode).ravel()
