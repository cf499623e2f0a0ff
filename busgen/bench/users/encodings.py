"""Images and masks of nobody, saved in the modes and endings that people use.

In: the number of a pair. Out: grey pixels and a mask; bytes of files that hold them.
"""

from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from busgen import seeds
from busgen.arrays import Pixels

N, SHAPE = 4, (96, 128)  # pairs of a case; rows and columns: not square, so that turns are seen
HALVES = (1 + (np.arange(SHAPE[1]) > 72)).astype(np.uint8)  # labels 1 and 2, by column
Encode = Callable[[Pixels], bytes]


def make_pair(k: int) -> tuple[Pixels, Pixels]:
    """Return speckle (H, W) uint8 and the mask {0, 1} of a lesion that has no symmetry."""
    rng = seeds.rng(k, "bench/users")
    noise = cv2.GaussianBlur(rng.normal(size=SHAPE), (0, 0), 2.5)
    slope = np.linspace(-25, 25, SHAPE[0])[:, None] + np.linspace(-15, 15, SHAPE[1])[None]
    image = np.clip(110 + slope + 25 * noise / noise.std(), 12, 243).astype(np.uint8)
    mask = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(mask, (40 + 6 * k, 36 + 4 * k), (22, 12), 25, 0, 360, 1, -1)
    mask[60:72, 80:104] = 1
    return image, mask


def save(pixels: object, kind: str = "PNG", **how: object) -> bytes:
    """Return the bytes of an image file that Pillow writes of an array or an image."""
    data = BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(data, kind, **how)
    return data.getvalue()


def _convert(mode: str, kind: str = "PNG", **how: object) -> Encode:
    """Return what saves grey levels in a mode of Pillow's."""
    return lambda levels: save(Image.fromarray(levels).convert(mode), kind, **how)


def _turned(levels: Pixels) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 8  # a quarter to the right
    return save(np.rot90(levels, -1), exif=exif)


def _deep(factor: int) -> Encode:
    return lambda levels: save(levels.astype(np.uint16) * factor)


IMAGES: dict[str, tuple[str, Encode]] = {  # what it is: ending, how it is saved
    "RGB": ("png", _convert("RGB")),
    "RGBA": ("png", _convert("RGBA")),
    "grey with alpha": ("png", _convert("LA")),
    "palette": ("png", _convert("P")),
    "8 bits in 16": ("png", _deep(1)),
    "12 bits in 16": ("png", _deep(16)),
    "16 bits": ("png", _deep(257)),
    "32 bits": ("tif", lambda x: save(x.astype(np.int32) * 2**23, "TIFF")),
    "fractions": ("tiff", lambda x: save(x.astype(np.float32) / 255, "TIFF")),
    "floats": ("tif", lambda x: save(x.astype(np.float32), "TIFF")),
    "CMYK": ("tif", _convert("CMYK", "TIFF")),
    "JPEG": ("jpg", lambda x: save(x, "JPEG", quality=95)),
    "JPEG of colours": ("jpeg", _convert("RGB", "JPEG", quality=95)),
    "GIF": ("gif", lambda x: save(x, "GIF")),
    "WebP": ("webp", _convert("RGB", "WEBP", lossless=True)),
    "BMP": ("bmp", lambda x: save(x, "BMP")),
    "turned by EXIF": ("png", _turned),
}
MASKS: dict[str, tuple[str, Encode]] = {  # of masks {0, 1}
    "0 and 1": ("png", save),
    "bits": ("png", lambda x: save(Image.fromarray(x * 255).convert("1"))),
    "16 bits": ("png", lambda x: save(x.astype(np.uint16) * 65535)),
    "RGB": ("png", lambda x: save(np.repeat(x[..., None] * 255, 3, 2))),
    "one colour": ("png", lambda x: save(np.dstack([x * 200, x * 0, x * 0]))),
    "palette": ("png", lambda x: save(_with_palette(x))),
    "in the alpha channel": ("png", lambda x: save(np.dstack([x * 0 + 255] * 3 + [x * 255]))),
    "labels of instances": (
        "png",
        lambda x: save(x * HALVES),
    ),
    "soft edges": ("png", lambda x: save(cv2.GaussianBlur(x * 255, (3, 3), 0))),
    "JPEG": ("jpg", lambda x: save(x * 255, "JPEG", quality=90)),
    "GIF": ("gif", lambda x: save(x * 255, "GIF")),
    "BMP": ("bmp", lambda x: save(x * 255, "BMP")),
    "TIFF": ("tif", lambda x: save(x.astype(np.float32), "TIFF")),
    "WebP": ("webp", lambda x: save(np.repeat(x[..., None] * 255, 3, 2), "WEBP", lossless=True)),
    "turned by EXIF": ("png", lambda x: _turned(x * 255)),
}


def _with_palette(mask: Pixels) -> Image.Image:
    image = Image.fromarray(mask, "L").convert("P")
    image.putdata(mask.ravel().tolist())
    image.putpalette([0, 0, 0, 128, 0, 0, *[9] * 762])
    return image
