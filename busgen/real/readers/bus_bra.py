"""Reader of BUS-BRA (Gómez-Flores 2024) in its publisher's layout.

In: the folder with `Images/`, `Masks/` and `bus_data.csv`. Out: a listing in the table's order.
`Case` is the patient (up to two views), `Device` the scanner, `Histology` the diagnosis. BI-RADS 4
is not subdivided. No pixel size is published. `Width`, `Height` and `BBOX` (first column and row
from 1, then last minus first) are only compared with the images, which are right where they
differ.
"""

from functools import partial
from pathlib import Path
from typing import Any

from busgen import schema
from busgen.arrays import Pixels
from busgen.imaging import decode
from busgen.imaging.decode import Entry, Listing, PublishedImage, load_image
from busgen.io import parse_json
from busgen.real.readers import files
from busgen.real.readers.files import Row, drop_repeats, find_files, find_folder, find_other, refuse

COLUMNS = ("ID", "Case", "Histology", "Pathology", "BIRADS", "Device", "Width", "Height", "BBOX")
TABLE, IMAGES, MASKS = "bus_data.csv", "Images", "Masks"


def list_images(path: Path) -> Listing:
    """Return what stands in the BUS-BRA folder `path`; raises as `registry.list_images`."""
    root = find_folder(
        path,
        lambda p: (p / TABLE).is_file() and (p / IMAGES).is_dir() and (p / MASKS).is_dir(),
        f"a BUS-BRA folder must hold {IMAGES}/, {MASKS}/ and {TABLE}",
        "give the unpacked download",
    )
    rows = files.read_rows(root / TABLE, COLUMNS)
    kept, left_out = drop_repeats([(f"{IMAGES}/{row['ID']}.png", row) for row in rows])
    entries = [Entry(name, partial(_load, row, root, describe(row))) for name, row in kept]
    ids = {row["ID"] for row in rows}
    for folder, reason in ((IMAGES, f"not in {TABLE}"), (MASKS, "a mask without its image")):
        # mask_0001-l belongs to bus_0001-l
        found = find_files(root / folder)
        stray = [p.name for p in found if p.stem.replace("mask_", "bus_", 1) not in ids]
        left_out += [(f"{folder}/{name}", reason) for name in stray]
        left_out += [(f"{folder}/{name}", "no PNG") for name in find_other(root / folder)]
    return Listing(entries, tuple(left_out))


def describe(row: Row) -> dict[str, Any]:
    """Return what the table states about one image; `DataError` for a term that it cannot have."""
    if row["Pathology"] not in ("benign", "malignant"):
        refuse(row, "Pathology", row["ID"])
    category = row["BIRADS"]
    if category not in schema.BIRADS_CATEGORIES:
        refuse(row, "BIRADS", row["ID"])
    if not row["Case"].isdecimal():
        refuse(row, "Case", row["ID"])
    return {
        "sample_id": f"bus_bra-{files.ascii_id(row['ID'].removeprefix('bus_'))}",
        "patient_id": f"bus_bra-{int(row['Case']):04d}",
        "pathology": row["Pathology"],
        "birads": category if category in schema.BIRADS else None,
        "birads_category": category,
        "diagnosis": row["Histology"] or None,
        "scanner": schema.scanner_of(row["Device"], "bus_bra") if row["Device"] else None,
    }


def _load(row: Row, root: Path, stated: dict[str, Any]) -> PublishedImage:
    pixels, notes = load_image(root / IMAGES / f"{row['ID']}.png")
    path = root / MASKS / f"{row['ID'].replace('bus_', 'mask_', 1)}.png"
    mask = files.load_union([path] if path.is_file() else [], pixels.shape)
    notes = (*notes, *_odd(row, pixels.shape, mask))
    return PublishedImage(pixels, mask, stated, path.name, notes=notes)


def _odd(row: Row, shape: tuple[int, ...], mask: Pixels | None) -> list[str]:
    """Return notes on what the table says otherwise than the images."""
    notes = []
    if (row["Height"], row["Width"]) != (str(shape[0]), str(shape[1])):
        notes.append("size in the table is wrong")
    box = None if mask is None else decode.bounding_box(mask)
    if box and _box(row["BBOX"]) != [box.col + 1, box.row + 1, box.width - 1, box.height - 1]:
        notes.append("box in the table is wrong")
    return notes


def _box(cell: str) -> object:
    try:
        return parse_json(cell)
    except ValueError:
        return None
