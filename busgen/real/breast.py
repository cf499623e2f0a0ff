"""Reader of BrEaST (Pawlowska 2024) in its publisher's layout.

In: the folder with the clinical table (`clinical.csv`, else the publisher's xlsx) and the folder
of images and masks. Out: canonical rows. Cells joined by `&` hold several values; `Pixel_size` is
in cm; sizes and centres are those of the tumour mask's box in the published image, before any
crop. What the table does not state stays null.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.errors import DataError, UserError
from busgen.real.breast_table import FILES, LESION_TERMS, NAME, describe, read_table
from busgen.real.reading import (
    DatasetInfo,
    Entry,
    Listing,
    Published,
    grey,
    load_pixels,
    once_each,
)

DATASET = DatasetInfo(
    name=NAME,
    citation="Pawłowska et al. 2024, Curated benchmark dataset for ultrasound based breast lesion "
    "analysis, Scientific Data 11:148",
    doi="10.1038/s41597-024-02984-z",
    licence="CC BY 4.0",
    weights_may_ship=True,
    pixels_may_show=True,
)
IMAGES = "BrEaST-Lesions_USG-images_and_masks"
WORKBOOK = "BrEaST-Lesions-USG-clinical-data*.xlsx"


def list_breast(path: Path) -> Listing:
    """Return what stands in the BrEaST folder `path`, in the table's order.

    Raises
    ------
    UserError
        If the folder has not the publisher's layout.
    DataError
        If the table has a term that BrEaST does not know, naming row and term.
    """
    source, images = _layout(path)
    rows = read_table(source)
    kept, left_out = once_each([(row["Image_filename"], row) for row in rows])
    entries = [Entry(name, partial(_load, row, images, describe(row))) for name, row in kept]
    left_out += [(name, "not in the clinical table") for name in _unlisted(rows, images)]
    return Listing(DATASET, entries, tuple(left_out))


def _layout(path: Path) -> tuple[Path, Path]:
    """Return the clinical table and the folder of pictures."""
    folders = [p for p in sorted(path.glob(f"{IMAGES}*")) if p.is_dir()]
    tables = [p for p in (path / "clinical.csv", *sorted(path.glob(WORKBOOK))) if p.is_file()]
    if not folders or not tables:
        raise UserError(
            f"a BrEaST folder must hold {IMAGES}/ and {WORKBOOK} or clinical.csv",
            str(path),
            "give the folder into which both were downloaded",
        )
    return tables[0], folders[0]


def _unlisted(rows: list[dict[str, str]], images: Path) -> list[str]:
    """Return pictures that no row names."""
    cells = "&".join(row[column] for row in rows for column in FILES)
    return sorted({path.name for path in images.glob("*.png")} - set(cells.split("&")))


def _load(row: dict[str, str], images: Path, described: dict[str, Any]) -> Published:
    """Return one picture with its mask and what the table describes."""
    pixels, mask = load_pixels(images / row["Image_filename"]), None
    stated = {key: value for key, value in described.items() if key != "notes"}
    notes = [*described["notes"], *_odd(pixels)]
    notes += [f"other lesions in the image: {n}" for n in _others(row)]
    if described["pathology"] != "normal":
        mask, odd = _mask(row["Mask_tumor_filename"], images, grey(pixels).shape)
        notes += odd
    elif row["Mask_tumor_filename"] or any(described[c] is not None for c in LESION_TERMS):
        raise DataError("a normal image must have no lesion", "mask or lesion terms", "restore")
    return Published(pixels, mask, stated, row["Mask_tumor_filename"], notes=tuple(notes))


def _odd(published: NDArray[np.uint8]) -> list[str]:
    """Return notes on the picture as published."""
    colour = published.ndim == 3 and bool(np.ptp(published[..., :3], axis=2).any())
    return ["colour made grey"] * colour


def _others(row: dict[str, str]) -> list[int]:
    """Return the number of other lesions with a mask, if there are any."""
    names = [name for name in row["Mask_other_filename"].split("&") if name]
    return [len(names)] if names else []


def _mask(name: str, images: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the (H, W) tumour mask {0, 1} from the colour channels, and notes on it."""
    if not name:
        raise DataError("a lesion must have a mask", "none in the table", "restore the table")
    pixels = load_pixels(images / name)
    if pixels.shape[:2] != shape:
        raise DataError(f"{name} must have its image's size {shape}", pixels.shape[:2], "restore")
    mask = (grey(pixels) > 127).astype(np.uint8)
    if not mask.any():
        raise DataError(f"{name} must show a lesion", "an empty mask", "restore the file")
    odd = pixels.ndim == 3 and pixels.shape[2] == 4 and not np.isin(pixels[..., 3], (0, 255)).all()
    return mask, ["alpha of the mask has odd values"] * odd
