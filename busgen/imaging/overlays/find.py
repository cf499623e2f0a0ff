"""Overlays burned into images: text, logos, body marks, rulers, calipers.

In: a grey image as published. Out: which pixels to ignore, and the image without them.
Strokes are told by a small network (`overlay_strokes`), then kept where several lie together;
holes are filled with what surrounds them (`overlay_fill`).
"""

import cv2
import numpy as np

from busgen.arrays import Bools, Pixels
from busgen.imaging.overlays.fill import fill
from busgen.imaging.overlays.strokes import StrokeNet, load_shipped, log_odds

SURE, LIKELY, BESIDE = 2.0, -0.5, -2.5  # log odds that found a stroke, extend it, join it
ENOUGH = 4  # sure pixels that strokes lying together must have
TOGETHER = np.ones((5, 5), np.uint8)  # strokes this close are one: a dotted line, an i and its dot
REACH = np.ones((9, 15), np.uint8)  # how far around found strokes fainter ones join them
EDGE = np.ones((5, 5), np.uint8)  # smooth edges and outlines of strokes are ignored too


def find_overlays(image: Pixels, net: StrokeNet | None = None) -> Bools:
    """Return which pixels (H, W) bool of an (H, W) uint8 image an overlay covers.

    Bright strokes up to some 6 px wide, with 2 px around them. `net` is the shipped one unless
    given. Dark overlays, filled tiles and strokes fainter than their surroundings stay in.
    """
    odds = log_odds(image, load_shipped() if net is None else net)
    found = _clusters(odds > LIKELY, odds > SURE)
    if not found.any():
        return found
    beside = cv2.dilate(found.astype(np.uint8), REACH) > 0
    joined = found | (beside & (odds > BESIDE))
    return np.asarray(cv2.dilate(joined.astype(np.uint8), EDGE) > 0, np.bool_)


def remove_overlays(image: Pixels, ignore: Bools) -> Pixels:
    """Return the image (H, W) uint8 with the ignored pixels filled from what surrounds them."""
    return fill(image, ignore)


def _clusters(likely: Bools, sure: Bools) -> Bools:
    """Return the likely pixels of clusters that hold enough sure ones."""
    together = cv2.dilate(likely.astype(np.uint8), TOGETHER)
    count, labels = cv2.connectedComponents(together, connectivity=8)
    sures = np.bincount(labels[sure & likely], minlength=count)
    sures[0] = 0
    return np.asarray((sures >= ENOUGH)[labels] & likely, np.bool_)
