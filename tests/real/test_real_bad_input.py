"""Bad input to every reader: a line among what is left out, a note, or a clear error."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imitations
import numpy as np
import pytest
from canonical import read_dataset
from PIL import Image

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.io import decode_png
from busgen.real.readers.registry import list_images, write_canonical

pytestmark = pytest.mark.usefixtures("no_overlays")


@dataclass(frozen=True)
class Imitation:
    """A layout, and within it one image and its mask, both of sound kind."""

    lay_out: Callable[[Path], Path]
    image: str
    mask: str
    rows: int
    source_file: str | None = None  # where it is not `image`
    table: str | None = None
    column: str = ""


BREAST = "BrEaST-Lesions_USG-images_and_masks/case001"
IMITATIONS = {
    "breast": Imitation(
        imitations.lay_out_breast,
        f"{BREAST}.png",
        f"{BREAST}_tumor.png",
        3,
        "case001.png",
        "clinical.csv",
        "CaseID",
    ),
    "bus_bra": Imitation(
        imitations.lay_out_bus_bra,
        "Images/bus_0003-s.png",
        "Masks/mask_0003-s.png",
        3,
        None,
        "bus_data.csv",
        "Histology",
    ),
    "busi": Imitation(
        imitations.lay_out_busi, "benign/benign (1).png", "benign/benign (1)_mask.png", 6
    ),
    "bus_uclm": Imitation(
        imitations.lay_out_bus_uclm,
        "images/ALWI_000.png",
        "masks/ALWI_000.png",
        6,
        None,
        "INFO.csv",
        "Doppler",
    ),
    "stu": Imitation(imitations.lay_out_stu, "Test_Image_1.png", "mask_1.png", 3),
    "udiat": Imitation(imitations.lay_out_udiat, "original/000001.png", "GT/000001.png", 3),
}
each = pytest.mark.parametrize("name", schema.DATASETS)


def read(name: str, tmp_path: Path, spoil: Callable[[Path, Path], None]):
    """Lay a dataset out, spoil it by its image's and mask's path, read it."""
    imitation = IMITATIONS[name]
    root = imitation.lay_out(tmp_path)
    spoil(root / imitation.image, root / imitation.mask)
    return read_dataset(name, root)


def source_of(name: str) -> str:
    return IMITATIONS[name].source_file or IMITATIONS[name].image


def row_of(reading, name: str):
    rows = reading.table.to_pylist()
    return next(row for row in rows if row["source_file"] == source_of(name))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def write_text(path: Path) -> None:
    path.write_text("404 not found")


DAMAGES = (truncate, empty, flip_a_byte, write_text)


@each
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["image", "mask"])
def test_a_damaged_file_is_left_out_with_its_name(name, damage, which, tmp_path):
    reading = read(name, tmp_path, lambda image, mask: damage(image if which == "image" else mask))
    file = Path(getattr(IMITATIONS[name], which)).name
    assert f"{file} must be a whole image" in dict(reading.left_out)[source_of(name)]
    assert reading.table.num_rows == IMITATIONS[name].rows - 1


@each
def test_a_missing_image_leaves_a_line(name, tmp_path):
    reading = read(name, tmp_path, lambda image, mask: image.unlink())
    assert reading.table.num_rows == IMITATIONS[name].rows - 1
    lost = {Path(source_of(name)).name, Path(IMITATIONS[name].mask).name}
    assert lost & {Path(file).name for file, _ in reading.left_out}


@each
def test_a_lesion_without_mask_file_is_flagged(name, tmp_path):
    reading = read(name, tmp_path, lambda image, mask: mask.unlink())
    row = row_of(reading, name)
    assert "no_mask" in row["flags"]
    assert row["mask"] is row["orientation"] is row["crop_width"] is None
    assert reading.table.num_rows == IMITATIONS[name].rows


@each
def test_an_empty_mask_is_flagged(name, tmp_path):
    def blacken(image: Path, mask: Path) -> None:
        Image.new("RGB", Image.open(mask).size).save(mask)

    row = row_of(read(name, tmp_path, blacken), name)
    assert "empty_mask" in row["flags"]
    assert row["mask"] is row["orientation"] is None


@each
def test_a_mask_of_another_size_is_left_out(name, tmp_path):
    reading = read(name, tmp_path, lambda image, mask: Image.new("L", (40, 30), 255).save(mask))
    assert "its image" in (reason := dict(reading.left_out)[source_of(name)])
    assert "got (30, 40)" in reason
    assert reading.table.num_rows == IMITATIONS[name].rows - 1


@each
def test_sixteen_bits_are_scaled_not_clipped(name, tmp_path):
    def deepen(image: Path, mask: Path) -> None:
        grey = np.asarray(Image.open(image).convert("L"), np.uint16)
        Image.fromarray(grey * 257).save(image)

    plain = row_of(read(name, tmp_path / "8", lambda image, mask: None), name)
    deep = row_of(read(name, tmp_path / "16", deepen), name)
    assert deep["image"]["bytes"] == plain["image"]["bytes"]
    assert "16 bits made 8" in deep["notes"]


@each
def test_a_palette_is_resolved(name, tmp_path):
    def index(image: Path, mask: Path) -> None:
        grey = Image.open(image).convert("L")
        shuffled = grey.point(lambda level: 255 - level)
        shuffled = Image.frombytes("P", grey.size, shuffled.tobytes())
        shuffled.putpalette([255 - level for level in range(256) for _ in range(3)])
        shuffled.save(image)
        Image.open(mask).convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE).save(mask)

    plain = row_of(read(name, tmp_path / "plain", lambda image, mask: None), name)
    row = row_of(read(name, tmp_path / "palette", index), name)
    assert row["image"]["bytes"] == plain["image"]["bytes"]
    assert row["mask"]["bytes"] == plain["mask"]["bytes"]
    assert set(row["notes"]) == {*plain["notes"], "palette resolved"}


@each
def test_a_mask_without_image_and_other_formats_are_listed(name, tmp_path):
    def stray(image: Path, mask: Path) -> None:
        (mask.with_name(mask.name.replace("1", "77").replace("3-s", "77"))).write_bytes(
            mask.read_bytes()
        )
        Image.new("L", (80, 60)).save(image.with_name("scan.jpg"))
        image.with_name(f"._{image.name}").write_bytes(b"resource fork")

    reading = read(name, tmp_path, stray)
    reasons = {Path(file).name: why for file, why in reading.left_out}
    assert reasons["scan.jpg"] == "no PNG"
    assert any("77" in file for file in reasons) or name == "bus_uclm"
    assert not any(file.startswith("._") for file in reasons)
    assert reading.table.num_rows == IMITATIONS[name].rows


@each
def test_the_folder_above_will_do_and_another_will_not(name, tmp_path):
    root = IMITATIONS[name].lay_out(tmp_path)
    (root.parent / "__MACOSX").mkdir()
    above = read_dataset(name, root.parent)
    assert above.table.equals(read_dataset(name, root).table)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"folder must hold .*got nothing in .*: give"):
        list_images(name, tmp_path / "empty")


@each
def test_ids_are_ascii_and_unique_and_files_keep_their_names(name, tmp_path):
    table = read_dataset(name, IMITATIONS[name].lay_out(tmp_path)).table
    ids = table["sample_id"].to_pylist()
    assert all(identity.isascii() and identity.startswith(f"{name}-") for identity in ids)
    assert len(set(ids)) == len(ids) == IMITATIONS[name].rows
    assert set(table["dataset"].to_pylist()) == {name}
    for image in table["image"].to_pylist():
        assert decode_png(image["bytes"]).ndim == 2


TABLES = [name for name in schema.DATASETS if IMITATIONS[name].table]


def retable(root: Path, name: str, change: Callable[[str], str]) -> None:
    path = root / str(IMITATIONS[name].table)
    path.write_text(change(path.read_text(encoding="utf-8-sig")), encoding="utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_a_column_names_it(name, tmp_path):
    root, column = IMITATIONS[name].lay_out(tmp_path), IMITATIONS[name].column
    retable(root, name, lambda text: text.replace(column, "Form", 1))
    out = tmp_path / "out"
    with pytest.raises(DataError, match=f"got no {column}"):
        write_canonical(name, root, out)
    assert not out.exists()


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("text", ["", "\x00\x01", "Image\n"])
def test_an_empty_or_broken_table_is_an_error(name, text, tmp_path):
    root = IMITATIONS[name].lay_out(tmp_path)
    retable(root, name, lambda _: text)
    with pytest.raises(DataError, match=str(IMITATIONS[name].table)):
        list_images(name, root)


@pytest.mark.parametrize("name", TABLES)
def test_a_repeated_row_is_one(name, tmp_path):
    root = IMITATIONS[name].lay_out(tmp_path)
    retable(root, name, lambda text: text + text.strip().splitlines()[-1] + "\n")
    reading = read_dataset(name, root)
    assert reading.table.num_rows == IMITATIONS[name].rows
    assert "row repeated" in {reason for _, reason in reading.left_out}
