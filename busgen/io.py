"""Files: written whole or not at all, hashed; and 8-bit grey images as PNG bytes.

In: arrays, records, paths. Out: files under their final name only when they are complete.
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.errors import DataError, StorageError

ASSETS = Path(__file__).parent / "assets"  # what ships: prior, weights, reference statistics
PNG_HEADER = 33  # bytes of signature and first chunk
MAX_PIXELS = (
    2**24
)  # of an image, by its header: a file of 100 kB may claim a thousand times as many
PNG_LEVEL = 1  # speckle hardly compresses: level 6 takes twice the time for 3 % less
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY_8_BIT = b"\x08\x00"  # depth and colour type, at bytes 24 and 25


def sha256_bytes(data: bytes) -> str:
    """Return the hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path]) -> str:
    """Return the hex SHA-256 of the hashes of files, one after the other."""
    return sha256_bytes("".join(map(sha256_file, paths)).encode())


def sha256_array(pixels: NDArray[np.uint8]) -> str:
    """Return the hex SHA-256 of decoded pixels: their shape, then their bytes in C order."""
    shape = "x".join(map(str, pixels.shape)).encode()
    return sha256_bytes(shape + b":" + np.ascontiguousarray(pixels).tobytes())


def to_cell(value: object) -> object:
    """Return a value for a CSV file: a text that a spreadsheet would run as a formula, quoted."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value


def dumps(record: object) -> str:
    """Return canonical JSON: sorted keys, two spaces, no NaN, final newline."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever it holds
    """Return what JSON says; `ValueError` where it is none, or nested too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("hundreds of levels, one in the other") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; raise `DataError` if there is none."""
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} must be a JSON file", error, f"check {path}") from error
    if not isinstance(record, dict):
        raise DataError(f"{path.name} must hold a JSON object", type(record).__name__, str(path))
    return record


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table of constants in `path`, a file of ours that a module stands beside."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


@contextmanager
def report_storage(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses inside into a `StorageError` about `folder`."""
    try:
        yield
    except OSError as error:
        remedy = "free space, give write permission or choose another folder"
        raise StorageError(f"{folder} must be writable and have room", error, remedy) from error


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success sync it and rename it into place.

    On any failure the temporary file is removed and `path` is as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with report_storage(path.parent):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replace_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def encode_png(
    pixels: NDArray[np.uint8], text: Mapping[str, str] | None = None, pixel_mm: float | None = None
) -> bytes:
    """Return (H, W) uint8 pixels as PNG bytes.

    `text`: chunks by Latin-1 keyword; `pixel_mm`: the side of a pixel, where it is known.
    """
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
    if not done:
        raise ValueError(f"pixels of shape {pixels.shape} and type {pixels.dtype} are no image")
    bodies = [  # iTXt, not compressed (PNG, section 11.3.3.4)
        b"iTXt" + key.encode("latin-1") + bytes(5) + value.encode()
        for key, value in (text or {}).items()
    ]
    if pixel_mm:  # pixels a metre (section 11.3.4.3)
        each = round(1000 / pixel_mm).to_bytes(4, "big")
        bodies.append(b"pHYs" + each + each + b"\1")
    chunks = [(len(b) - 4).to_bytes(4, "big") + b + crc32(b).to_bytes(4, "big") for b in bodies]
    whole = data.tobytes()
    return b"".join((whole[:PNG_HEADER], *chunks, whole[PNG_HEADER:]))


def require_pixels(sides: Iterable[int], name: str) -> None:
    """Raise `DataError` if an image's sides, as its header has them, make over `MAX_PIXELS`."""
    if prod(claimed := tuple(sides)) > MAX_PIXELS:
        rule = f"{name} must have at most {MAX_PIXELS:,} pixels"
        raise DataError(rule, " x ".join(map(str, claimed)), "make it smaller, or leave it out")


def decode_png(data: bytes, name: str = "image") -> NDArray[np.uint8]:
    """Return PNG bytes as (H, W) uint8.

    Raises `DataError` naming `name` if they are not whole, not grey, or of over `MAX_PIXELS`.
    OpenCV fills what is missing of a truncated file with zeros: the chunks are counted and their
    checksums taken first.
    """
    try:
        _check_chunks(data)
    except ValueError as error:
        raise DataError(f"{name} must be a whole PNG", error, "restore the file") from error
    if data[24:26] != _GREY_8_BIT:
        raise DataError(f"{name} must be an 8-bit grey PNG", data[24:26], "restore the file")
    require_pixels((int.from_bytes(data[k : k + 4], "big") for k in (16, 20)), name)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise DataError(f"{name} must be a whole PNG", f"{len(data)} bytes", "restore the file")
    return np.asarray(pixels, np.uint8)


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
