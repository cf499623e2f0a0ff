"""Sets that others made: where masks and columns are found; nothing is stretched or dropped."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from busgen.errors import DataError, UserError
from busgen.image_sets.open import open_set
from busgen.image_sets.source import Reading, crop, read_squares
from busgen.io import encode_png

SIDE = 64


def save(folder, name, pixels):
    """Write an image, its folders first."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def pixels_of(source, chosen=None, size_px=SIDE):
    """Return images and masks of a source's images."""
    rows = range(len(source)) if chosen is None else chosen
    parts = list(read_squares(source, rows, size_px))
    return tuple(np.concatenate([getattr(p, name) for p in parts]) for name in ("images", "masks"))


@pytest.fixture
def pair(make_image):
    """Return images with masks, as lists."""
    images, masks = zip(*(make_image(k) for k in range(3)), strict=True)
    return list(images), list(masks)


def test_masks_are_found_by_their_names_as_busi_has_them(tmp_path, pair):
    images, masks = pair
    save(tmp_path, "benign/benign (1).png", images[0])
    upper, lower = masks[0].copy(), masks[0].copy()
    upper[24:], lower[:24] = 0, 0
    save(tmp_path, "benign/benign (1)_mask.png", upper)
    save(tmp_path, "benign/benign (1)_mask_1.png", lower)
    save(tmp_path, "normal/normal (2).bmp", images[1])
    save(tmp_path, "normal/odd_mask.png", masks[2])
    (tmp_path / "normal" / ".hidden.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 masks of no image, e\.g\. normal/odd_mask\.png"):
        open_set(tmp_path)
    source = open_set(tmp_path, Reading(allow_unread=True))
    assert source.values("file").tolist() == ["benign/benign (1).png", "normal/normal (2).bmp"]
    assert source.values("folder").tolist() == ["benign", "normal"]
    assert source.found.alone == ("normal/odd_mask.png",)
    found, outlined = pixels_of(source)
    assert np.array_equal(outlined[0], masks[0] // 255)
    assert not outlined[1:].any()
    assert np.abs(found.astype(int) - np.stack(images[:2])).mean() < 3  # overlays painted out


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("x.png", "masks/x.png"),
        ("images/x.png", "masks/x.png"),
        ("images/train/x.png", "masks/train/x_mask.png"),
        ("train/images/x.jpg", "train/masks/x.png"),
    ],
)
def test_masks_are_found_in_a_folder_of_masks(tmp_path, pair, image, mask):
    save(tmp_path, image, pair[0][0])
    save(tmp_path, mask, pair[1][0])
    source = open_set(tmp_path)
    assert source.values("file").tolist() == [image]
    assert np.array_equal(pixels_of(source)[1][0], pair[1][0] // 255)
    assert source.values("split").tolist() == (["train"] if "train" in image else [""])


def test_columns_come_from_a_csv_whose_rows_name_files(tmp_path, pair):
    for name, image in zip(("1.png", "2.png", "3.png"), pair[0], strict=True):
        save(tmp_path, f"images/{name}", image)
    (tmp_path / "about.csv").write_text("ID;patient;label\n1;A;benign\n3;A;\n9;B;benign\n")
    source = open_set(tmp_path)
    assert source.values("label").tolist() == ["benign", "", ""]
    alone = source.groups()
    assert len(set(alone.tolist())) == 3
    assert source.groups("patient").tolist() == ["A", alone[1], "A"]
    (tmp_path / "about.csv").write_text("ID,patient\n7,A\n")
    with pytest.raises(UserError, match="must name images in file_name or"):
        open_set(tmp_path)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_columns_come_from_metadata_as_an_imagefolder_has_it(tmp_path, pair, kind):
    for name, image in zip(("a/1 é.png", "a/2.png", "b/3.png"), pair[0], strict=True):
        save(tmp_path, f"train/{name}", image)
    rows = [
        {"file_name": "a/1 é.png", "patient": 7, "label": "benign", "boxes": [[1, 2]]},
        {"file_name": "b/3.png", "patient": 8, "label": None, "boxes": []},
        {"file_name": "gone.png", "patient": 9, "label": "benign", "boxes": []},
    ]
    path = tmp_path / "train" / f"metadata.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    source = open_set(tmp_path)
    assert source.values("label").tolist() == ["benign", "", ""]
    assert source.values("patient").tolist() == ["7", "", "8"]
    assert source.values("split").tolist() == ["train"] * 3
    assert not source.has("boxes")
    assert len(pixels_of(source)[0]) == 3
    path.write_bytes(b"[1")
    with pytest.raises(DataError, match=r"metadata.* must "):
        open_set(tmp_path)


def test_columns_of_images_are_named_where_they_have_other_names(tmp_path, pair):
    usual = table(pair)
    pq.write_table(usual.rename_columns(["scan", "tumour"]), tmp_path / "odd.parquet")
    pq.write_table(usual, tmp_path / "usual.parquet")
    with pytest.raises(UserError, match="got scan, tumour: name another: busgen score --image"):
        open_set(tmp_path / "odd.parquet")
    named = Reading("scan", "tumour")
    odd, plain = (open_set(tmp_path / f"{name}.parquet", named) for name in ("odd", "usual"))
    assert (odd.images, plain.images) == (("scan", "tumour"), ("image", "mask"))
    for one, other in zip(pixels_of(odd), pixels_of(plain), strict=True):
        assert np.array_equal(one, other)
    assert not pixels_of(open_set(tmp_path / "odd.parquet", Reading("scan")))[1].any()


def test_oblong_images_are_cut_or_padded_never_stretched():
    image = np.full((60, 100), 90, np.uint8)
    mask = np.zeros_like(image)
    mask[20:40, 30:50] = 1
    cut, outlined, side = crop(image, mask, 64)
    rows, cols = np.nonzero(outlined)
    assert abs(np.ptp(rows) - np.ptp(cols)) <= 1
    assert (cut.shape, side) == ((64, 64), 60)
    whole, _, side = crop(image[:, :60], mask[:, :60], 30)
    assert (whole.shape, side) == ((30, 30), 60)


def table(pair, **columns):
    """Return a table of images as bytes with a path."""
    images, masks = ([{"bytes": encode_png(x), "path": None} for x in some] for some in pair)
    return pa.table({"image": images, "mask": [*masks[:2], None], **columns})


def test_parquet_is_read_with_its_columns_masks_and_splits(tmp_path, pair):
    generated = table(pair, patient=["A", "A", None], label=[1, 0, 1], odd=[[1], [2], [3]])
    features = '{"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}'
    generated = generated.replace_schema_metadata({"huggingface": features})
    pq.write_table(generated.slice(0, 2), tmp_path / "train-00000-of-00001.parquet")
    pq.write_table(generated.slice(2), tmp_path / "test-00000-of-00001.parquet")
    source = open_set(tmp_path)
    assert source.values("split").tolist() == ["test", "train", "train"]
    assert source.values("label").tolist() == ["yes", "yes", "no"]
    assert source.groups("patient").tolist()[1:] == ["A", "A"]
    images, masks = pixels_of(source, [0, 2])
    assert np.abs(images.astype(int) - np.stack(pair[0])[[2, 1]]).mean() < 3
    assert not masks[0].any()
    assert np.array_equal(masks[1], pair[1][1] // 255)
    few = source.select(["train"])
    assert np.array_equal(pixels_of(few, [1])[0][0], images[1])
    with pytest.raises(UserError, match="splits validation, got test, train"):
        source.select(["val"])


def test_plain_bytes_in_one_file_are_images_too(tmp_path, pair):
    generated = pa.table({"Image": [encode_png(x) for x in pair[0]], "family_id": ["a", "b", "b"]})
    pq.write_table(generated, tmp_path / "x.parquet")
    source = open_set(tmp_path / "x.parquet")
    assert source.groups().tolist() == ["a", "b", "b"]
    assert len(pixels_of(source)[0]) == 3


def test_a_dataset_saved_to_disk_is_read(tmp_path, pair):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["benign", "malignant"]),
            "patient": datasets.Value("string"),
        }
    )
    columns = {"image": [Image.fromarray(x) for x in pair[0]], "label": [0, 1, 1]}
    generated = datasets.Dataset.from_dict(
        columns | {"patient": ["A", "B", "B"]}, features=features
    )
    generated.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": generated, "test": generated}).save_to_disk(tmp_path / "several")
    one, several = open_set(tmp_path / "one"), open_set(tmp_path / "several")
    assert one.values("label").tolist() == ["benign", "malignant", "malignant"]
    assert one.groups("patient").tolist() == ["A", "B", "B"]
    assert several.values("split").tolist() == ["train"] * 3 + ["test"] * 3
    images = pixels_of(several.select(["test"]))[0]
    assert np.array_equal(images, pixels_of(one)[0])
    assert np.abs(images.astype(int) - np.stack(pair[0])).mean() < 3


def test_what_is_no_set_or_damaged_is_refused(tmp_path, pair):
    with pytest.raises(UserError, match="must be a folder or file"):
        open_set(tmp_path / "nowhere")
    with pytest.raises(UserError, match="must hold images"):
        open_set(tmp_path)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "words.parquet")
    with pytest.raises(UserError, match=r"must have a column of images .* got text"):
        open_set(tmp_path / "words.parquet")
    (tmp_path / "words.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="must be a whole table"):
        open_set(tmp_path / "words.parquet")
    (tmp_path / "words.parquet").unlink()
    save(tmp_path, "x.png", pair[0][0])
    save(tmp_path, "x_mask.png", pair[1][0][:30])
    with pytest.raises(DataError, match=r"mask of x.png must have its image's size \(64, 64\)"):
        pixels_of(open_set(tmp_path))
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:-30])
    with pytest.raises(DataError, match=r"x\.png must be a whole image"):
        pixels_of(open_set(tmp_path))
    missing = pa.table({"image": [{"bytes": None, "path": "gone.png"}]})
    pq.write_table(missing, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"gone\.png"):
        pixels_of(open_set(tmp_path))


def test_several_masks_of_a_row_and_parts_with_other_columns(tmp_path, pair):
    images, masks = ([{"bytes": encode_png(each), "path": None} for each in one] for one in pair)
    for name, k, more in (("a", 0, {"patient": ["p"]}), ("b", 1, {"score": [1.5]})):
        columns = {"mask_image": [[masks[k], masks[2]]], "image": [images[k]]} | more
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    source = open_set(tmp_path)
    assert [row.get("patient") for row in source.rows] == ["p", None]
    found, outlined = pixels_of(source)
    assert np.abs(found.astype(int) - np.stack(pair[0][:2])).mean() < 3
    assert np.array_equal(outlined[1], (pair[1][1] | pair[1][2]) // 255)
