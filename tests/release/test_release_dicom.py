"""DICOM export, read back by pydicom and highdicom."""

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from highdicom.seg import segread
from pydicom.uid import SegmentationStorage, UltrasoundImageStorage

from busgen import NOT_FOR_CLINICAL_USE
from busgen.release.exports.export import export
from busgen.release.read import read_image, read_mask, read_row


@pytest.fixture(scope="module")
def exported(release, tmp_path_factory):
    out = tmp_path_factory.mktemp("dicom") / "an export é"
    export(release, out, "dicom")
    rows = []
    for split in ("train", "test"):
        listed = pq.read_table(out / split / "metadata.parquet").to_pylist()
        rows += [row | {"folder": out / split} for row in listed]
    return rows


def test_images(release, exported):
    assert len(exported) == 29
    for row in exported:
        found = pydicom.dcmread(row["folder"] / row["file_name"])
        assert found.SOPClassUID == UltrasoundImageStorage
        assert found.SyntheticData == "YES"
        assert (found.pixel_array == read_image(release, row["sample_id"])).all()
        assert found.PatientID == row["family_id"]
        assert NOT_FOR_CLINICAL_USE in found.PatientComments
        spacing = float(row["pixel_mm"])
        assert [float(each) for each in found.PixelSpacing] == pytest.approx([spacing, spacing])
        region = found.SequenceOfUltrasoundRegions[0]
        assert region.PhysicalDeltaX == region.PhysicalDeltaY == pytest.approx(spacing / 10)
        stored = read_row(release, row["sample_id"], ("text",))
        assert stored["text"] in found.ImageComments


def test_segmentations(release, exported):
    lesions = 0
    for row in exported:
        mask = read_mask(release, row["sample_id"])
        assert bool(row["mask_file_name"]) == bool(mask.any())
        if not mask.any():
            continue
        lesions += 1
        found = segread(row["folder"] / row["mask_file_name"])
        assert found.SOPClassUID == SegmentationStorage
        assert found.SyntheticData == "YES"
        image = pydicom.dcmread(row["folder"] / row["file_name"])
        frames = found.get_pixels_by_source_instance([image.SOPInstanceUID])
        assert (np.squeeze(frames) == (mask > 0)).all()
        assert found.StudyInstanceUID == image.StudyInstanceUID
        assert found.get_segment_description(1).segmented_property_type.meaning == "Mass"
    assert lesions == 28


def test_identifiers_stay_and_are_a_samples_own(release, exported, tmp_path):
    export(release, tmp_path / "again", "dicom")
    seen = set()
    for row in exported:
        place = row["folder"].name, row["file_name"]
        found = pydicom.dcmread(row["folder"] / row["file_name"])
        again = pydicom.dcmread(tmp_path.joinpath("again", *place))
        assert found.SOPInstanceUID == again.SOPInstanceUID
        seen.add(found.SOPInstanceUID)
    assert len(seen) == len(exported)
