"""Reader of STU-Hospital (Zhuang 2019) in its publisher's layout.

In: the folder `Hospital` (or the one above it) with `Test_Image_N.png` and `mask_N.png`. Out: a
listing in the order of N. Most masks are larger than their images and anti-aliased: averaged down
to the image's size and cut at half. Neither labels nor patients are published.
"""

import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from busgen.arrays import Pixels
from busgen.errors import DataError
from busgen.imaging.decode import Entry, Listing, PublishedImage, load_image
from busgen.real.readers.files import find_files, find_folder, find_other, to_binary, to_levels

IMAGE = re.compile(r"Test_Image_(\d+)\Z")
MASK = re.compile(r"mask_(\d+)\Z")


def list_images(path: Path) -> Listing:
    """Return what stands in the STU-Hospital folder `path`; raises as `registry.list_images`."""
    root = find_folder(
        path,
        lambda p: any(IMAGE.match(file.stem) for file in find_files(p)),
        "an STU folder must hold Test_Image_N.png and mask_N.png",
        "give the folder Hospital or the one that holds it",
    )
    files = find_files(root)
    masks = {match[1]: file for file in files if (match := MASK.match(file.stem))}
    entries = [
        Entry(file.name, partial(_load, file, match[1], masks.pop(match[1], None)))
        for file in files
        if (match := IMAGE.match(file.stem))
    ]
    known = {entry.source_file for entry in entries} | {f.name for f in files if MASK.match(f.stem)}
    left_out = [(file.name, "a mask without its image") for file in masks.values()]
    left_out += [(f.name, "neither image nor mask") for f in files if f.name not in known]
    left_out += [(name, "no PNG") for name in find_other(root)]
    return Listing(entries, tuple(left_out))


def _load(image: Path, number: str, mask_file: Path | None) -> PublishedImage:
    pixels, notes = load_image(image)
    identity = f"stu-{int(number)}"
    stated = {"sample_id": identity, "patient_id": identity}
    if mask_file is None:
        return PublishedImage(pixels, None, stated, notes=notes)
    published = load_image(mask_file)[0]
    resized = published.shape[:2] != pixels.shape[:2]
    if resized:
        size = f"{published.shape[0]} x {published.shape[1]}"
        notes = (*notes, f"mask brought to the image's size from {size}")
    mask = _resize_mask(mask_file.name, published, pixels.shape)
    return PublishedImage(pixels, mask, stated, mask_file.name, ("mask_resized",) * resized, notes)


def _resize_mask(name: str, pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Return a published mask as (H, W) {0, 1} of `shape`, averaged over areas, cut at 127.

    Raises `DataError` if the mask is smaller than the image: its outline would be a guess.
    """
    height, width = shape[:2]
    if pixels.shape[0] < height or pixels.shape[1] < width:
        rule = f"{name} must be as large as its image {shape[:2]}"
        raise DataError(rule, pixels.shape[:2], "restore the files")
    small = cv2.resize(to_levels(pixels), (width, height), interpolation=cv2.INTER_AREA)
    return to_binary(np.asarray(small, np.uint8))
