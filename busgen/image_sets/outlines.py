"""Outlines that are written as numbers: COCO's and YOLO's segmentations of a folder's images.

In: a folder, its images. Out: what draws the mask of each that has any, all classes together.
COCO: a JSON with `images` and `annotations`, of polygons or run lengths. YOLO: a text file for each
image, named as masks are; a line is a class and points as shares of the sides.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from busgen.arrays import Floats, Pixels
from busgen.errors import DataError
from busgen.imaging.pairs import join, list_files
from busgen.io import parse_json

Draw = Callable[[tuple[int, int]], Pixels]  # (H, W) of the image -> its mask (H, W) {0, 1}


def draw_outlines(path: Path, images: Sequence[Path]) -> dict[Path, Draw]:
    """Return what draws the masks of images; `DataError` if a file is damaged."""
    return _find_coco(path, images) or _find_yolo(path, images)


def _find_coco(path: Path, images: Sequence[Path]) -> dict[Path, Draw]:
    named: dict[str, Path] = {image.name: image for image in images}
    named |= {image.as_posix(): image for image in images}
    found: dict[Path, list[Any]] = defaultdict(list)
    for file in list_files(path, [".json"]):
        record = _read_json(path / file)
        if not isinstance(record, dict) or not {"images", "annotations"} <= {*record}:
            continue
        try:
            shown = {one["id"]: named.get(str(one["file_name"])) for one in record["images"]}
            for one in record["annotations"]:
                image = shown.get(one.get("image_id"))
                if image is not None and one.get("segmentation"):
                    found[image].append(one["segmentation"])
        except (AttributeError, LookupError, TypeError) as error:
            raise DataError(f"{file} must be COCO's JSON", repr(error), "mend it") from error
    return {image: _drawing(own, _add_coco) for image, own in found.items()}


def _find_yolo(path: Path, images: Sequence[Path]) -> dict[Path, Draw]:
    pairs, found = join(images, list_files(path, [".txt"])), {}
    for image, files in pairs.masks.items():
        texts = ((path / file).read_text("utf-8", "replace") for file in files)
        lines = [line.split() for text in texts for line in text.splitlines()]
        polygons = [line[1:] for line in lines if len(line) >= 7 and len(line) % 2]
        try:
            points = [np.array(one, np.float64).reshape(-1, 2) for one in polygons]
        except ValueError:
            continue  # another kind of text
        if points and all(((one >= 0) & (one <= 1)).all() for one in points):
            found[image] = _drawing(points, _add_yolo)
    return found


def _drawing(outlines: Sequence[Any], add: Callable[[Pixels, Any], None]) -> Draw:
    """Return what draws all outlines of an image."""

    def draw(shape: tuple[int, int]) -> Pixels:
        mask = np.zeros(shape, np.uint8)
        try:
            for outline in outlines:
                add(mask, outline)
        except (AttributeError, LookupError, TypeError, ValueError, cv2.error) as error:
            rule = "an outline must be points or run lengths"
            raise DataError(rule, repr(error)[:200], "mend its file") from error
        return mask

    return draw


def _add_coco(mask: Pixels, outline: Any) -> None:  # noqa: ANN401 - polygons or run lengths
    if isinstance(outline, list):
        points = [np.array(one, np.float64).reshape(-1, 2) for one in outline]
        cv2.fillPoly(mask, [np.rint(one).astype(np.int32) for one in points], 1)
        return
    counts = outline["counts"]
    lengths = _read_lengths(counts) if isinstance(counts, str) else counts
    if min(lengths, default=0) < 0 or sum(lengths) != mask.size:
        raise DataError("run lengths must cover their image", sum(lengths), f"need {mask.size}")
    runs = np.repeat(np.arange(len(lengths)) % 2, lengths)
    mask |= runs.reshape(mask.shape[::-1]).T.astype(np.uint8)


def _read_lengths(text: str) -> list[int]:
    """Return the run lengths that COCO's compressed text stands for.

    A number is six-bit characters from ``0`` on, five bits of it each, low ones first, the sixth
    bit where more follow; from the fourth on it is the difference to the length two before.
    """
    lengths: list[int] = []
    value = bits = 0
    for character in text:
        code = ord(character) - ord("0")
        value |= (code & 0x1F) << bits
        bits += 5
        if not code & 0x20:
            signed = value - (1 << bits) if code & 0x10 else value
            lengths.append(signed + lengths[-2] if len(lengths) > 2 else signed)
            value = bits = 0
    return lengths


def _add_yolo(mask: Pixels, points: Floats) -> None:
    corners = np.rint(points * mask.shape[::-1] - 0.5).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1)


def _read_json(path: Path) -> object:
    try:
        return parse_json(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} must be JSON", error, "restore the file") from error
