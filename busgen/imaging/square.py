"""Square crops of published images, and squares of another side: cut, never stretched.

In: published image and mask. Out: square image and mask, their scale, and how much was padded.
The window keeps as much of the ultrasound field as a square can, holds the lesion with its
surroundings, and starts at the top of the field so that depth stays depth from the skin.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from busgen.arrays import Bools, Pixels
from busgen.errors import UserError
from busgen.imaging.decode import Box, bounding_box

BLACK = 4  # at most this grey level is outside the field
THIN = np.ones((5, 5), np.uint8)  # what is thinner than this is no part of the field
SMALL = 0.02  # nor what is connected and smaller than this share of the image
BORDER = 0.05  # a smaller black border is an edge, no border
FLAT = 0.995  # share of one grey level from which black is a border, not faded echoes
SECTOR_GAP = 0.04  # a sector leaves more than this share of its width empty at either side


def resize(image: Pixels, size_px: int) -> Pixels:
    """Return an image with `size_px` a side; shrinking averages over areas, enlarging is bilinear.

    One of that size already is returned itself.
    """
    if image.shape == (size_px, size_px):
        return image
    method = cv2.INTER_AREA if min(image.shape) >= size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=method), np.uint8)


@dataclass(frozen=True)
class Square:
    """A square crop.

    `image` (size, size) uint8; `mask` (size, size) uint8 {0, 1}; `scale` published pixels per
    pixel of the crop: multiply `pixel_mm` by it; `padded` share of the crop that is padding.
    """

    image: Pixels
    mask: Pixels
    scale: float
    padded: float


def find_field(image: Pixels) -> Bools:
    """Return which pixels lie in the ultrasound field: the convex hull of what is not black.

    A hull, because anechoic cysts and shadows inside the field are black too; of what is neither
    thin nor small, as rulers, frames and letters beside the field are. (H, W) bool, all False
    for black images.
    """
    bright = (image > BLACK).astype(np.uint8)
    bright = cv2.morphologyEx(
        bright, cv2.MORPH_OPEN, THIN, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    _, labels, parts, _ = cv2.connectedComponentsWithStats(bright)
    large = parts[:, cv2.CC_STAT_AREA] >= SMALL * image.size
    bright &= np.take(large.astype(np.uint8), labels)
    rows = np.flatnonzero(bright.any(axis=1))
    hull = np.zeros(image.shape, np.uint8)
    if rows.size:
        first = bright[rows].argmax(axis=1)
        last = image.shape[1] - 1 - bright[rows, ::-1].argmax(axis=1)
        ends = np.column_stack([np.concatenate([first, last]), np.tile(rows, 2)])
        cv2.fillConvexPoly(hull, cv2.convexHull(ends.astype(np.int32)), 1)
    return hull.astype(np.bool_)


def is_sector(field: Bools) -> bool:
    """Return whether a field widens with depth on both sides, as a sector's or trapezoid's."""
    box = bounding_box(field.astype(np.uint8))
    if box is None:
        return False
    near_skin = np.flatnonzero(field[box.row + box.height // 20])
    left, right = near_skin[0] - box.col, box.col + box.width - 1 - near_skin[-1]
    return bool(min(left, right) > SECTOR_GAP * box.width)


def has_black_border(image: Pixels, field: Bools) -> bool:
    """Return whether black left, right, above or below the field takes more than `BORDER`.

    Below, only what is of one level counts: where echoes fade with depth, noise is left.
    """
    box = bounding_box(field.astype(np.uint8))
    if box is None:
        return True
    below = image[box.row + box.height :]
    faded = below.size > 0 and np.bincount(below.ravel()).max() < FLAT * below.size
    height = image.shape[0] - box.row if faded else box.height
    return height * box.width < (1 - BORDER) * image.size


def square_crop(
    image: Pixels,
    mask: Pixels,
    size_px: int = 256,
    margin: float = 0.15,
    *,
    field: Bools | None = None,
) -> Square:
    """Return the square of the field that holds the lesion with its surroundings.

    The window's side is the shorter side of the field; a lesion that does not fit into it with
    its `margin` (as far as the field shows it) makes the window larger, and only what then lies
    beyond the image is padded (black), below the field or on both sides of it. Shrinking
    averages over pixel areas, enlarging is bilinear.

    `image`, `mask`: (H, W) uint8; the mask's non-zero pixels are the lesion, it may be empty;
    `size_px`: side of the crop in pixels; `margin`: surroundings to keep on every side of the
    lesion, as a share of its box's longer side; `field`: (H, W) bool, `find_field(image)` where it
    is known. Raises `UserError` if sizes differ, or `size_px` is below 16.
    """
    if image.shape != mask.shape or size_px < 16:
        got = f"{image.shape}, {mask.shape}, {size_px}"
        raise UserError("image and mask must have one size, the crop 16 px or more", got, "check")
    height, width = image.shape
    known = find_field(image) if field is None else field
    frame = bounding_box(known.astype(np.uint8)) or Box(0, 0, height, width)
    lesion = bounding_box(mask) or Box(frame.row, frame.col + frame.width // 2, 0, 0)
    around = round(margin * max(lesion.height, lesion.width))
    tall = min(lesion.height + 2 * around, frame.height)
    wide = min(lesion.width + 2 * around, frame.width)
    side = max(min(frame.height, frame.width), tall, wide, lesion.height, lesion.width)
    row = _start((frame.row, frame.height), (lesion.row, lesion.height), side, around, frame.row)
    middle = lesion.col + (lesion.width - side) // 2
    wish = middle if side < frame.width else frame.col + (frame.width - side) // 2
    col = _start((frame.col, frame.width), (lesion.col, lesion.width), side, around, wish)
    cut = crop((mask > 0).astype(np.uint8) * np.uint8(255), row, col, side, side)
    tall, wide = (
        max(0, min(start + side, length) - max(start, 0))
        for start, length in ((row, height), (col, width))
    )
    return Square(
        resize(crop(image, row, col, side, side), size_px),
        (resize(cut, size_px) > 127).astype(np.uint8),
        side / size_px,
        1.0 - tall * wide / side**2,
    )


def _start(
    field: tuple[int, int], lesion: tuple[int, int], side: int, around: int, wish: int
) -> int:
    """Return where the window starts on one axis; `field` and `lesion` are (first, length).

    As near to `wish` as first the lesion's surroundings, then the field, then the lesion allow.
    """
    start, end, room = wish, sum(lesion), field[1] - side
    if room > 0:
        start = max(end + around - side, min(start, lesion[0] - around))
        start = max(field[0], min(start, field[0] + room))
    return max(end - side, min(start, lesion[0]))


def crop(pixels: Pixels, row: int, col: int, height: int, width: int) -> Pixels:
    """Return the (height, width) window, black where it leaves the image."""
    out = np.zeros((height, width), np.uint8)
    top, left = max(row, 0), max(col, 0)
    part = pixels[top : max(row + height, 0), left : max(col + width, 0)]
    out[top - row : top - row + part.shape[0], left - col : left - col + part.shape[1]] = part
    return out
