"""A release as DICOM objects: what viewers, archives and their importers open.

In: a release folder. Out: per split, one ultrasound image a sample, with its pixel spacing and
*Synthetic Data* (0008,001C) as YES, and one segmentation (SEG) where there is a lesion. Every
object says that it is synthetic: the patient's name is the finding's, its sex and birth are empty.
Standard: DICOM PS3.3 2024, A.6 (ultrasound image) and A.51 (segmentation). Comes with the extra
``busgen[dicom]``.
"""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from busgen import NOT_FOR_CLINICAL_USE, __version__
from busgen.arrays import Pixels
from busgen.extras import require_extra
from busgen.io import decode_png, read_toml
from busgen.release.exports.samples import write_samples
from busgen.release.signing import Signature

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from pydicom import Dataset

_SAME = Path(__file__).with_suffix(".toml")  # of every image
_CM = 3  # code of the unit of an ultrasound region


def write(folder: Path, out: Path, _: Signature | None) -> None:
    """Write one image and, of a lesion, one segmentation a sample."""
    require_extra("dicom", "writing DICOM")
    write_samples(folder, out, _save, ("images", "segmentations"))


def _save(row: Mapping[str, Any], name: str, out: Path) -> tuple[str, str]:
    """Write a released row as `images/<name>.dcm` and, of a lesion, `segmentations/<name>.dcm`.

    `out`: the folder that holds both folders. Return the names of both; of no lesion, "".
    """
    image, found = _to_image(row), f"images/{name}.dcm"
    image.save_as(out / found, enforce_file_format=True)
    mask = decode_png(row["mask"]["bytes"], name)
    if not mask.any():
        return found, ""
    outlined = f"segmentations/{name}.dcm"
    _to_segmentation(image, mask, row).save_as(out / outlined, enforce_file_format=True)
    return found, outlined


def _to_image(row: Mapping[str, Any]) -> "Dataset":
    """Return a sample's image as an ultrasound image object."""
    from highdicom.sr.coding import CodedConcept
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.sr.codedict import codes
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

    pixels = decode_png(row["image"]["bytes"], row["sample_id"])
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in read_toml(_SAME).items():
        setattr(found, keyword, value)
    found.SOPClassUID, found.SOPInstanceUID = UltrasoundImageStorage, _uid("image", row)
    found.PatientID, found.PatientName = row["family_id"], f"SYNTHETIC^{row['family_id']}"[:64]
    found.PatientComments = f"No patient. {NOT_FOR_CLINICAL_USE}"
    found.StudyInstanceUID, found.SeriesInstanceUID = _uid("study", row), _uid("series", row)
    found.SeriesDescription = f"style of {row['scanner'] or 'no scanner'}"[:64]
    found.ManufacturerModelName = row["engine"]
    found.SoftwareVersions = __version__
    found.ImageComments = f"{NOT_FOR_CLINICAL_USE} {row['text']}"
    found.AnatomicRegionSequence = [CodedConcept.from_code(codes.SCT.Breast)]
    _add_pixels(found, pixels, row["pixel_mm"])
    return found


def _add_pixels(found: "Dataset", pixels: Pixels, pixel_mm: float | None) -> None:
    """Add grey levels and, where it is known, the side of a pixel, which is square."""
    from pydicom import Dataset

    found.Rows, found.Columns = pixels.shape
    found.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    if pixel_mm is None:
        return
    found.PixelSpacing = [f"{pixel_mm:.10g}"] * 2
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0  # 2D tissue
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = found.Columns - 1, found.Rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = _CM
    region.PhysicalDeltaX = region.PhysicalDeltaY = pixel_mm / 10
    found.SequenceOfUltrasoundRegions = [region]


def _to_segmentation(image: "Dataset", mask: Pixels, row: Mapping[str, Any]) -> "Segmentation":
    """Return the mask (H, W) of a sample as the segmentation of its `image`: one mass."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentificationSequence(
        name=f"busgen {row['mask_engine']}",
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
    )
    segment = SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Mass,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    found = Segmentation(
        source_images=[image],
        pixel_array=(mask > 0)[None].astype("uint8"),
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=_uid("segmentation series", row),
        series_number=2,
        sop_instance_uid=_uid("segmentation", row),
        instance_number=1,
        manufacturer="busgen",
        manufacturer_model_name=row["mask_engine"],
        software_versions=__version__,
        device_serial_number="none",
        series_description="asked outline of the lesion",
    )
    found.SyntheticData, found.PatientOrientation = "YES", ""
    for groups in found.SharedFunctionalGroupsSequence:  # a slice's thickness would be asked for
        groups.pop("PixelMeasuresSequence", None)
    return found


def _uid(kind: str, row: Mapping[str, Any]) -> str:
    """Return the identifier of one of a sample's objects: the same at each export."""
    name = f"busgen {kind} {row['family_id'] if kind == 'study' else row['sample_id']}"
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, name).int}"
