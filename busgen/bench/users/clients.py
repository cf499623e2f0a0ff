"""Exports opened by the programs that they are for.

In: a release. Out: for each form whether its client opens it and finds every image with its mask.
"""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from busgen.arrays import Pixels
from busgen.release.exports.export import export
from busgen.release.read import read_mask, read_rows

Masks = dict[str, Pixels]  # {0, 1} by sample


def open_exports(release: Path, folder: Path) -> dict[str, str]:
    """Return for each form what went wrong, empty where its client opens it.

    A client that is not installed opens nothing.
    """
    truth: dict[str, Masks] = {}
    for table in read_rows(release, ("sample_id", "split")):
        for row in table.to_pylist():
            mask = read_mask(release, row["sample_id"]) // np.uint8(255)
            truth.setdefault(row["split"], {})[row["sample_id"]] = mask
    wrong = {}
    for form, check in CLIENTS.items():
        export(release, folder / form, form)
        try:
            with redirect_stdout(StringIO()):  # clients chat
                wrong[form] = "" if check(folder / form, truth) else "other masks"
        except Exception as error:  # of whatever the client says
            wrong[form] = repr(error)[:200]
    return wrong


def _same(found: dict[str, Any], masks: Masks) -> bool:
    """Whether exactly these samples were found, and their masks."""
    return found.keys() == masks.keys() and all(
        np.array_equal(np.asarray(found[name]) > 0, mask > 0) for name, mask in masks.items()
    )


def _open_imagefolder(folder: Path, truth: dict[str, Masks]) -> bool:
    load = import_module("datasets").load_dataset
    found = load("imagefolder", data_dir=folder, cache_dir=folder.with_name("cache"))
    return set(found) == set(truth) and all(
        _same({one["sample_id"]: one["mask"] for one in found[split]}, masks)
        for split, masks in truth.items()
    )


def _open_coco(folder: Path, truth: dict[str, Masks]) -> bool:
    coco = import_module("pycocotools.coco").COCO
    for split, masks in truth.items():
        found = coco(folder / "annotations" / f"instances_{split}.json")
        own = {
            Path(image["file_name"]).stem: sum(
                (found.annToMask(one) for one in found.imgToAnns[number]),
                np.zeros((image["height"], image["width"]), np.uint8),
            )
            for number, image in found.imgs.items()
        }
        if not _same(own, masks):
            return False
    return True


def _open_yolo(folder: Path, truth: dict[str, Masks], *, boxes: bool = False) -> bool:
    dataset = import_module("supervision").DetectionDataset
    for split, masks in truth.items():
        place = folder / split
        paths = (place / "images", place / "labels", folder / "data.yaml")
        if not _same_lesions(dataset.from_yolo(*map(str, paths)), masks, boxes=boxes):
            return False
    return True


def _open_voc(folder: Path, truth: dict[str, Masks]) -> bool:
    dataset = import_module("supervision").DetectionDataset
    for split, masks in truth.items():
        paths = (folder / split / "JPEGImages", folder / split / "Annotations")
        if not _same_lesions(dataset.from_pascal_voc(*map(str, paths)), masks, boxes=True):
            return False
    return True


def _same_lesions(found: Any, masks: Masks, *, boxes: bool) -> bool:  # noqa: ANN401 - its dataset
    """Whether a dataset of supervision's has the masks, or their boxes (within a pixel)."""
    seen = {}
    for path, image, lesions in found:
        name = Path(path).stem
        seen[name] = np.zeros(image.shape[:2], np.uint8)
        for box, mask, *_ in lesions:
            if not boxes:
                seen[name] |= mask.astype(np.uint8)
                continue
            y, x = np.nonzero(masks[name])
            ends = [x.min(), y.min(), x.max(), y.max()]
            seen[name] = masks[name] if np.abs(box - ends).max() <= 1 else seen[name]
    return _same(seen, masks)


def _open_nnunet(folder: Path, truth: dict[str, Masks]) -> bool:
    """By the rules of its names, labels and spacing: nnU-Net itself is not asked."""
    read = import_module("tifffile").imread
    (place,) = (path for path in folder.iterdir() if path.is_dir())
    record = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
    parts = {"train": "Tr", "test": "Ts"}
    for split, masks in truth.items():
        labels = sorted((place / f"labels{parts[split]}").glob("*.tif"))
        if not _same({path.stem: read(path)[0] for path in labels}, masks):
            return False
        for name in masks:
            image = place / f"images{parts[split]}" / f"{name}_0000.tif"
            spacing = json.loads(image.with_name(f"{name}.json").read_text(encoding="utf-8"))
            if not image.is_file() or len(spacing["spacing"]) != 3:
                return False
    return bool(record["numTraining"] == len(truth["train"]))


def _open_monai(folder: Path, truth: dict[str, Masks]) -> bool:
    data, transforms = import_module("monai.data"), import_module("monai.transforms")
    load = transforms.LoadImaged(
        keys=("image", "label"), reverse_indexing=False, reader="PILReader"
    )
    for key, split in (("training", "train"), ("test", "test")):
        found = data.load_decathlon_datalist(folder / "datalist.json", data_list_key=key)
        own = {Path(one["image"]).stem: load(one)["label"].numpy() for one in found}
        if not _same(own, truth[split]):
            return False
    return True


def _open_webdataset(folder: Path, truth: dict[str, Masks]) -> bool:
    dataset = import_module("webdataset").WebDataset
    for split, masks in truth.items():
        found = dataset(f"file:{folder}/{split}-000000.tar", shardshuffle=False).decode("l8")
        own = {one["json"]["sample_id"]: one["mask.png"] for one in found}
        if not _same(own, masks):
            return False
    return True


CLIENTS: dict[str, Callable[[Path, dict[str, Masks]], bool]] = {
    "folder": _open_imagefolder,
    "coco": _open_coco,
    "yolo": _open_yolo,
    "yolo_boxes": lambda folder, truth: _open_yolo(folder, truth, boxes=True),
    "voc": _open_voc,
    "nnunet": _open_nnunet,
    "monai": _open_monai,
    "webdataset": _open_webdataset,
}
