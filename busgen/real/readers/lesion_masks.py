"""Lesion masks as published: 1-bit, grey, RGB or RGBA, one or several an image.

In: paths of mask files and their image's shape. Out: (H, W) uint8 {0, 1} masks. A mask of another
size or a damaged one is an error, one that is not there is none: the image is still of use.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from busgen.arrays import Pixels
from busgen.errors import DataError
from busgen.imaging.decode import load_pixels

SPECK = 0.01


def to_levels(pixels: Pixels) -> Pixels:
    """Return (H, W) uint8: a mask's brightest colour channel; levels 0 and 1 become 0 and 255.

    Opacity is ignored: publishers' masks are opaque all over, or have odd alphas.
    """
    colours = pixels if pixels.ndim == 3 else pixels[..., None]
    colours = colours[..., :-1] if colours.shape[2] in (2, 4) else colours
    level: Pixels = np.maximum.reduce([colours[..., k] for k in range(colours.shape[2])])
    return np.asarray(level * np.uint8(255 if level.max(initial=0) == 1 else 1), np.uint8)


def to_binary(pixels: Pixels) -> Pixels:
    """Return (H, W) {0, 1}: where `to_levels` are above 127."""
    return (to_levels(pixels) > 127).astype(np.uint8)


def clean_mask(mask: Pixels) -> tuple[Pixels, int, int]:
    """Return an (H, W) {0, 1} mask without specks, and how many parts and specks it has.

    Parts are 8-connected; a speck is one below `SPECK` of the largest part's area: a slip of the
    drawing tool that would stretch the lesion's box.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    area = stats[1:, cv2.CC_STAT_AREA]
    large = area >= SPECK * area.max(initial=0)
    kept = np.concatenate([[False], large])[labels].astype(np.uint8)
    return kept, int(large.sum()), int((~large).sum())


def require_size(name: str, pixels: Pixels, shape: tuple[int, ...]) -> None:
    """Raise `DataError` if the mask `name` has not its image's (H, W)."""
    if pixels.shape[:2] != shape[:2]:
        rule = f"{name} must have its image's size {shape[:2]}"
        raise DataError(rule, pixels.shape[:2], "restore the files")


def load_union(paths: Sequence[Path], shape: tuple[int, ...]) -> Pixels | None:
    """Return the union (H, W) {0, 1} of the masks in files, None if there are no paths.

    Raises `DataError` if a file is missing, damaged or has another size than `shape`.
    """
    masks = []
    for path in paths:
        pixels = load_pixels(path)
        require_size(path.name, pixels, shape)
        masks.append(to_binary(pixels))
    return np.maximum.reduce(masks) if masks else None
