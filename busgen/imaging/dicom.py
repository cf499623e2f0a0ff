"""DICOM objects: levels of one of their frames, by pydicom (extra `dicom`).

In: a file's bytes. Out: levels as they are stored, dark where tissue is dark.
"""

from functools import reduce
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.errors import DataError
from busgen.io import require_pixels

DEFLATED = b"1.2.840.10008.1.2.1.99"  # transfer syntax


def open_dicom(data: bytes, name: str) -> Any:  # noqa: ANN401 - pydicom's Dataset
    """Return a DICOM object; `DataError` without pydicom, for one too large, or deflated."""
    try:
        from pydicom import dcmread
    except ModuleNotFoundError as error:
        remedy = "pip install 'busgen[dicom]'"
        raise DataError(f"{name} is DICOM, which needs pydicom", "not installed", remedy) from error
    if DEFLATED in data:  # inflates to whatever size
        raise DataError(f"{name} must not be deflated", DEFLATED.decode(), "export it anew")
    found = dcmread(BytesIO(data))
    require_pixels((int(found.Columns), int(found.Rows)), name)
    return found


def count_frames(found: Any) -> int:  # noqa: ANN401 - pydicom's Dataset
    """Return how many frames a DICOM object has."""
    return int(found.get("NumberOfFrames", 1) or 1)


def read_levels(data: bytes, name: str, frame: int | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the levels (H, W) of a frame, None the first (of a segmentation all), and notes.

    Raises `DataError` as `open_dicom`.
    """
    found = open_dicom(data, name)
    from pydicom.pixels.utils import iter_pixels, pixel_array

    if found.Modality == "SEG" and frame is None:
        return reduce(np.maximum, iter_pixels(found)), ()
    levels, count = pixel_array(found, index=frame or 0), count_frames(found)
    notes = (f"first of {count} frames",) if count > 1 and frame is None else ()
    if found.PhotometricInterpretation == "MONOCHROME1":
        levels = 2**found.BitsStored - 1 - levels
    return levels, notes
