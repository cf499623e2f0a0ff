"""Forms `yolo` and `yolo_boxes`: per split `images/` and `labels/`, and `data.yaml`.

A line of a label is a class and, as shares of the image's sides, the outline of a part of the
lesion (holes are filled), or the lesion's box: middle, width, height.
"""

from pathlib import Path

import cv2
import numpy as np
import yaml

from busgen.arrays import Pixels
from busgen.io import decode_png, write_text
from busgen.release.exports.samples import CLASSES, Row, write_samples
from busgen.release.signing import Signature

_MIDDLE = 0.49  # px from a pixel's corner to its middle; readers that round .5 up return to it, too


def write(folder: Path, out: Path, signature: Signature | None, *, boxes: bool = False) -> None:
    """Write the release `folder` with outlines, or with `boxes`."""
    images: dict[str, str] = {}

    def save(row: Row, name: str, place: Path) -> tuple[str, str]:
        images[row["split"]] = f"{row['split']}/images"
        (place / "images" / f"{name}.png").write_bytes(row["image"]["bytes"])
        mask = decode_png(row["mask"]["bytes"], name)
        found = _to_boxes(mask) if boxes else _to_outlines(mask)
        numbers = (" ".join(f"{number:.7f}" for number in one) for one in found)
        lines = [f"{CLASSES.index(row['pathology'])} {own}\n" for own in numbers]
        write_text(place / "labels" / f"{name}.txt", "".join(lines))
        return f"images/{name}.png", ""

    write_samples(folder, out, save, ("images", "labels"), signature=signature)
    first = next(iter(images.values()), None)  # Ultralytics needs train and val; test stays apart
    splits = {"train": images.get("train", first), "val": images.get("validation", first)}
    record = {**splits, "test": images.get("test"), "names": dict(enumerate(CLASSES))}
    write_text(out / "data.yaml", yaml.safe_dump(record, sort_keys=False))


def _to_outlines(mask: Pixels) -> list[list[float]]:
    """Return x, y, x, y, ... of the corners of each part of a mask (H, W), three at the least."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = [np.resize(one, (max(len(one), 3), 2)) for one in contours]
    return [((one + _MIDDLE) / mask.shape[::-1]).ravel().tolist() for one in corners]


def _to_boxes(mask: Pixels) -> list[list[float]]:
    """Return x and y of the middle, width and height of the lesion, if there is one."""
    x, y, width, height = cv2.boundingRect(mask)
    box = np.array([[x + width / 2, y + height / 2], [width, height]]) / mask.shape[::-1]
    return [box.ravel().tolist()] if width else []
