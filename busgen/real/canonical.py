"""One published image -> one canonical row: cleaned, measured, flagged; nothing invented.

In: what a reader loaded (`PublishedImage`). Out: a row of `schema.arrow_schema("real")`. Stated
columns are the publisher's; sizes, orientation and place are measured on the mask; what neither
tells stays null. Pixels stay as published, made grey: what to ignore in them is a mask of its own.

What the flags of `schema.FLAGS` say:

- `colour_doppler`: the publisher says so, or many pixels are strongly coloured; no B-mode
- `black_border`, `sector_field`: black around the field, a field that widens with depth
- `overlay`: `ignore` is not empty
- `no_mask`: a lesion whose mask is not published; a normal image needs none
- `empty_mask`: a mask is published and shows nothing, though the label is a lesion
- `several_masks`: several masks are published, or one of several parts; size, place and
  orientation stay null, for the box about all of them is no lesion's
- `mask_resized`: the mask was published in another size and brought to the image's
- `near_duplicate`, `label_conflict`: found over all datasets later, except where a publisher's
  own label and mask disagree
"""

from typing import Any

import cv2
import numpy as np

from busgen import schema
from busgen.arrays import Bools, Pixels
from busgen.errors import DataError
from busgen.imaging.decode import PublishedImage, bounding_box, to_grey
from busgen.imaging.overlays.find import find_overlays
from busgen.imaging.square import find_field, has_black_border, is_sector, square_crop
from busgen.io import encode_png
from busgen.real.readers.files import clean_mask
from busgen.similarity.registration import make_thumbnail

DOPPLER_PIXELS = 0.002  # share of saturated colours above which an image is no B-mode
SATURATED = 60  # spread of red, green and blue above which a pixel is strongly coloured
STROKE = 0.02  # what is thinner than this share of the shorter side is a line or a letter


def to_row(dataset: str, source_file: str, published: PublishedImage) -> dict[str, Any]:
    """Return the canonical row of one image.

    Raises `DataError` if a mask stands on a normal image or has not its image's size.
    """
    image, mask = to_grey(published.pixels), published.mask
    if mask is not None and mask.shape != image.shape:
        raise DataError(f"a mask must have its image's size {image.shape}", mask.shape, "restore")
    lesion, parts, specks = (None, 0, 0) if mask is None or not mask.any() else clean_mask(mask)
    if lesion is not None and published.stated.get("pathology") == "normal":
        raise DataError("a normal image must have no lesion", "a mask", "restore the labels")
    flags = {*published.flags, *(["several_masks"] if parts > 1 else [])}
    ignore, field = find_overlays(image), find_field(image)
    due = published.stated.get("pathology") != "normal"
    shown = {
        "colour_doppler": _is_coloured(published.pixels, field),
        "black_border": has_black_border(image, field),
        "sector_field": is_sector(field),
        "overlay": ignore.any(),
        "no_mask": due and mask is None,
        "empty_mask": due and mask is not None and not mask.any(),
    }
    flags |= {flag for flag, yes in shown.items() if yes}
    one = None if "several_masks" in flags else lesion
    row: dict[str, Any] = dict.fromkeys(field.name for field in schema.arrow_schema("real"))
    return row | {
        **published.stated,
        **measure(image, one, field, published.stated.get("pixel_mm")),
        "dataset": dataset,
        "source_file": source_file,
        "image": {"bytes": encode_png(image), "path": source_file},
        "mask": None if lesion is None else _png(lesion, published.mask_file or source_file),
        "ignore": _png(ignore.astype(np.uint8), source_file) if ignore.any() else None,
        "signature": make_thumbnail(image),
        "flags": [flag for flag in schema.FLAGS if flag in flags],
        "notes": [*published.notes, *(["specks removed from the mask"] if specks else [])],
    }


def measure(
    image: Pixels, mask: Pixels | None, field: Bools, pixel_mm: float | None
) -> dict[str, float | str | None]:
    """Return size, place and orientation of the mask's box, published and in the square crop."""
    box = None if mask is None else bounding_box(mask)
    if mask is None or box is None:
        return {}
    whole = {
        "orientation": "not_parallel" if box.height > box.width else "parallel",
        "width_mm": None if pixel_mm is None else box.width * pixel_mm,
        "height_mm": None if pixel_mm is None else box.height * pixel_mm,
        "center_x": (box.col + box.width / 2) / mask.shape[1],
        "center_y": (box.row + box.height / 2) / mask.shape[0],
    }
    square = square_crop(image, mask, field=field)
    crop, side = bounding_box(square.mask), len(square.mask)
    if crop is None:  # smaller than half a pixel of the crop
        return whole
    return whole | {
        "crop_width": crop.width / side,
        "crop_height": crop.height / side,
        "crop_center_x": (crop.col + crop.width / 2) / side,
        "crop_center_y": (crop.row + crop.height / 2) / side,
    }


def _png(mask: Pixels, path: str) -> dict[str, Any]:
    """Return a {0, 1} mask as the struct that Parquet holds."""
    return {"bytes": encode_png(mask * np.uint8(255)), "path": path}


def _is_coloured(pixels: Pixels, field: Bools) -> bool:
    """Return whether an image shows patches of strong colour in its field, as Doppler's.

    A tint of the whole image is taken out first; strokes, as of coloured calipers and text, and
    logos beside the field do not count.
    """
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        return False
    channels = [pixels[..., k].astype(np.float32) for k in range(3)]
    lit = field & (channels[1] > 20)
    medians = [float(np.median(channel[lit])) if lit.any() else 0.0 for channel in channels]
    if min(medians) > 0:
        channels = [c * (medians[1] / m) for c, m in zip(channels, medians, strict=True)]
    spread = np.maximum.reduce(channels) - np.minimum.reduce(channels)
    side = max(3, round(STROKE * min(field.shape)))
    strong = (spread > SATURATED).astype(np.uint8)
    patches = cv2.morphologyEx(strong, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return bool((patches[field] > 0).sum() > DOPPLER_PIXELS * field.size)
