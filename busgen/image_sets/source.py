"""A set of images, wherever it lies: what is known of each, and its pixels when they are asked.

In: a reader's rows and its way to load images. Out: square grey images with masks, some dozens
in memory at a time. Squares are cut or padded as `busgen.imaging.square` does, never stretched;
overlays are found and painted out in every set alike.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from busgen.arrays import Floats, Names, Pixels
from busgen.compute.cores import on_all_cores
from busgen.errors import DataError, UserError
from busgen.imaging.decode import count_frames, decode_image, decode_mask, to_grey
from busgen.imaging.overlays.find import find_overlays, remove_overlays
from busgen.imaging.square import resize, square_crop

AT_ONCE = 32  # images in memory
SPLITS = {
    **{"train": "train", "training": "train", "test": "test", "testing": "test"},
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
}

Row = dict[str, Any]  # what is known of an image, without its pixels
Image = tuple[Pixels, Pixels]  # (H, W) grey and mask of one size, the mask all 0 without a lesion


@dataclass(frozen=True)
class Reading:
    """How a set is read where its names do not say.

    `image`, `mask` columns of a table; `images`, `masks` patterns of files in a folder, as
    `Path.glob` has them; `label` the level of masks that counts, else each but 0; `allow_unread`
    whether files may be left out; `frames` whether each frame of a file is an image, else the
    first.
    """

    image: str | None = None
    mask: str | None = None
    images: str | None = None
    masks: str | None = None
    label: int | None = None
    allow_unread: bool = False
    frames: bool = False


@dataclass(frozen=True)
class Found:
    """What lies in a folder: images, masks, images that have a mask; names of what is left out.

    `alone` masks of no image, or of several; `unread` files that are images but are not read.
    """

    images: int
    masks: int
    paired: int
    alone: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it as a sentence."""
        text = f"{self.images} images, {self.paired} of them with a mask ({self.masks} masks)"
        for names, what in ((self.alone, "masks of no image"), (self.unread, "files not read")):
            text += f"; {len(names)} {what}, e.g. {names[0]}" if names else ""
        return text


@dataclass(frozen=True)
class Source:
    """A set: `form` says how it lies there, `rows` what is known of each image.

    `load` gives the images of some of `rows`, whose numbers increase; `group` names the column
    of what images stem from (patient, family), None where each stands alone; `images` are the
    columns of a table that hold images and masks; `found` what lay in a folder.
    """

    path: Path
    form: str
    rows: Sequence[Row]
    load: Callable[[Sequence[int]], Iterator[Image]]
    group: str | None = None
    images: tuple[str, ...] = ()
    found: Found | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, column: str) -> Names:
        """Return a column (N,) as text, empty where an image has no value."""
        found = [row.get(column) for row in self.rows]
        return np.array(["" if value is None else str(value) for value in found], np.str_)

    def has(self, column: str) -> bool:
        """Return whether any image has a value in the column."""
        return any(row.get(column) not in (None, "") for row in self.rows)

    @property
    def columns(self) -> set[str]:
        """Names of what is known of images."""
        return {key for row in self.rows for key in row}

    def groups(self, column: str | None = None) -> Names:
        """Return what each image stems from (N,): `column`, else `group`, else itself."""
        name = column if column is not None and self.has(column) else self.group
        alone = np.array([f"{self.path} {k}" for k in range(len(self))], np.str_)
        known = alone if name is None else self.values(name)
        return np.where(known == "", alone, known)

    def select(self, splits: Sequence[str]) -> "Source":
        """Return the images of some splits.

        Raises `UserError` if the set has no splits or none of these.
        """
        request = {SPLITS.get(split, split) for split in splits}
        own = self.values("split")
        kept = [k for k, split in enumerate(own) if SPLITS.get(str(split), str(split)) in request]
        if not kept:
            known = ", ".join(sorted({str(split) for split in own} - {""})) or "no splits"
            rule = f"{self.path} must hold images of the splits {', '.join(sorted(request))}"
            raise UserError(rule, known, "name one that it has")
        return self.pick(kept)

    def pick(self, kept: Sequence[int]) -> "Source":
        """Return some images, by their numbers in increasing order."""
        rows = [self.rows[k] for k in kept]
        return replace(self, rows=rows, load=lambda few: self.load([kept[k] for k in few]))


class Squares(NamedTuple):
    """Some images: `images`, `masks` {0, 1} (n, S, S) uint8, `sides_px` (n,) before resizing."""

    images: Pixels
    masks: Pixels
    sides_px: Floats


def read_squares(source: Source, chosen: Sequence[int], size_px: int) -> Iterator[Squares]:
    """Yield chosen images of a source, some dozens at a time."""
    pictures = source.load(chosen)
    while part := list(islice(pictures, AT_ONCE)):
        images, masks, sides = zip(*(crop(*one, size_px) for one in part), strict=True)
        yield Squares(np.stack(images), np.stack(masks), np.array(sides, np.float64))


def crop(image: Pixels, mask: Pixels, size_px: int) -> tuple[Pixels, Pixels, float]:
    """Return image and mask {0, 1} as squares, and how many published pixels their side was.

    What is square already is only resized.
    """
    if image.shape[0] == image.shape[1]:
        inside = (mask > 0).astype(np.uint8) * np.uint8(255)
        small = (resize(inside, size_px) > 127).astype(np.uint8)
        return resize(image, size_px), small, float(len(image))
    cut = square_crop(image, mask, size_px)
    return cut.image, cut.mask, cut.scale * size_px


class File(NamedTuple):
    """An image's `name` and bytes, those of its masks, which frame is meant; None: the first."""

    name: str
    data: bytes
    masks: Sequence[bytes]
    frame: int | None = None


def open_images(files: Sequence[File], label: int | None = None) -> Iterator[Image]:
    """Yield images, several decoded at once; a mask's frame is the image's.

    Of masks the level `label` counts, else each but 0. Raises `DataError` if one is no whole image,
    or a mask has another size than its image, or other frames.
    """
    with on_all_cores() as pool:
        yield from pool.map(partial(_open, label), files)


def _open(label: int | None, file: File) -> Image:
    name, frame = file.name, file.frame
    image = to_grey(decode_image(file.data, name, frame)[0])
    clean = remove_overlays(image, find_overlays(image))
    whole = np.zeros_like(image)
    for one in file.masks:
        if frame is not None:
            _require_frames(file, one)
        mask = decode_mask(one, f"mask of {name}", label, frame)
        if mask.shape != image.shape:
            rule = f"the mask of {name} must have its image's size {image.shape}"
            raise DataError(rule, mask.shape, "give the masks of these images")
        whole |= mask
    return clean, whole


def _require_frames(file: File, mask: bytes) -> None:
    """Raise `DataError` unless a mask has as many frames as its image."""
    wanted, got = count_frames(file.data, file.name), count_frames(mask, f"mask of {file.name}")
    if wanted != got:
        rule = f"the mask of {file.name} must have its image's {wanted} frames"
        raise DataError(rule, got, "give a mask of each frame, or leave out --frames")
