"""A release in the forms that segmentation and detection tools open.

In: a release folder. Out: a folder, whole or not at all:

- ``folder``: per split `images/`, `masks/` and `metadata.parquet`; `samples.csv` of all;
- ``coco``: `images/<split>/`, `annotations/instances_<split>.json`, masks as run lengths;
- ``nnunet``: the raw layout of nnU-Net version 2;
- ``dicom``: the same with `images/` and `segmentations/`.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE, schema
from busgen.arrays import Pixels
from busgen.errors import UserError
from busgen.extras import require_extra
from busgen.folders import write_folder
from busgen.io import decode_png, encode_png, write_text
from busgen.release import dicom
from busgen.release.description.card import LICENCE_URL
from busgen.release.files import LICENCE, find_files, require_release, split_name
from busgen.release.read import read_rows
from busgen.release.signing import Signature

Row = dict[str, Any]
Save = Callable[[Row, str, Path], tuple[str, str]]  # row, name, folder -> names of its files
EXPORT, METADATA = "export", "metadata.parquet"
_THIN = tuple(column.name for column in schema.columns("index"))
_CATEGORIES = {"benign": 1, "malignant": 2}


def export(
    folder: Path, out: Path, form: str = "folder", signature: Signature | None = None
) -> None:
    """Write the release `folder` to `out` in another form.

    `folder`: the release; `out`: a folder that is new or empty, or holds nothing but an unchanged
    export; `form`: ``"folder"``, ``"coco"``, ``"nnunet"`` or ``"dicom"``; `signature`: signs
    the images, which are PNG in all but the last.
    """
    if form not in FORMS:
        raise UserError("form must be known", repr(form), f"choose from {', '.join(FORMS)}")
    if signature and form == "dicom":
        raise UserError("only PNG images are signed", form, "choose another form, or do not sign")
    require_release(folder)
    with write_folder(out, EXPORT) as partial:
        FORMS[form](folder, partial, signature)
        write_text(partial / LICENCE, (folder / LICENCE).read_text(encoding="utf-8"))


def _rows(folder: Path, split: str, columns: tuple[str, ...]) -> Iterator[Row]:
    for table in read_rows(folder, columns, split):
        yield from table.to_pylist()


def _splits(folder: Path) -> list[str]:
    return list(dict.fromkeys(split_name(path) for path in find_files(folder)))


def _name(sample_id: str) -> str:
    """Return a sample's id as a file name without folder."""
    return re.sub(r"[/\\:\0]", "_", sample_id)


def _write_image(path: Path, row: Row, signature: Signature | None) -> None:
    png = row["image"]["bytes"]
    path.write_bytes(signature.sign(png, row["sample_id"], row["engine"]) if signature else png)


def _to_folder(folder: Path, out: Path, signature: Signature | None) -> None:
    def save(row: Row, name: str, place: Path) -> tuple[str, str]:
        image, mask = f"images/{name}.png", f"masks/{name}.png"
        _write_image(place / image, row, signature)
        (place / mask).write_bytes(row["mask"]["bytes"])
        return image, mask

    _write_splits(folder, out, ("images", "masks"), save)


def _to_dicom(folder: Path, out: Path, _: Signature | None) -> None:
    """Write one image and, of a lesion, one segmentation a sample."""
    require_extra("dicom", "writing DICOM")
    _write_splits(folder, out, ("images", "segmentations"), dicom.save)


def _write_splits(folder: Path, out: Path, kinds: tuple[str, str], save: Save) -> None:
    """Let `save` write each sample to the folder of its split; list them in two ways.

    `metadata.parquet` of a split has the columns' types, so that all splits have the same;
    `samples.csv` has all splits, for people and spreadsheets.
    """
    with (out / "samples.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "mask_file_name", *_THIN])
        for split in _splits(folder):
            for kind in kinds:
                (out / split / kind).mkdir(parents=True)
            with ExitStack() as stack:
                parts: pq.ParquetWriter | None = None
                for table in read_rows(folder, (*_THIN, "image", "mask"), split):
                    rows = table.to_pylist()
                    names = [save(row, _name(row["sample_id"]), out / split) for row in rows]
                    part = _list_samples(table, names)
                    if parts is None:
                        path = out / split / METADATA
                        parts = stack.enter_context(pq.ParquetWriter(path, part.schema))
                    parts.write_table(part)
                    for row, own in zip(rows, names, strict=True):
                        places = (f"{split}/{name}" if name else "" for name in own)
                        cells = (row[column] for column in _THIN)
                        words = ("|".join(map(str, c)) if isinstance(c, list) else c for c in cells)
                        writer.writerow([*places, *words])


def _list_samples(table: pa.Table, names: Sequence[tuple[str, str]]) -> pa.Table:
    """Return the index's columns of rows, the names of their files before them."""
    images, masks = zip(*((image, mask or None) for image, mask in names), strict=True)
    thin = table.select(_THIN).replace_schema_metadata(None)
    both = (("mask_file_name", masks), ("file_name", images))
    for name, column in both:
        thin = thin.add_column(0, name, pa.array(column, pa.string()))
    return thin


def _to_coco(folder: Path, out: Path, signature: Signature | None) -> None:
    (out / "annotations").mkdir()
    head = {
        "info": {"description": f"busgen. {NOT_FOR_CLINICAL_USE}"},
        "licenses": [{"id": 1, "name": "CC BY 4.0", "url": LICENCE_URL}],
        "categories": [
            {"id": number, "name": name, "supercategory": "lesion"}
            for name, number in _CATEGORIES.items()
        ],
    }
    written = {"images": 0, "annotations": 0}  # ids are unique over splits
    for split in _splits(folder):
        first = written["images"]
        (out / "images" / split).mkdir(parents=True)
        path = out / "annotations" / f"instances_{split}.json"
        with path.open("w", encoding="utf-8") as file:  # piece by piece: bounded memory
            file.write(json.dumps(head)[:-1])
            for key, records in (
                ("images", _coco_images(folder, split, out, signature)),
                ("annotations", _coco_annotations(folder, split, first)),
            ):
                file.write(f',\n"{key}": [')
                for i, record in enumerate(records):
                    written[key] += 1
                    own = {"id": written[key]} | record
                    file.write((",\n" if i else "\n") + json.dumps(own, ensure_ascii=False))
                file.write("]")
            file.write("}\n")


def _coco_images(folder: Path, split: str, out: Path, signature: Signature | None) -> Iterator[Row]:
    """Write the images of a split and yield their records."""
    for row in _rows(folder, split, ("sample_id", "engine", "image")):
        name = f"{_name(row['sample_id'])}.png"
        _write_image(out / "images" / split / name, row, signature)
        height, width = decode_png(row["image"]["bytes"], name).shape
        yield {"file_name": name, "height": height, "width": width, "license": 1}


def _coco_annotations(folder: Path, split: str, first: int) -> Iterator[Row]:
    """Yield one annotation a lesion; the split's images are numbered from `first` + 1 on."""
    rows = _rows(folder, split, ("sample_id", "pathology", "mask"))
    for number, row in enumerate(rows, start=first + 1):
        mask = decode_png(row["mask"]["bytes"], row["sample_id"])
        if mask.any():
            yield {
                "image_id": number,
                "category_id": _CATEGORIES[row["pathology"]],
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


def _to_nnunet(folder: Path, out: Path, signature: Signature | None) -> None:
    """Write train and validation as Tr, test as Ts; the split of Tr in `splits_final.json`."""
    names: dict[str, list[str]] = {split: [] for split in _splits(folder)}
    for split in names:
        part = "Ts" if split == "test" else "Tr"
        for place in (f"images{part}", f"labels{part}"):
            (out / place).mkdir(exist_ok=True)
        for row in _rows(folder, split, ("sample_id", "engine", "image", "mask")):
            name = _name(row["sample_id"])
            names[split].append(name)
            label = np.minimum(decode_png(row["mask"]["bytes"], name), 1)
            _write_image(out / f"images{part}" / f"{name}_0000.png", row, signature)
            (out / f"labels{part}" / f"{name}.png").write_bytes(encode_png(label))
    train, validation = names.get("train", []), names.get("validation", [])
    if validation:
        write_text(out / "splits_final.json", _to_record([{"train": train, "val": validation}]))
    record = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(train) + len(validation),
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
        "description": NOT_FOR_CLINICAL_USE,
        "licence": "CC BY 4.0",
    }
    write_text(out / "dataset.json", _to_record(record))


def _to_record(record: object) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


FORMS = {"folder": _to_folder, "coco": _to_coco, "nnunet": _to_nnunet, "dicom": _to_dicom}
