"""Image files of every mode and depth: the same picture, whatever it was saved as."""

from io import BytesIO

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
