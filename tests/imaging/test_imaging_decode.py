"""Image files of every mode and depth: the same picture, whatever it was saved as."""

import subprocess
import sys
from io import BytesIO
from zlib import compressobj, crc32

import cv2
import numpy as np
import pytest
from PIL import Image

from busgen.errors import DataError
from busgen.imaging.decode import decode_image, decode_mask, to_grey

GREY = np.random.default_rng(0).integers(1, 256, (24, 32)).astype(np.uint8)
LESION = np.zeros((24, 32), np.uint8)
LESION[6:18, 8:20] = 1


def save(image, kind="PNG", **options):
    data = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        data, kind, **options
    )
    return data.getvalue()


def save_dicom(levels, interpretation="MONOCHROME2", modality="US"):
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

    found, data = Dataset(), BytesIO()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SOPClassUID, found.SOPInstanceUID = UltrasoundImageStorage, generate_uid()
    found.Modality, found.PhotometricInterpretation = modality, interpretation
    found.NumberOfFrames = len(levels) if levels.ndim == 3 else 1
    found.Rows, found.Columns = levels.shape[-2:]
    found.SamplesPerPixel, found.PixelRepresentation = 1, 0
    found.BitsAllocated = found.BitsStored = 8 * levels.itemsize
    found.HighBit = found.BitsStored - 1
    found.PixelData = levels.tobytes()
    found.save_as(data, enforce_file_format=True)
    return data.getvalue()


TURNED = Image.Exif()
TURNED[0x0112] = 8  # a quarter to the right
DEEP = GREY.astype(np.uint16)
SAVED = {
    "plain": save(GREY),
    "12 bits in 16": save(DEEP * 16),
    "16 bits": save(DEEP * 257),
    "8 bits in 16": save(DEEP),
    "colours of 16 bits": cv2.imencode(".png", np.repeat(DEEP[..., None], 3, 2) * 257)[1].tobytes(),
    "32 bits": save(GREY.astype(np.int32) * 2**23, "TIFF"),
    "fractions": save(GREY.astype(np.float32) / 255, "TIFF"),
    "floats": save(GREY.astype(np.float32), "TIFF"),
    "CMYK": save(Image.fromarray(GREY).convert("CMYK"), "TIFF"),
    "palette": save(Image.fromarray(GREY).convert("P")),
    "alpha": save(np.dstack([GREY, np.full_like(GREY, 9)])),
    "webp": save(Image.fromarray(GREY).convert("RGB"), "WEBP", lossless=True),
    "gif": save(GREY, "GIF"),
    "several frames": save(
        GREY, "TIFF", save_all=True, append_images=[Image.fromarray(255 - GREY)]
    ),
    "turned": save(np.rot90(GREY, -1), exif=TURNED),
    "DICOM": save_dicom(GREY),
    "DICOM, 16 bits": save_dicom(DEEP * 257),
    "DICOM, frames": save_dicom(np.stack([GREY, 255 - GREY])),
    "DICOM, inverted": save_dicom(255 - GREY, "MONOCHROME1"),
}
UNCHANGED = ("plain", "8 bits in 16", "floats", "webp", "gif", "DICOM", "DICOM, inverted")


@pytest.mark.parametrize("name", SAVED)
def test_an_image_is_read_alike_whatever_it_was_saved_as(name):
    pixels, notes = decode_image(SAVED[name], name)
    assert np.abs(to_grey(pixels).astype(int) - GREY).max() <= 1
    assert notes or name in (
        "plain",
        "8 bits in 16",
        "floats",
        "webp",
        "gif",
        "DICOM",
        "DICOM, inverted",
    )


MASKS = {
    "0 and 255": save(LESION * 255),
    "0 and 1": save(LESION),
    "bits": save(Image.fromarray(LESION * 255).convert("1")),
    "16 bits": save(LESION.astype(np.uint16)),
    "32 bits": save(LESION.astype(np.int32), "TIFF"),
    "floats": save(LESION.astype(np.float32), "TIFF"),
    "labels": save(LESION * (1 + (np.arange(32) > 12).astype(np.uint8))),
    "colours": save(np.dstack([LESION * 0, LESION * 255, LESION * 0])),
    "alpha all over": save(np.dstack([LESION * 255] * 3 + [LESION * 0 + 255])),
    "in the alpha": save(np.dstack([LESION * 0] * 3 + [LESION * 255])),
    "gif": save(LESION * 255, "GIF"),
    "DICOM": save_dicom(np.stack([LESION * 0, LESION]), modality="SEG"),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_read_alike_whatever_it_was_saved_as(name):
    assert np.array_equal(decode_mask(MASKS[name], name), LESION)


def test_soft_edges_are_cut_at_half_and_an_empty_mask_stays_empty():
    big = cv2.resize(LESION * 255, (128, 96), interpolation=cv2.INTER_LINEAR)
    for kind in ("PNG", "JPEG"):
        found = decode_mask(save(big, kind), kind)
        assert abs(int(found.sum()) - 16 * int(LESION.sum())) < 60
    assert not decode_mask(save(np.dstack([LESION * 0] * 3 + [LESION * 0 + 255])), "x").any()


def test_one_label_counts_where_it_is_named():
    levels = LESION * (1 + (np.arange(32) > 12).astype(np.uint8))
    assert np.array_equal(decode_mask(save(levels), "x", 2), levels == 2)
    palette = Image.fromarray(levels, "L").convert("P")
    palette.putdata(levels.ravel().tolist())
    assert np.array_equal(decode_mask(save(palette), "x", 1), levels == 1)


def test_levels_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="finite levels"):
        decode_image(save(np.full((4, 4), np.nan, np.float32), "TIFF"), "x.tif")


def save_bomb(side=13_000):
    """Return a PNG of 164 kB that claims 169 megapixels."""
    packer = compressobj(9)
    rows = [packer.compress(bytes(side + 1)) for _ in range(side)] + [packer.flush()]
    header = side.to_bytes(4) * 2 + b"\x08\0\0\0\0"
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(rows)), (b"IEND", b""))
    packed = (len(d).to_bytes(4) + k + d + crc32(k + d).to_bytes(4) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


WIDE = np.zeros((4001, 4200), np.uint8)
BOMBS = {
    **{kind: save(WIDE, kind) for kind in ("BMP", "GIF", "JPEG", "PNG", "TIFF")},
    "WEBP": save(WIDE, "WEBP", method=0),
    "16 bits": save(WIDE.astype(np.uint16)),
    "DICOM": save_dicom(WIDE),
    "DICOM, a mask": save_dicom(WIDE[None].repeat(2, 0), modality="SEG"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_image_of_too_many_pixels_is_refused_by_its_header(kind):
    for decode in (decode_image, decode_mask):
        with pytest.raises(DataError, match=r"x must have at most 16,777,216 pixels, got 4200 x"):
            decode(BOMBS[kind], "x")


def test_a_bomb_costs_no_memory(tmp_path):
    (tmp_path / "bomb.png").write_bytes(save_bomb())
    code = """
import resource, sys
from pathlib import Path
from busgen.errors import DataError
from busgen.imaging.decode import decode_image, decode_mask
from busgen.io import decode_png
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for decode in (decode_image, decode_mask, decode_png):
    try:
        decode(data, "x")
    except DataError as error:
        assert "got 13000 x 13000" in str(error)
    else:
        raise SystemExit("decoded")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "bomb.png"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20_000  # kB


def test_a_dicom_object_that_is_deflated_or_lacks_its_pixels_is_one_message():
    deflated = SAVED["DICOM"].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99\0")
    short = deflated.index(b"1.2.840.10008.1.2.1.99") - 2  # where the length of the name stands
    deflated = deflated[:short] + b"\x16\0" + deflated[short + 2 :]
    for data, rule in (
        (deflated, "must not be deflated"),
        (SAVED["DICOM"][:400], "must be a whole image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "must be a whole image"),
    ):
        with pytest.raises(DataError, match=rule):
            decode_image(data, "x")
