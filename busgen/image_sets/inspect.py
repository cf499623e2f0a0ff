"""What will be read of a set, for a person to check: counts, sizes, levels, a sheet of images.

In: a `Source`. Out: a record; a PNG of images with their masks' outlines drawn.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from busgen.arrays import Pixels
from busgen.errors import DataError, UserError
from busgen.image_sets.source import Source, crop
from busgen.imaging.decode import decode_image
from busgen.io import decode_png, encode_png, replace_file, sha256_array

SHOWN, COLUMNS, SIDE = 24, 6, 192  # images of a sheet, of a row, px of each
OUTLINE = 255  # grey level


def describe(source: Source, tick: Callable[[int], None]) -> dict[str, Any]:
    """Return what is read of a set; `tick` is called with the number of images read.

    Sizes and levels as published; of a folder also how its files had to be changed. Raises
    `DataError` if an image is damaged.
    """
    shapes, low, high, masked, areas = Counter[str](), 255, 0, 0, list[float]()
    for image, mask in source.load(range(len(source))):
        shapes[f"{image.shape[1]} x {image.shape[0]}"] += 1
        low, high = min(low, int(image.min())), max(high, int(image.max()))
        masked += bool(mask.any())
        areas += [float(mask.mean())] if mask.any() else []
        tick(1)
    sizes = [f"{size} ({count})" for size, count in shapes.most_common(3)]
    record: dict[str, Any] = {"form": source.form, "images": len(source), "with a lesion": masked}
    if source.found is not None:
        record |= {"found": str(source.found)}
        record |= {"masks of no image": len(source.found.alone)}
        record |= {"files not read": len(source.found.unread)}
        record |= {"changed in reading": _changes(source)}
    record |= {"sizes": ", ".join(sizes) + (f" and {len(shapes) - 3} more" * (len(shapes) > 3))}
    record |= {"grey levels": f"{low} to {high}"}
    if areas:
        record |= {"lesion, median share of the image": f"{np.median(areas):.1%}"}
    return record


def _changes(source: Source) -> str:
    """Return what is done to the levels of a folder's images, with counts."""
    files = ((source.path / str(row["file"]), row.get("frame")) for row in source.rows)
    notes = Counter(n for f, frame in files for n in decode_image(f.read_bytes(), f.name, frame)[1])
    return ", ".join(f"{note} ({count})" for note, count in notes.most_common()) or "nothing"


def write_sheet(source: Source, path: Path) -> None:
    """Write a sheet of images spread over the set, the outlines of their masks drawn.

    Raises `UserError` if `path` holds anything but such a sheet, unchanged.
    """
    if path.exists() and not _is_sheet(path):
        rule = "the sheet must not exist, or be one that this command wrote"
        raise UserError(rule, f"{path} with other content", "choose another file, or remove it")
    chosen = sorted(set(np.linspace(0, len(source) - 1, SHOWN).astype(int).tolist()))
    tiles = [_tile(*pair) for pair in source.load(chosen)]
    tiles += [np.zeros((SIDE, SIDE), np.uint8)] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[k : k + COLUMNS]) for k in range(0, len(tiles), COLUMNS)]
    with replace_file(path) as partial:
        partial.write_bytes(_encode(np.vstack(rows)))


def _encode(sheet: Pixels) -> bytes:
    return encode_png(sheet, {"Software": f"busgen inspect {sha256_array(sheet)}"})


def _is_sheet(path: Path) -> bool:
    try:
        return _encode(decode_png(path.read_bytes())) == path.read_bytes()
    except (OSError, DataError):
        return False


def _tile(image: Pixels, mask: Pixels) -> Pixels:
    small, outlined, _ = crop(image, mask, SIDE)
    outlines, _ = cv2.findContours(outlined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(small.copy(), outlines, -1, OUTLINE), np.uint8)
