"""Exports, opened by the programs that they are for."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import tiny_candidates as tiny
from PIL import Image

from busgen import schema
from busgen.image_sets.folder import open_set
from busgen.image_sets.source import Reading
from busgen.release.exports.export import FORMS, export
from busgen.release.read import read_image, read_mask, read_rows
from busgen.release.write import write_release

IMAGES = [form for form in FORMS if form not in ("dicom", "webdataset")]


@pytest.fixture(scope="module")
def rows(release):
    """Return what clients may know of each sample, by split and id."""
    found = {"train": {}, "validation": {}, "test": {}}
    for table in read_rows(release, ("split", "sample_id", "pathology", "pixel_mm", "text")):
        for row in table.to_pylist():
            name = row["sample_id"]
            mask = read_mask(release, name) // 255
            found[row["split"]][name] = row | {"image": read_image(release, name), "mask": mask}
    return found


@pytest.fixture(scope="module")
def exports(release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports é")
    for form in FORMS:
        export(release, folder / form, form)
    return folder


@pytest.mark.parametrize("form", IMAGES)
@pytest.mark.parametrize("splits", [{"validation": 1.0}, {"train": 0.1, "test": 0.9}])
def test_imagefolder_and_busgen_open_all_images_whatever_the_splits(
    candidates, form, splits, tmp_path
):
    import datasets

    release, out = tmp_path / "release", tmp_path / "Dataset002_é"
    write_release(candidates, release, tiny.PARAMS.model_copy(update={"splits": splits}))
    export(release, out, form)
    found = datasets.load_dataset("imagefolder", data_dir=out, cache_dir=tmp_path / "cache")
    assert set(found) == ({"train"} if form == "nnunet" else set(splits))
    source = open_set(out, Reading())
    read = zip(source.rows, source.load(range(len(source))), strict=True)
    ours = {row["sample_id"]: pair for row, pair in read}
    theirs = {one["sample_id"]: one for part in found.values() for one in part}
    assert len(ours) == len(theirs) == tiny.N - 1
    for name, (image, mask) in ours.items():
        assert (image == read_image(release, name)).all()
        assert (np.asarray(theirs[name]["image"]) == image).all()
        assert form == "yolo_boxes" or (mask == read_mask(release, name) // 255).all()
        assert (
            theirs[name]["mask"] is None or ((np.asarray(theirs[name]["mask"]) > 0) == mask).all()
        )


def test_coco(rows, exports):
    from pycocotools import mask as runs
    from pycocotools.coco import COCO

    images, lesions = [], []
    for split in ("train", "test"):
        found = COCO(exports / "coco" / "annotations" / f"instances_{split}.json")
        for number, image in found.imgs.items():
            row = rows[split][Path(image["file_name"]).stem]
            assert (image["height"], image["width"]) == row["mask"].shape
            outlined = row["pathology"] != "normal"
            assert len(found.imgToAnns[number]) == outlined
            for one in found.imgToAnns[number]:
                assert (found.annToMask(one) == row["mask"]).all()
                assert found.cats[one["category_id"]]["name"] == row["pathology"]
                assert one["area"] == row["mask"].sum()
                assert one["bbox"] == runs.toBbox(found.annToRLE(one)).tolist()
        images += found.imgs
        lesions += found.anns
    assert (images, lesions) == ([*range(1, 30)], [*range(1, 29)])  # unique over splits


@pytest.mark.parametrize("form", ["yolo", "yolo_boxes", "voc"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_supervision_opens_outlines_and_boxes(rows, exports, form, split):
    import supervision

    place = exports / form / split
    if form == "voc":
        paths = (place / "JPEGImages", place / "Annotations")
        found = supervision.DetectionDataset.from_pascal_voc(*map(str, paths))
        listed = (place / f"ImageSets/Main/{split}.txt").read_text("utf-8").splitlines()
        assert listed == [*rows[split]]
    else:
        paths = (place / "images", place / "labels", exports / form / "data.yaml")
        found = supervision.DetectionDataset.from_yolo(*map(str, paths))
    assert len(found) == len(rows[split])
    for path, _, lesions in found:
        row = rows[split][Path(path).stem]
        assert len(lesions) == row["mask"].any()
        for box, mask, _, number, *_ in lesions:
            y, x = np.nonzero(row["mask"])
            assert found.classes[number] == row["pathology"]
            if form == "yolo":
                assert (mask == row["mask"]).all()
            else:
                assert box == pytest.approx([x.min(), y.min(), x.max() + 1, y.max() + 1], abs=1e-4)
    if form == "voc":
        for name, row in rows[split].items():
            levels = Image.open(place / "SegmentationClass" / f"{name}.png")
            assert levels.getpalette()[:6] == [0, 0, 0, 128, 0, 0]
            number = {"benign": 1, "malignant": 2, "normal": 0}[row["pathology"]]
            assert (np.asarray(levels) == row["mask"] * number).all()


def test_nnunet(rows, exports):
    """By its rules: `nnunetv2` needs torchvision, which has no build for torch without a GPU."""
    folder = exports / "nnunet" / "Dataset001_busgen"
    record = json.loads((folder / "dataset.json").read_text("utf-8"))
    assert record["labels"] == {"background": 0, "lesion": 1}
    assert record["numTraining"] == len(rows["train"]) == len([*folder.glob("labelsTr/*.tif")])
    for split, part in (("train", "Tr"), ("test", "Ts")):
        for name, row in rows[split].items():
            image = tifffile.imread(folder / f"images{part}" / f"{name}_0000.tif")
            label = tifffile.imread(folder / f"labels{part}" / f"{name}.tif")
            assert (image == row["image"][None]).all()
            assert (label == row["mask"][None]).all()
            for kind in ("images", "labels"):
                spacing = json.loads((folder / f"{kind}{part}" / f"{name}.json").read_text("utf-8"))
                assert spacing == {"spacing": [999, row["pixel_mm"], row["pixel_mm"]]}


def test_nnunets_own_check_where_it_is_installed(exports):
    check = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity")
    check.verify_dataset_integrity(str(exports / "nnunet" / "Dataset001_busgen"), 1)


def test_monai(rows, exports):
    from monai.data import load_decathlon_datalist
    from monai.transforms import AsDiscreted, Compose, LoadImaged

    both = {"keys": ("image", "label"), "reverse_indexing": False, "reader": "PILReader"}
    load = Compose([LoadImaged(**both), AsDiscreted(keys="label", threshold=1)])
    for key, split in (("training", "train"), ("validation", "validation"), ("test", "test")):
        found = load_decathlon_datalist(exports / "monai" / "datalist.json", data_list_key=key)
        for one, row in zip(map(load, found), rows[split].values(), strict=True):
            assert one["pathology"] == row["pathology"]
            assert (one["image"].numpy() == row["image"]).all()
            assert (one["label"].numpy() == row["mask"]).all()


def test_webdataset(rows, exports, tmp_path):
    import datasets
    import webdataset

    folder = exports / "webdataset"
    data = datasets.load_dataset("webdataset", data_dir=folder, cache_dir=tmp_path)
    for split, part in data.items():
        assert [one["json"]["sample_id"] for one in part] == [*rows[split]]
        path = f"file:{folder}/{split}-000000.tar"
        found = webdataset.WebDataset(path, shardshuffle=False).decode("l8")
        for one, row in zip(found, rows[split].values(), strict=True):
            assert (one["png"] == row["image"]).all()
            assert (one["mask.png"] // 255 == row["mask"]).all()
            assert schema.PATHOLOGIES[one["cls"]] == row["pathology"]
            assert (one["txt"], float(one["json"]["pixel_mm"])) == (row["text"], row["pixel_mm"])
