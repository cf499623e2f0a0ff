"""Signatures of images, by which near-duplicates are found.

In: a grey image as published. Out: a short byte string, and the texture that it stands for:
what is left when brightness, gain and depth compensation are taken out.
"""

from typing import NamedTuple

import cv2
import numpy as np

from busgen.arrays import Pixels
from busgen.errors import DataError
from busgen.imaging.decode import Box, bounding_box
from busgen.imaging.square import find_field

SIDE = 96
WIDTH = 6.0  # standard deviation, in pixels of the thumbnail, of what counts as local
FAINT = 4.0  # grey levels of local contrast below which texture counts less
LIMIT = 3.0  # local standard deviations at which texture is cut: letters and calipers are bright


class Link(NamedTuple):
    """Two images, by position, `first` before `second`; `similarity` is their correlation."""

    first: int
    second: int
    similarity: float


def make_thumbnail(image: Pixels) -> bytes:
    """Return the thumbnail of the image's ultrasound field: SIDE x SIDE grey bytes.

    The field's box is stretched to a square, so borders of any width leave the same signature.
    """
    box = bounding_box(find_field(image).astype(np.uint8)) or Box(0, 0, *image.shape)
    field = image[box.row : box.row + box.height, box.col : box.col + box.width]
    return np.asarray(cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_AREA)).tobytes()


def describe_texture(signature: bytes) -> Pixels:
    """Return local contrast (SIDE, SIDE) uint8: 128 is the local mean, 40 one local deviation.

    Raises `DataError` if the signature has another length: another version wrote it.
    """
    if len(signature) != SIDE * SIDE:
        got = f"{len(signature)} bytes"
        raise DataError(f"a signature must have {SIDE * SIDE} bytes", got, "run `busgen real` anew")
    grey = np.frombuffer(signature, np.uint8).reshape(SIDE, SIDE).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), WIDTH)
    local = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), WIDTH))
    clipped = np.clip(detail / (local + FAINT), -LIMIT, LIMIT)
    return np.asarray(np.rint(128 + 40 * clipped), np.uint8)
