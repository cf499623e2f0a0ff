"""Images that none may be a copy of, and how alike a new one is to the most alike of them.

In: training images, or the file that `busgen calibrate` makes of them where the real data is;
earlier releases. Out: a similarity in [-1, 1] of one image. The file holds thumbnails of real
images and so never ships; without known images the gate is off. Windows of every known image
are compared, mirrored or not, so that crops are found too; gain, offset and gain over depth change
nothing.
"""

from collections.abc import Iterator, Sequence
from math import isqrt
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from busgen.arrays import Floats32, Pixels
from busgen.errors import DataError, UserError
from busgen.io import decode_png, replace_file, sha256_array
from busgen.similarity import registration
from busgen.similarity.registration import SIDE

KEPT, STEP = (1.0, 0.95, 0.9, 0.85, 0.8), 0.05  # sides of windows, and how far apart they are
GRID = 12  # px a side of what is compared
DIGITS = 4
AT_ONCE = 32  # images of a release in memory
REAL, RELEASE = "real", "release"  # what known images are
ASKED = 16  # images compared with all windows at once: these are read from memory once

Number = TypeVar("Number", bound=np.generic)


class KnownImages(NamedTuple):
    """Windows (M, GRID * GRID) of known images, unit vectors; `sha256` of their textures."""

    windows: Floats32
    sha256: str

    def similarities(self, images: Sequence[Pixels]) -> list[float]:
        """Return the largest correlation of each image or its mirror with a window.

        Of (S, S) uint8 images; an image's does not depend on the others: always `ASKED` are
        compared at once, some of them twice.
        """
        seen = np.array([describe(image) for image in images], np.float32)
        found: list[float] = []
        for start in range(0, len(seen), ASKED):
            part = seen[start : start + ASKED]
            few = np.resize(part, (ASKED, part.shape[1]))
            alike = self.windows @ np.concatenate([few, mirror(few)]).T
            most = alike.max(axis=0).reshape(2, ASKED).max(axis=0)
            found += most[: len(part)].astype(np.float64).round(DIGITS).tolist()
        return found


def describe(image: Pixels, kept: float = 1.0) -> Floats32:
    """Return what is compared of an (S, S) uint8 image, (GRID * GRID,) of length 1.

    Of its middle alone where less than the whole side is `kept`.
    """
    cut = round(SIDE * (1 - kept) / 2)
    return _describe(describe_texture(image)[cut : SIDE - cut, cut : SIDE - cut])


def mirror(rows: NDArray[Number]) -> NDArray[Number]:
    """Return squares of values (N, side * side) left for right."""
    side = isqrt(rows.shape[1])
    grid = rows.reshape(-1, side, side)[:, :, ::-1]
    return np.ascontiguousarray(grid).reshape(rows.shape)


def describe_texture(image: Pixels) -> Pixels:
    """Return what is compared of an image: local contrast (SIDE, SIDE) uint8 of a thumbnail."""
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return registration.describe_texture(np.ascontiguousarray(small).tobytes())


def make_known(textures: Pixels) -> KnownImages:
    """Return what images are compared with; textures (N, SIDE, SIDE) uint8, one or more.

    Raises `UserError` if there are none.
    """
    if len(textures) == 0:
        raise UserError("known images must be some", "none", "name real data with training rows")
    windows = [_describe(part) for one in textures for part in _crop(one)]
    return KnownImages(np.array(windows, np.float32), sha256_array(textures))


def save_known(textures: Pixels, path: Path) -> None:
    """Write the textures of known images, thumbnails that stay where the real data is."""
    with replace_file(path) as partial:
        save_file({"textures": textures}, partial)


def load_known(paths: Sequence[Path]) -> KnownImages:
    """Return the images of files that `save_known` wrote and of release folders, together.

    Some 32 kB an image stay in memory. Raises `DataError` if a path is neither.
    """
    return make_known(np.concatenate([_read(path) for path in paths]))


def _read(path: Path) -> Pixels:
    try:
        if not path.is_dir():
            return np.asarray(load_file(path)["textures"], np.uint8)
        files = sorted((path / "data").glob("*.parquet"))
        if not files:
            raise ValueError("a folder without data/*.parquet")
        textures = []
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(AT_ONCE, columns=["image"]):
                for row in batch.to_pylist():
                    image = decode_png(row["image"]["bytes"], file.name)
                    textures.append(describe_texture(image))
        return np.array(textures, np.uint8)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        rule = f"{path} must hold known images"
        remedy = "name a release, or write a file: busgen calibrate DATA --out DIR"
        raise DataError(rule, error, remedy) from error


def _crop(image: Pixels) -> Iterator[Pixels]:
    """Yield the square windows of a texture."""
    for kept in KEPT:
        side = round(SIDE * kept)
        count = round((1 - kept) / STEP) + 1
        starts = np.linspace(0, SIDE - side, count).round().astype(int)
        for row in starts:
            for col in starts:
                yield image[row : row + side, col : col + side]


def _describe(texture: Pixels) -> Floats32:
    """Return a texture, GRID px a side, as a vector of mean 0 and length 1; a blank one is 0."""
    grid = cv2.resize(texture, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    flat = grid.ravel() - grid.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1.0), np.float32)
