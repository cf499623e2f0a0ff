"""Form `coco`: `images/<split>/`, `annotations/instances_<split>.json`, masks as run lengths."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from busgen import NOT_FOR_CLINICAL_USE
from busgen.arrays import Pixels
from busgen.io import decode_png
from busgen.release.description.card import LICENCE_URL
from busgen.release.exports.samples import CLASSES, Row, write_samples
from busgen.release.read import read_rows
from busgen.release.signing import Signature


def write(folder: Path, out: Path, signature: Signature | None) -> None:
    """Write the release `folder` as COCO; ids are unique over splits."""
    names: dict[str, list[str]] = {}

    def save(row: Row, name: str, place: Path) -> tuple[str, str]:
        names.setdefault(row["split"], []).append(f"{name}.png")
        (place / f"{name}.png").write_bytes(row["image"]["bytes"])
        return f"{name}.png", ""

    write_samples(folder, out, save, place="images/{split}", signature=signature)
    (out / "annotations").mkdir()
    head = {
        "info": {"description": f"busgen. {NOT_FOR_CLINICAL_USE}"},
        "licenses": [{"id": 1, "name": "CC BY 4.0", "url": LICENCE_URL}],
        "categories": [
            {"id": number, "name": name, "supercategory": "lesion"}
            for number, name in enumerate(CLASSES, start=1)
        ],
    }
    written = {"images": 0, "annotations": 0}
    for split, files in names.items():
        first = written["images"] + 1
        path = out / "annotations" / f"instances_{split}.json"
        with path.open("w", encoding="utf-8") as file:  # piece by piece: bounded memory
            file.write(json.dumps(head)[:-1])
            for key, records in (
                ("images", _images(folder, split, files)),
                ("annotations", _annotations(folder, split, first)),
            ):
                file.write(f',\n"{key}": [')
                for i, record in enumerate(records):
                    written[key] += 1
                    own = {"id": written[key]} | record
                    file.write((",\n" if i else "\n") + json.dumps(own, ensure_ascii=False))
                file.write("]")
            file.write("}\n")


def _masks(folder: Path, split: str) -> Iterator[tuple[str, Pixels]]:
    """Yield pathology and mask of a split's samples."""
    for table in read_rows(folder, ("pathology", "mask"), split):
        for row in table.to_pylist():
            yield row["pathology"], decode_png(row["mask"]["bytes"])


def _images(folder: Path, split: str, files: Iterable[str]) -> Iterator[Row]:
    for file, (_, mask) in zip(files, _masks(folder, split), strict=True):
        yield {"file_name": file, "height": len(mask), "width": mask.shape[1], "license": 1}


def _annotations(folder: Path, split: str, first: int) -> Iterator[Row]:
    """Yield one annotation a lesion; `first` is the number of the split's first image."""
    for number, (pathology, mask) in enumerate(_masks(folder, split), start=first):
        if mask.any():
            yield {
                "image_id": number,
                "category_id": CLASSES.index(pathology) + 1,
                "segmentation": {"counts": _run_lengths(mask), "size": list(mask.shape)},
                "area": int(np.count_nonzero(mask)),
                "bbox": list(cv2.boundingRect(mask)),
                "iscrowd": 0,
            }


def _run_lengths(mask: Pixels) -> list[int]:
    """Return a mask's run lengths as COCO counts them: down the columns, background first."""
    flat = (mask > 0).ravel(order="F")
    starts = np.flatnonzero(np.diff(flat)) + 1
    lengths: list[int] = np.diff(np.concatenate([[0], starts, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths
