"""What a reader of a public dataset returns, and how it opens the publisher's images.

In: paths of published images. Out: grey pixels, masks, and a `Listing`: what the dataset's
licence allows, and for every file an `Entry` that loads it, or why it is left out. Nothing is
decoded before its turn, so memory does not grow with a dataset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from busgen.arrays import Pixels
from busgen.errors import DataError


@dataclass(frozen=True)
class DatasetInfo:
    """Origin and licence of a public dataset.

    `weights_may_ship`: models trained on it may be published; `pixels_may_show`: its images may
    stand on a report's page for real images.
    """

    name: str
    citation: str
    doi: str
    licence: str
    weights_may_ship: bool
    pixels_may_show: bool


@dataclass(frozen=True)
class PublishedImage:
    """One image as published, with what its publisher states about it.

    `pixels` (H, W) or (H, W, channels) uint8; `mask` (H, W) uint8 {0, 1} of the lesion, None
    where none is published; `stated` canonical columns, at least `sample_id` and `patient_id`;
    `flags` of `schema.FLAGS` that only the reader can know; `notes` what it found odd.
    """

    pixels: Pixels
    mask: Pixels | None
    stated: dict[str, Any]
    mask_file: str | None = None
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A published file; where its `load` raises `DataError`, it is left out with that reason."""

    source_file: str
    load: Callable[[], PublishedImage]


@dataclass(frozen=True)
class Listing:
    """What a folder holds: entries in a fixed order, and `(source_file, reason)` of the rest."""

    entries: Sequence[Entry]
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Box:
    """Bounding box of a mask in pixels: first row and column, rows and columns."""

    row: int
    col: int
    height: int
    width: int


def load_image(path: Path) -> tuple[Pixels, tuple[str, ...]]:
    """Return the pixels of a published image, and notes on what had to be changed in them.

    Read strictly: damage is an error, never black rows.

    `path`: a PNG of any mode; palettes are resolved to RGBA, 16 bits are scaled to 8.

    Returns (H, W) or (H, W, channels) uint8, notes. Raises `DataError` if the file is missing,
    truncated or corrupt, or has another mode. Every chunk's checksum is checked first, since
    decoding alone does not notice all damage.
    """
    if not path.is_file():
        raise DataError("a published image must be there", f"no {path.name}", "restore the file")
    try:
        return decode_image(path.read_bytes(), path.name)
    except OSError as error:
        raise DataError(f"{path.name} must be a whole image", error, "restore it") from error


def decode_image(data: bytes, name: str) -> tuple[Pixels, tuple[str, ...]]:
    """Return pixels and notes of an image file's bytes; shapes and errors as `load_image`."""
    try:
        with Image.open(BytesIO(data)) as picture:
            picture.verify()
        with Image.open(BytesIO(data)) as image:
            pixels, notes = _eight_bit(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} must be a whole image", error, "restore it") from error
    if pixels.ndim == 3 and pixels.shape[2] > 2 and (pixels[..., 1:3] != pixels[..., :1]).any():
        notes = (*notes, "colour made grey")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and (pixels[..., -1] < 255).any():
        notes = (*notes, "transparency ignored")
    return pixels, notes


def _eight_bit(image: Image.Image) -> tuple[Pixels, tuple[str, ...]]:
    """Return 8-bit pixels: 16 bits are scaled over their whole range (PNG 1.2, section 10.4)."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return np.asarray(image, np.uint8), ()
    if image.mode == "1":
        return np.asarray(image.convert("L"), np.uint8), ()
    if image.mode == "P":
        return np.asarray(image.convert("RGBA"), np.uint8), ("palette resolved",)
    if image.mode in ("I", "I;16", "I;16B"):
        deep = np.asarray(image, np.int64)
        if deep.min() >= 0 and deep.max() < 2**16:
            return np.rint(deep / 257).astype(np.uint8), ("16 bits made 8",)
    raise ValueError(f"mode {image.mode} is no 8- or 16-bit image")


def to_grey(pixels: Pixels) -> Pixels:
    """Return the luma (ITU-R 601) of (H, W[, channels]) pixels; opacity is ignored."""
    if pixels.ndim == 2 or pixels.shape[2] == 2:
        return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., 0])
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels[..., :3])).convert("L"))


def bounding_box(mask: Pixels) -> Box | None:
    """Return the bounding box of the non-zero pixels of an (H, W) mask, None if there are none."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    height, width = rows[-1] - rows[0] + 1, cols[-1] - cols[0] + 1
    return Box(int(rows[0]), int(cols[0]), int(height), int(width))


def drop_repeats(
    rows: Sequence[tuple[str, dict[str, str]]],
) -> tuple[list[tuple[str, dict[str, str]]], list[tuple[str, str]]]:
    """Return rows `(source_file, cells)` with every file once, and what was dropped.

    Equal rows are one; rows that contradict each other are all left out: none can be trusted.
    """
    groups: dict[str, list[dict[str, str]]] = {}
    for name, cells in rows:
        groups.setdefault(name, []).append(cells)
    kept, dropped = [], []
    for name, copies in groups.items():
        if any(copy != copies[0] for copy in copies):
            dropped.append((name, f"{len(copies)} rows that contradict each other"))
            continue
        kept.append((name, copies[0]))
        dropped += [(name, "row repeated")] * (len(copies) - 1)
    return kept, dropped
