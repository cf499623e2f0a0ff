"""Pictures: PNG bytes, decoded strictly, against what their row says.

In: tables of the release schema. Out: what is wrong, in words; nothing where all is well.
"""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from busgen.errors import DataError
from busgen.io import sha256_array

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLUMNS = ("sample_id", "pathology", "image_sha256", "image", "mask")


def decode_strictly(data: bytes, name: str) -> NDArray[np.uint8]:
    """Return PNG bytes as (H, W) uint8; raise `DataError` if truncated or not 8-bit grey.

    OpenCV fills what is missing of a truncated file with zeros, and Pillow does not miss the last
    bytes: the chunks are counted and their checksums taken first.
    """
    try:
        _check_chunks(data)
        with Image.open(BytesIO(data), formats=("PNG",)) as picture:
            mode = picture.mode
            pixels = np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name} must be a whole PNG", error, "restore the file") from error
    if mode != "L":
        raise DataError(f"{name} must be an 8-bit grey PNG", f"mode {mode}", "restore the file")
    return pixels


def _check_chunks(data: bytes) -> None:
    """Raise `ValueError` unless all chunks are whole and IEND is last (PNG 1.2, section 3.2)."""
    place, kind = len(_SIGNATURE), b""
    if not data.startswith(_SIGNATURE):
        raise ValueError(f"{len(data)} bytes without PNG signature")
    while place < len(data):
        if kind == b"IEND" or len(data) < place + 12:
            raise ValueError(f"{len(data)} bytes, wrong from byte {place} on")
        length = int.from_bytes(data[place : place + 4], "big")
        kind, end = data[place + 4 : place + 8], place + 8 + length
        if data[end : end + 4] != crc32(data[place + 4 : end]).to_bytes(4, "big"):
            raise ValueError(f"{len(data)} bytes, chunk at byte {place} broken")
        place = end + 4
    if kind != b"IEND":
        raise ValueError(f"{len(data)} bytes without end")


def check_pictures(table: pa.Table) -> list[tuple[str, str, str]]:
    """Return ``(sample_id, rule, got)`` for every row whose image or mask breaks a rule."""
    rows = table.select(_COLUMNS).to_pylist()
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(_check_row, rows))
    return [problem for problem in found if problem is not None]


def _check_row(row: dict[str, object]) -> tuple[str, str, str] | None:
    """Return the first rule that one row breaks."""
    name = str(row["sample_id"])
    try:
        image = decode_strictly(_png(row["image"]), "image")
        mask = decode_strictly(_png(row["mask"]), "mask")
    except DataError as error:
        return name, error.rule, str(error.got)
    return _check_pair(name, row, image, mask)


def _check_pair(
    name: str, row: dict[str, object], image: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> tuple[str, str, str] | None:
    digest = sha256_array(image)
    if digest != row["image_sha256"]:
        return name, "image_sha256 must be that of the image's pixels", digest
    if image.shape != mask.shape:
        return name, f"mask must have the image's size {image.shape}", str(mask.shape)
    grey = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    if not {*grey.tolist()} <= {0, 255}:
        return name, "mask must hold 0 and 255 only", str(grey[:5].tolist())
    if (255 in grey) != (row["pathology"] != "normal"):
        return name, "mask must be empty exactly where pathology is normal", str(row["pathology"])
    return None


def _png(picture: object) -> bytes:
    """Return the bytes of a picture {bytes, path}; empty where there is none."""
    data = picture.get("bytes") if isinstance(picture, dict) else None
    return data if isinstance(data, bytes) else b""
