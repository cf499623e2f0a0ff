"""What a reader of a public dataset returns, and how it opens the publisher's images.

In: paths of published images. Out: grey pixels, masks, and a `Listing`: what the dataset's
licence allows, and for every file an `Entry` that loads it, or why it is left out. Nothing is
decoded before its turn, so memory does not grow with a dataset.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from busgen.arrays import Pixels
from busgen.errors import DataError
from busgen.imaging import dicom
from busgen.io import require_pixels

Levels = NDArray[Any]  # as stored: of any depth
DEPTHS = (8, 12, 16, 31)  # bits
MOST_LABELS = 8  # of a map: more levels are soft edges
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # not EPS, which is a program
PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "I", "F")
ORIENTATION = 0x0112  # EXIF's tag
JPEG = b"\xff\xd8"  # how such a file begins: its levels are near those saved, never labels


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

    Read strictly: damage is an error, never black rows. `path`: an image of any mode and depth, or
    DICOM; palettes are resolved to RGBA, deeper levels scaled to 8 bits.

    Returns (H, W) or (H, W, channels) uint8, notes. Raises `DataError` if the file is missing,
    too large, truncated or corrupt: checksums are checked first, as decoding misses some damage.
    """
    return decode_image(_read_file(path), path.name)


def read_mask(path: Path) -> Pixels:
    """Return (H, W) {0, 1} of a published mask, as `decode_mask`; errors as `load_image`."""
    return decode_mask(_read_file(path), path.name)


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise DataError("a published image must be there", f"no {path.name}", "restore the file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} must be a whole image", error, "restore it") from error


def decode_image(
    data: bytes, name: str, frame: int | None = None
) -> tuple[Pixels, tuple[str, ...]]:
    """Return pixels and notes of an image file's bytes; shapes and errors as `load_image`.

    Of several frames number `frame`, from 0; None is the first, which a note says.
    """
    levels, notes = _read(data, name, frame)
    pixels, scaled = _eight_bit(levels, name)
    if pixels.ndim == 3 and pixels.shape[2] > 2 and (pixels[..., 1:3] != pixels[..., :1]).any():
        scaled = (*scaled, "colour made grey")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and (pixels[..., -1] < 255).any():
        scaled = (*scaled, "transparency ignored")
    return pixels, (*notes, *scaled)


def decode_mask(
    data: bytes, name: str, label: int | None = None, frame: int | None = None
) -> Pixels:
    """Return (H, W) uint8 {0, 1} of a mask file's bytes: of any depth, mode, number of labels.

    A map of labels, that is few levels, is 1 at each but 0, or at `label` alone; what has many is
    an outline with soft edges, 1 above half of its brightest. Of colours the brightest channel
    counts, where pixels differ in opacity alone the opacity; a `label` is a palette's number.
    Raises `DataError` as `decode_image`.
    """
    levels, _ = _read(data, name, frame, numbers=label is not None)
    if levels.ndim == 3:
        alpha = levels.shape[2] in (2, 4)
        colours = levels[..., :-1] if alpha else levels
        drawn_in = alpha and colours.min() == colours.max() and np.ptp(levels[..., -1]) > 0
        levels = levels[..., -1] if drawn_in else colours.max(axis=2)
    if label is not None:
        return np.asarray(levels == label, np.uint8)
    few = len(np.unique(levels)) <= MOST_LABELS and not data.startswith(JPEG)
    return np.asarray(levels > (0 if few else levels.max() / 2), np.uint8)


def count_frames(data: bytes, name: str) -> int:
    """Return how many frames an image file's bytes hold; errors as `decode_image`."""
    with _report(name):
        if data[128:132] == b"DICM":
            return dicom.count_frames(dicom.open_dicom(data, name))
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            require_pixels(picture.size, name)
            return int(getattr(picture, "n_frames", 1))


@contextmanager
def _report(name: str) -> Iterator[None]:
    """Make whatever an image's file raises a `DataError`."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # Pillow and pydicom let key, type and other errors through
        got = "another kind of file" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{name} must be a whole image", got, "restore it") from error


def _read(
    data: bytes, name: str, frame: int | None, *, numbers: bool = False
) -> tuple[Levels, tuple[str, ...]]:
    """Return an image's levels (H, W) or (H, W, channels) as they are stored, and notes.

    One of several frames, turned as its EXIF says; of a palette the `numbers`, or colours.
    Nothing is decoded before the header has said how many pixels there are.
    """
    with _report(name):
        if data[128:132] == b"DICM":
            return dicom.read_levels(data, name, frame)
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            require_pixels(picture.size, name)
            picture.verify()
        if data.startswith(b"\x89PNG") and data[24] == 16 and data[25] in (2, 6):
            deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if deep is None:
                raise ValueError(f"{len(data)} bytes")
            return np.asarray(deep), ()  # Pillow keeps 8 bits of such colours
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            frames, turned = getattr(image, "n_frames", 1), image.getexif().get(ORIENTATION, 1) != 1
            notes = [f"first of {frames} frames"] if frames > 1 and frame is None else []
            image.seek(frame or 0)
            notes += ["turned as its EXIF says"] if turned else []
            upright = ImageOps.exif_transpose(image)
            kept = upright.mode in PLAIN_MODES or upright.mode.startswith("I;")
            if not kept and not (upright.mode == "P" and numbers):
                mode = {"1": "L", "P": "RGBA"}.get(upright.mode, "RGB")
                said = "palette resolved" if upright.mode == "P" else f"{upright.mode} made RGB"
                notes += [said] if upright.mode != "1" else []
                upright = upright.convert(mode)
            return np.asarray(upright), tuple(notes)


def _eight_bit(levels: Levels, name: str) -> tuple[Pixels, tuple[str, ...]]:
    """Return 8-bit pixels: deeper ones scaled over the fewest bits that hold them.

    Depths are 8, 12, 16 and 31 bits; of fractions up to 1 that range, of what is below 0 its own.
    """
    if levels.dtype == np.uint8:
        return levels, ()
    low, high = float(levels.min(initial=0)), float(levels.max(initial=0))
    if not np.isfinite((low, high)).all():
        raise DataError(f"{name} must have finite levels", f"{low} to {high}", "export it anew")
    bits = next((bits for bits in DEPTHS if high < 2**bits), DEPTHS[-1])
    fraction = levels.dtype.kind == "f" and high <= 1
    top, kind = (1.0, "fractions") if fraction else (2.0**bits - 1, f"{bits} bits")
    if low < 0:
        top, kind = high - low, "levels below 0"
    scaled = (levels.astype(np.float64) - min(low, 0.0)) * (255 / (top or 1.0))
    return np.rint(scaled).astype(np.uint8), (f"{kind} made 8",) if kind != "8 bits" else ()


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
