"""Exports, opened by the rules of their formats."""

import csv
import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from busgen.errors import DataError, UserError
from busgen.release.export import _run_lengths, export
from busgen.release.read import read_image, read_mask, read_rows
from busgen.release.verify import verify


def _ids(release, split):
    return [i for t in read_rows(release, ["sample_id"], split) for i in t["sample_id"].to_pylist()]


def _decode(counts, size):
    """Decode COCO's uncompressed run lengths, independent of `_run_lengths`."""
    flat = np.repeat(np.arange(len(counts)) % 2, counts)
    return flat.reshape(size[::-1]).T


def _grey(path):
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)


def test_folder(release, tmp_path):
    out = tmp_path / "a folder é"
    export(release, out, "folder")
    for split in ("train", "test"):
        rows = pq.read_table(out / split / "metadata.parquet").to_pylist()
        assert [row["sample_id"] for row in rows] == _ids(release, split)
        for row in rows:
            name = row["sample_id"]
            assert (_grey(out / split / row["file_name"]) == read_image(release, name)).all()
            assert (_grey(out / split / row["mask_file_name"]) == read_mask(release, name)).all()
    malignant = next(row for row in rows if row["pathology"] == "malignant")
    assert malignant["margin"] == ["angular", "spiculated"]
    with (out / "samples.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [row["sample_id"] for row in listed] == _ids(release, None)
    assert all((out / row["file_name"]).is_file() for row in listed)
    assert listed[-1]["margin"] == "|".join(rows[-1]["margin"])


def test_a_folder_opens_as_an_imagefolder_though_a_column_is_empty_in_one_split(release, tmp_path):
    export(release, tmp_path / "out", "folder")
    import datasets

    found = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"))
    for split, part in found.items():
        assert part["sample_id"] == _ids(release, split)
        assert np.array_equal(
            np.asarray(part[0]["image"]), read_image(release, part[0]["sample_id"])
        )


def test_coco(release, tmp_path):
    export(release, tmp_path / "coco", "coco")
    lesions, ids = 0, {"images": [], "annotations": []}
    for split in ("train", "test"):
        text = (tmp_path / "coco" / "annotations" / f"instances_{split}.json").read_text("utf-8")
        record = json.loads(text)
        categories = {c["id"]: c["name"] for c in record["categories"]}
        assert categories == {1: "benign", 2: "malignant"}
        images = {image["id"]: image for image in record["images"]}
        assert len(images) == len(record["images"]) == len(_ids(release, split))
        for image in images.values():
            picture = _grey(tmp_path / "coco" / "images" / split / image["file_name"])
            assert picture.shape == (image["height"], image["width"])
        for annotation in record["annotations"]:
            mask = read_mask(release, images[annotation["image_id"]]["file_name"][:-4]) > 0
            runs = annotation["segmentation"]
            assert (_decode(runs["counts"], runs["size"]) == mask).all()
            assert annotation["area"] == mask.sum()
            rows, columns = np.nonzero(mask)
            assert annotation["bbox"] == [
                columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
            ]  # fmt: skip
        lesions += len(record["annotations"])
        for key, own in ids.items():
            own += [one["id"] for one in record[key]]
    assert lesions == 28
    assert all(own == [*range(1, len(own) + 1)] for own in ids.values())  # unique over splits


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        ([[0, 0], [0, 0]], [4]),
        ([[255, 255], [255, 255]], [0, 4]),
        ([[0, 255], [0, 0]], [2, 1, 1]),
        ([[255, 0], [0, 0]], [0, 1, 3]),
    ],
)
def test_run_lengths(mask, counts):
    assert _run_lengths(np.array(mask, np.uint8)) == counts


def test_nnunet(release, tmp_path):
    out = tmp_path / "Dataset001_busgen"
    export(release, out, "nnunet")
    record = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    assert record["channel_names"] == {"0": "ultrasound"}
    assert record["labels"] == {"background": 0, "lesion": 1}
    assert record["file_ending"] == ".png"
    images = sorted(path.name for path in (out / "imagesTr").iterdir())
    labels = sorted(path.name for path in (out / "labelsTr").iterdir())
    assert record["numTraining"] == len(images)
    assert images == [name.replace(".png", "_0000.png") for name in labels]
    assert {path.name for path in (out / "imagesTs").iterdir()} == {
        f"{name}_0000.png" for name in _ids(release, "test")
    }
    for name in labels:
        label = _grey(out / "labelsTr" / name)
        assert (label == read_mask(release, name[:-4]) // 255).all()


def test_nothing_is_overwritten_or_half_written(release, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="must not exist or be empty"):
        export(release, tmp_path)
    with pytest.raises(UserError, match="form must be known"):
        export(release, tmp_path / "out", "tiff")
    with pytest.raises(UserError, match="release folder"):
        export(tmp_path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert verify(release) == []


def test_a_release_of_another_version_is_told_apart(release, tmp_path):
    earlier = shutil.copytree(release, tmp_path / "earlier")
    for path in (earlier / "data").glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["intensity"]), path)
    with pytest.raises(DataError, match="none of the name intensity"):
        export(earlier, tmp_path / "out", "folder")
    assert not (tmp_path / "out").exists()


def test_an_export_replaces_an_unchanged_one_and_no_release(release, tmp_path):
    copy = shutil.copytree(release, tmp_path / "copy")
    with pytest.raises(UserError, match="something else that busgen wrote: release"):
        export(copy, copy)
    assert verify(copy) == []
    for form in ("folder", "coco"):
        export(release, tmp_path / "out", form)
    assert (tmp_path / "out" / "annotations").is_dir()
    (tmp_path / "out" / "LICENSE").write_text("mine")
    with pytest.raises(UserError, match="LICENSE, which is another's or was changed"):
        export(release, tmp_path / "out")


EXPORT = """
import sys, time
from pathlib import Path
from busgen.errors import UserError
from busgen.release.export import export
print("ready", flush=True)
sys.stdin.readline()
time.sleep(float(sys.argv[3]))
try:
    export(Path(sys.argv[1]), Path(sys.argv[2]))
except UserError as error:
    sys.exit(2)
"""


def test_of_two_exports_into_one_folder_none_ends_well_with_files_missing(release, tmp_path):
    export(release, tmp_path / "alone")
    names = {path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*")}
    for round_, wait in enumerate((0.0, 0.01)):
        out = tmp_path / f"out {round_}"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        runs = [subprocess.Popen([sys.executable, "-c", EXPORT, release, out, str(late)], **pipes)
                for late in (0, wait)]  # fmt: skip
        for run in runs:
            run.stdout.readline()
        for run in runs:
            run.communicate("\n")
        assert sorted(run.returncode for run in runs) in ([0, 0], [0, 2])
        assert {path.relative_to(out) for path in out.rglob("*")} == names
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alone", "out 0", "out 1"]
