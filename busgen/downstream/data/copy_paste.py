"""Copy-paste: a lesion of one training patient put into the image of another.

In: crops of training patients. Out: as many crops as are asked for. The simple baseline that a
generator must beat (after Ghiasi 2021, arXiv 2012.07177, which pastes whole objects unblended).
"""

from dataclasses import replace

import cv2
import numpy as np

from busgen.arrays import Indices, Pixels
from busgen.real.crops import Crops

FEATHER = 1 / 64  # of the side: how wide the seam fades, as a Gaussian's sigma
RIM = 1 / 32  # of the side: what is pasted around the lesion, and where grey levels are matched
GAIN = (0.5, 2.0)  # limits of the gain that matches them


def paste(crops: Crops, count: int, rng: np.random.Generator) -> Crops:
    """Return `count` crops with a lesion pasted where it was, into another patient's image.

    Both are of one scanner, and of one class or the host is normal, so that nothing of another
    class is seen around the lesion. The host's own lesion, where it stays visible, is hidden from
    the loss by the ignore-mask. Where no other patient fits, the crop is its own host.
    """
    lesions = np.flatnonzero(crops.masks.any(axis=(1, 2)))
    givers = rng.choice(lesions, count)
    hosts = np.array([rng.choice(_hosts(crops, giver)) for giver in givers], np.intp)
    blended = [_blend(crops, *pair) for pair in zip(givers, hosts, strict=True)]
    images, ignore = (np.stack(stack) for stack in zip(*blended, strict=True))
    return replace(crops.pick(givers), images=images, ignore=ignore)


def _hosts(crops: Crops, giver: int) -> Indices:
    """Return the images that a lesion may be pasted into."""
    fits = (crops.scanners == crops.scanners[giver]) & (crops.groups != crops.groups[giver])
    fits &= (crops.labels == crops.labels[giver]) | (crops.labels == "normal")
    found = np.flatnonzero(fits)
    return found if len(found) else np.array([giver], np.intp)


def _blend(crops: Crops, giver: int, host: int) -> tuple[Pixels, Pixels]:
    """Return the host's image with the lesion in it, and what the loss must not look at."""
    mask = crops.masks[giver]
    side = len(mask)
    width = 2 * max(round(RIM * side), 1) + 1
    wide = cv2.dilate(mask, np.ones((width, width), np.uint8))
    alpha = cv2.GaussianBlur(wide.astype(np.float32), (0, 0), max(FEATHER * side, 0.5))
    lesion, scene = (crops.images[k].astype(np.float32) for k in (giver, host))
    rim = (wide > 0) & (mask == 0)
    gain = 1.0
    if rim.any():
        gain = float(np.clip(scene[rim].mean() / max(lesion[rim].mean(), 1.0), *GAIN))
    image = alpha * np.minimum(lesion * gain, 255) + (1 - alpha) * scene
    hidden = (crops.ignore[host] | crops.masks[host]) & (wide == 0) | crops.ignore[giver] & wide
    return np.asarray(np.rint(image), np.uint8), np.asarray(hidden * (mask == 0), np.uint8)
