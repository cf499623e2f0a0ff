"""Reader of BrEaST (Pawlowska 2024) in its publisher's layout.

In: the folder with the clinical table (`clinical.csv`, else the publisher's xlsx) and the folder
of images and masks (or the folder above). Out: a listing in the table's order. The tumour's mask
is the lesion; masks of other lesions are only counted. What the table does not state stays null.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from busgen.errors import DataError
from busgen.imaging.decode import Entry, Listing, PublishedImage, drop_repeats, load_image
from busgen.real.readers.breast_table import COLUMNS, FILES, LESION_TERMS, describe
from busgen.real.readers.files import (
    Row,
    find_files,
    find_folder,
    find_other,
    read_rows,
    require_size,
    to_binary,
)

IMAGES = "BrEaST-Lesions_USG-images_and_masks"
WORKBOOK = "BrEaST-Lesions-USG-clinical-data*.xlsx"


def list_images(path: Path) -> Listing:
    """Return what stands in the BrEaST folder `path`; raises as `registry.list_images`."""
    source, images = _layout(path)
    rows = read_rows(source, COLUMNS)
    kept, left_out = drop_repeats([(row["Image_filename"], row) for row in rows])
    entries = [Entry(name, partial(_load, row, images, describe(row))) for name, row in kept]
    listed = set("&".join(row[column] for row in rows for column in FILES).split("&"))
    unlisted = {p.name for p in find_files(images)} - listed
    left_out += [(name, "not in the clinical table") for name in sorted(unlisted)]
    left_out += [(name, "no PNG") for name in find_other(images)]
    return Listing(entries, tuple(left_out))


def _layout(path: Path) -> tuple[Path, Path]:
    """Return the clinical table and the folder of images."""

    def images(root: Path) -> list[Path]:
        return [p for p in sorted(root.glob(f"{IMAGES}*")) if p.is_dir()]

    def tables(root: Path) -> list[Path]:
        return [p for p in (root / "clinical.csv", *sorted(root.glob(WORKBOOK))) if p.is_file()]

    root = find_folder(
        path,
        lambda folder: bool(images(folder) and tables(folder)),
        f"a BrEaST folder must hold {IMAGES}/ and {WORKBOOK} or clinical.csv",
        "give the folder into which both were downloaded",
    )
    return tables(root)[0], images(root)[0]


def _load(row: Row, images: Path, described: dict[str, Any]) -> PublishedImage:
    """Return one image with its mask and what the table describes."""
    stated = {key: value for key, value in described.items() if key != "notes"}
    name, others = row["Mask_tumor_filename"], row["Mask_other_filename"]
    if described["pathology"] == "normal" and (
        name or any(described[term] is not None for term in LESION_TERMS)
    ):
        raise DataError("a normal image must have no lesion", "mask or lesion terms", "restore")
    pixels, odd = load_image(images / row["Image_filename"])
    notes = [*described["notes"], *odd]
    notes += [f"other lesions in the image: {others.count('.png')}"] if others else []
    mask = None
    if name and (images / name).is_file():
        published = load_image(images / name)[0]
        require_size(name, published, pixels.shape)
        mask = to_binary(published)
        alpha = published[..., 3] if published.ndim == 3 and published.shape[2] == 4 else ()
        notes += ["alpha of the mask has odd values"] * (not np.isin(alpha, (0, 255)).all())
    return PublishedImage(pixels, mask, stated, name or None, notes=tuple(notes))
