"""Images for the page: lossless data URIs, outlines of masks, scale bars.

In: PNG bytes and the side of a pixel in mm. Out: `Image`s that a template draws.
"""

import base64
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen import io
from busgen.imaging.square import resize

SHOWN_PX = 256  # larger images are reduced to this, smaller ones left as they are
BARS_MM = (50, 20, 10, 5, 2, 1)
LONGEST_BAR = 0.3  # of the image's width
TOLERANCE_PX = 0.4  # by which the drawn outline may leave the mask's
Tags = tuple[tuple[str, str], ...]
_LOSSLESS = 101  # above 100, OpenCV's WebP encoder loses nothing


class Image(NamedTuple):
    """One image as the page shows it."""

    uri: str  # the pixels
    alt: str  # what it shows, in words
    caption: tuple[str, ...]  # lines below it
    outline: str  # SVG path of the mask in fractions of a side times 1000, empty for no lesion
    bar_mm: int  # length of the scale bar; 0: none
    bar_percent: float  # of the width
    tags: Tags = ()  # what the page's filters know it by: field, term


def make_image(
    image_png: bytes,
    mask_png: bytes,
    pixel_mm: float,
    alt: str,
    caption: tuple[str, ...],
    tags: Tags = (),
) -> Image:
    """Return the image of one attempt: square PNGs, the mask 0 or 255, pixels of `pixel_mm`."""
    image = io.decode_png(image_png, alt)
    field_mm = image.shape[1] * pixel_mm
    bar_mm = next((mm for mm in BARS_MM if mm <= LONGEST_BAR * field_mm), BARS_MM[-1])
    outline = outline_path(io.decode_png(mask_png, f"mask of {alt}"))
    return Image(image_uri(image), alt, caption, outline, bar_mm, 100 * bar_mm / field_mm, tags)


def image_uri(image: NDArray[np.uint8]) -> str:
    """Return (H, W) uint8 pixels as a lossless WebP data URI of at most `SHOWN_PX` a side."""
    image = resize(image, SHOWN_PX) if len(image) > SHOWN_PX else image
    _, data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS])
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()


def outline_path(mask: NDArray[np.uint8]) -> str:
    """Return the outlines of a square mask as an SVG path in a box of 1000 x 1000."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    parts = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, TOLERANCE_PX, closed=True)[:, 0]
        places = np.rint((points + 0.5) * 1000 / mask.shape[0]).astype(int).tolist()
        parts.append("M" + "L".join(f"{x} {y}" for x, y in places) + "Z")
    return "".join(parts)
