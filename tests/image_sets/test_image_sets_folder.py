"""A folder as a set: what would be misread is refused, what is left out is said."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.mask import encode
from typer.testing import CliRunner

from busgen.cli import app
from busgen.errors import DataError, UserError
from busgen.evaluation import score_sets
from busgen.image_sets.inspect import describe, write_sheet
from busgen.image_sets.open import open_set
from busgen.image_sets.source import Reading
from busgen.io import encode_png


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def save_pairs(tmp_path, make_image):
    """Return a function that saves pairs by the patterns of their names, and returns the folder."""

    def save_all(image, mask, count=4, pixels=None):
        for k in range(count):
            shown, outlined = make_image(k)
            save(tmp_path / image.format(k), shown if pixels is None else pixels(shown))
            if mask:
                save(tmp_path / mask.format(k), outlined)
        return tmp_path

    return save_all


def test_an_nnunet_folder_has_its_masks(save_pairs, make_image):
    source = open_set(save_pairs("imagesTr/p{}_0000.png", "labelsTr/p{}.png"))
    masks = [mask for _, mask in source.load(range(4))]
    assert all(np.array_equal(mask > 0, make_image(k)[1] > 0) for k, mask in enumerate(masks))
    assert str(source.found) == "4 images, 4 of them with a mask (4 masks)"


def test_masks_that_a_table_names_are_no_images(save_pairs):
    folder = save_pairs("a/{}.png", "b/{}-outline.png")
    rows = [{"file_name": f"a/{k}.png", "mask_file_name": f"b/{k}-outline.png"} for k in range(4)]
    lines = "\n".join(map(json.dumps, rows))
    (folder / "metadata.jsonl").write_text(lines, encoding="utf-8")
    source = open_set(folder)
    assert len(source) == source.found.paired == 4
    assert all(mask.any() for _, mask in source.load(range(4)))


def square(side, shape=(64, 64)):
    mask = np.zeros(shape, np.uint8)
    mask[10 : 10 + side, 20 : 20 + side] = 1
    return mask


def test_coco_outlines_are_masks(save_pairs):
    folder = save_pairs("images/{}.png", None)
    sides = {"height": 64, "width": 64}
    polygon = [[20, 10, 29, 10, 29, 19, 20, 19]]
    lines = square(10).ravel(order="F")
    starts = np.flatnonzero(np.diff(lines)) + 1
    counts = np.diff(np.concatenate([[0], starts, [lines.size]])).tolist()
    text = encode(np.asfortranarray(square(10)))["counts"].decode()  # compressed
    record = {
        "images": [{"id": k, "file_name": f"{k}.png", **sides} for k in range(3)],
        "annotations": [
            {"id": 1, "image_id": 0, "segmentation": polygon},
            {"id": 2, "image_id": 2, "segmentation": {"counts": counts, "size": [64, 64]}},
            {"id": 3, "image_id": 1, "segmentation": {"counts": text, "size": [64, 64]}},
        ],
    }
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances.json").write_text(json.dumps(record), encoding="utf-8")
    source = open_set(folder)
    masks = [mask for _, mask in source.load(range(4))]
    assert [bool(mask.any()) for mask in masks] == [True, True, True, False]
    assert all(np.array_equal(mask, square(10)) for mask in masks[:3])
    assert source.found.paired == 3


def test_yolo_outlines_are_masks(save_pairs):
    folder = save_pairs("images/train/{}.png", None)
    (folder / "labels" / "train").mkdir(parents=True)
    corners = ((20, 10), (30, 10), (30, 20), (20, 20))
    line = "0 " + " ".join(f"{x / 64} {y / 64}" for x, y in corners)
    (folder / "labels" / "train" / "1.txt").write_text(line, encoding="utf-8")
    (folder / "labels" / "train" / "2.txt").write_text("0 .5 .5 .2 .2", encoding="utf-8")  # a box
    (folder / "README.txt").write_text("Images of nobody.", encoding="utf-8")
    source = open_set(folder)
    masks = [mask for _, mask in source.load(range(4))]
    assert [bool(mask.any()) for mask in masks] == [False, True, False, False]
    assert (masks[1] != square(10)).sum() <= 21  # half a pixel around


def test_patterns_name_what_names_do_not_tell(save_pairs):
    folder = save_pairs("left/{}.png", "right/{}.png")
    with pytest.raises(UserError, match="look like masks"):  # half of what lies there
        open_set(folder)
    source = open_set(folder, Reading(images="left/*.png", masks="right/*.png"))
    assert len(source) == source.found.paired == 4
    with pytest.raises(UserError, match="pattern must be of paths within the folder"):
        open_set(folder, Reading(masks="/etc/*"))


@pytest.mark.parametrize(
    ("image", "mask", "pixels", "said"),
    [
        ("x/{}.png", None, lambda grey: (grey > 99).astype(np.uint8) * 255, "look like masks"),
        ("x/{}.png", None, lambda grey: grey // 64, "must not be black"),
        ("x/{}.png", "masks/other{}.png", None, "must be of its images"),
        ("masks/{}.png", None, None, "must hold images"),
    ],
)
def test_what_would_be_misread_is_refused(save_pairs, image, mask, pixels, said):
    with pytest.raises(UserError, match=said):
        open_set(save_pairs(image, mask, pixels=pixels))


def test_files_of_other_kinds_are_refused_unless_they_may_be_left_out(save_pairs):
    folder = save_pairs("{}.png", "{}_mask.png")
    (folder / "volume.nii.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 files not read, e\.g\. volume\.nii\.gz"):
        open_set(folder)
    assert len(open_set(folder, Reading(allow_unread=True))) == 4


def save_frames(path, frames, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=others, **how)


@pytest.mark.parametrize("kind", ["tif", "gif"])
def test_frames_are_images_where_they_are_asked_for(tmp_path, make_image, kind):
    pairs = [make_image(k) for k in range(3)]
    save_frames(tmp_path / "images" / f"a.{kind}", [image for image, _ in pairs])
    save_frames(tmp_path / "masks" / "a.tif", [mask for _, mask in pairs])
    save(tmp_path / "images" / "b.png", pairs[0][0])
    save(tmp_path / "masks" / "b.png", pairs[0][1])
    assert len(open_set(tmp_path)) == 2  # first frames
    record = describe(open_set(tmp_path), lambda _: None)
    assert "first of 3 frames (1)" in record["changed in reading"]
    source = open_set(tmp_path, Reading(frames=True))
    assert [row.get("frame") for row in source.rows] == [0, 1, 2, None]
    assert len(set(source.groups().tolist())) == 2  # frames of a file stem from one patient
    for (image, mask), own in zip(source.load(range(4)), (*pairs, pairs[0]), strict=True):
        assert np.abs(image.astype(int) - own[0]).max() <= 2
        assert np.array_equal(mask, own[1] > 0)
    assert "frames" not in describe(source, lambda _: None)["changed in reading"]


def test_a_mask_must_have_its_images_frames(tmp_path, make_image):
    pairs = [make_image(k) for k in range(3)]
    save_frames(tmp_path / "images" / "a.tif", [image for image, _ in pairs])
    save(tmp_path / "masks" / "a.png", pairs[0][1])
    assert len(open_set(tmp_path)) == 1
    source = open_set(tmp_path, Reading(frames=True))
    with pytest.raises(DataError, match="must have its image's 3 frames, got 1"):
        list(source.load(range(3)))
    with pytest.raises(UserError, match="frames must be of files in a folder"):
        open_set(tmp_path / "images" / "a.tif", Reading(frames=True))


def test_frames_of_dicom_are_images(tmp_path, make_image):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

    levels = np.stack([make_image(k)[0] for k in range(3)])
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    one = pydicom.dataset.FileDataset("x", {}, preamble=b"\0" * 128, file_meta=meta)
    one.SOPClassUID, one.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
    one.Modality, one.PhotometricInterpretation, one.SamplesPerPixel = "US", "MONOCHROME2", 1
    one.NumberOfFrames, one.Rows, one.Columns = levels.shape
    one.BitsAllocated = one.BitsStored = 8
    one.HighBit, one.PixelRepresentation, one.PixelData = 7, 0, levels.tobytes()
    one.save_as(tmp_path / "cine.dcm", enforce_file_format=True)
    source = open_set(tmp_path, Reading(frames=True))
    found = [image for image, _ in source.load(range(3))]
    assert all(np.array_equal(image, own) for image, own in zip(found, levels, strict=True))


def test_inspect_shows_what_is_read(save_pairs, tmp_path):
    folder = save_pairs("{}.png", "{}_mask.png", pixels=lambda grey: grey.astype(np.uint16) * 257)
    record = describe(open_set(folder), lambda _: None)
    assert record["with a lesion"] == record["images"] == 4
    assert record["changed in reading"] == "16 bits made 8 (4)"
    sheet = tmp_path / "out" / "sheet.png"
    sheet.parent.mkdir()
    done = CliRunner().invoke(app, ["inspect", str(folder), "--sheet", str(sheet), "--json"])
    assert json.loads(done.stdout)["found"] == record["found"]
    assert Image.open(sheet).size == (6 * 192, 192)
    source = open_set(folder)
    write_sheet(source, sheet)  # our own, unchanged
    for content in (b"thesis", encode_png(np.zeros((9, 9), np.uint8)), sheet.read_bytes() + b"x"):
        sheet.write_bytes(content)
        with pytest.raises(UserError, match="must not exist, or be one that this command wrote"):
            write_sheet(source, sheet)
        assert sheet.read_bytes() == content


def test_score_reads_as_its_options_say(save_pairs, tmp_path, monkeypatch):
    folder, seen = save_pairs("left/{}.png", "right/{}.png"), []
    monkeypatch.setattr(score_sets, "open_set", lambda path, reading: seen.append(reading) or 1 / 0)
    options = ("--images", "left/*", "--masks", "right/*", "--label", "2", "--allow-unread")
    options += ("--frames",)
    CliRunner().invoke(app, ["score", str(folder), "--against", str(tmp_path), *options])
    reading = Reading(images="left/*", masks="right/*", label=2, allow_unread=True, frames=True)
    assert seen == [reading]
