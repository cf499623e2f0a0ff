"""Form `voc`: per split a Pascal VOC dataset of its own.

`JPEGImages/` (PNG), `Annotations/` (class, box in pixels from 1 on), `SegmentationClass/` (levels
are classes, from 1 on, in VOC's colours), names in `ImageSets/`.
"""

from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from PIL import Image

from busgen.arrays import Pixels
from busgen.io import decode_png
from busgen.release.exports.samples import CLASSES, Row, write_samples
from busgen.release.signing import Signature

_COLOURS = (0, 0, 0, 128, 0, 0, 0, 128, 0)  # of background and classes
_SETS = ("ImageSets/Main", "ImageSets/Segmentation")


def write(folder: Path, out: Path, signature: Signature | None) -> None:
    """Write the release `folder` as VOC."""
    write_samples(
        folder,
        out,
        _save,
        ("JPEGImages", "Annotations", "SegmentationClass", *_SETS),
        signature=signature,
    )


def _save(row: Row, name: str, place: Path) -> tuple[str, str]:
    mask = decode_png(row["mask"]["bytes"], name)
    image, label = f"JPEGImages/{name}.png", f"SegmentationClass/{name}.png"
    (place / image).write_bytes(row["image"]["bytes"])
    number = CLASSES.index(row["pathology"]) + 1 if mask.any() else 0
    levels = Image.fromarray((mask > 0) * np.uint8(number))
    levels.putpalette(_COLOURS)
    levels.save(place / label)
    tree = ElementTree.ElementTree(_describe(mask, f"{name}.png", row["pathology"]))
    ElementTree.indent(tree)
    tree.write(place / "Annotations" / f"{name}.xml", "utf-8")
    for kind in _SETS:
        with (place / kind / f"{row['split']}.txt").open("a", encoding="utf-8") as names:
            names.write(f"{name}\n")
    return image, label


def _describe(mask: Pixels, file: str, pathology: str) -> ElementTree.Element:
    """Return a sample's annotation: the image's size, and the lesion's class and box."""
    size = {"width": mask.shape[1], "height": mask.shape[0], "depth": 1}
    record: Row = {"folder": "JPEGImages", "filename": file, "size": size, "segmented": 1}
    if mask.any():
        x, y, width, height = cv2.boundingRect(mask)
        box = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
        whole = {"pose": "Unspecified", "truncated": 0, "difficult": 0}
        record["object"] = {"name": pathology, **whole, "bndbox": box}
    return _to_element("annotation", record)


def _to_element(tag: str, value: object) -> ElementTree.Element:
    element = ElementTree.Element(tag)
    if isinstance(value, dict):
        element.extend(_to_element(*item) for item in value.items())
    else:
        element.text = str(value)
    return element
