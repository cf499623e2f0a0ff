"""Reader of BUS-UCLM (Vallez 2025) in its publisher's layout.

In: the folder with `images/`, `masks/` and `INFO.csv`. Out: a listing in the table's order. A
name's four letters are the patient; all images come from one scanner. Masks are black with green
for benign and red for malignant: where their colour and the label disagree, both are kept and
flagged. Images that were cropped after their masks were drawn (HESN_002 to HESN_005) have another
size than these and are left out.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from busgen import schema
from busgen.arrays import Pixels
from busgen.errors import DataError
from busgen.imaging.decode import Entry, Listing, PublishedImage, load_image
from busgen.real.readers import files
from busgen.real.readers.files import Row, drop_repeats, find_files, find_folder, find_other, refuse

TABLE, IMAGES, MASKS = "INFO.csv", "images", "masks"
COLUMNS = ("Image", "Label", "Doppler", "Marks", "Combined")
SCANNER = "Siemens ACUSON S2000"  # the paper's methods
YES_NO = {"yes": True, "y": True, "no": False, "n": False}
SAME_PATIENT = {"CHCO": "CHVI"}  # its images are pixel copies of the other's
GREEN, RED = (0, 255, 0), (255, 0, 0)


def list_images(path: Path) -> Listing:
    """Return what stands in the BUS-UCLM folder `path`; raises as `registry.list_images`."""
    root = find_folder(
        path,
        lambda p: (p / TABLE).is_file() and (p / IMAGES).is_dir() and (p / MASKS).is_dir(),
        f"a BUS-UCLM folder must hold {IMAGES}/, {MASKS}/ and {TABLE}",
        "give the unpacked download",
    )
    rows = files.read_rows(root / TABLE, COLUMNS, separator=";")
    kept, left_out = drop_repeats([(f"{IMAGES}/{_file(row)}", row) for row in rows])
    entries = [Entry(name, partial(_load, row, root, describe(row))) for name, row in kept]
    names = {_file(row) for row in rows}
    for folder, reason in ((IMAGES, f"not in {TABLE}"), (MASKS, "a mask without its image")):
        stray = [p.name for p in find_files(root / folder) if p.name not in names]
        left_out += [(f"{folder}/{name}", reason) for name in stray]
        left_out += [(f"{folder}/{name}", "no PNG") for name in find_other(root / folder)]
    return Listing(entries, tuple(left_out))


def _file(row: Row) -> str:
    return row["Image"] if row["Image"].lower().endswith(".png") else f"{row['Image']}.png"


def describe(row: Row) -> dict[str, Any]:
    """Return what the table states about one image: canonical columns, `flags` and `notes`.

    Raises `DataError` if a cell is none of BUS-UCLM's terms, naming row and term.
    """
    stem, pathology = Path(_file(row)).stem, row["Label"].lower()
    patient = stem.split("_")[0]
    phrases = {}
    for name in ("Doppler", "Marks", "Combined"):
        cell = row[name].lower()
        phrases[name] = YES_NO[cell] if cell in YES_NO else refuse(row, name, row["Image"])
    notes = [f"publisher says: {name.lower()}" for name, yes in phrases.items() if yes]
    if patient in SAME_PATIENT:
        notes.append(f"patient {patient} is {SAME_PATIENT[patient]}")
    return {
        "sample_id": f"bus_uclm-{files.ascii_id(stem)}",
        "patient_id": f"bus_uclm-{files.ascii_id(SAME_PATIENT.get(patient, patient))}",
        "pathology": pathology
        if pathology in schema.PATHOLOGIES
        else refuse(row, "Label", row["Image"]),
        "scanner": SCANNER,
        "flags": ["colour_doppler"] if phrases["Doppler"] else [],
        "notes": notes,
    }


def _load(row: Row, root: Path, described: dict[str, Any]) -> PublishedImage:
    pixels, odd = load_image(root / IMAGES / _file(row))
    stated = {key: described[key] for key in described if key not in ("flags", "notes")}
    flags, notes = [*described["flags"]], [*described["notes"], *odd]
    mask, path = None, root / MASKS / _file(row)
    if path.is_file():
        mask, classes = read_mask(path, pixels.shape)
        if classes - {stated["pathology"]}:
            flags.append("label_conflict")
            notes.append(f"the mask's colour says {' and '.join(sorted(classes))}")
    return PublishedImage(pixels, mask, stated, path.name, tuple(flags), tuple(notes))


def read_mask(path: Path, shape: tuple[int, ...]) -> tuple[Pixels, set[str]]:
    """Return the (H, W) mask {0, 1} of all lesions, and the classes that its colours name.

    Raises `DataError` if the mask is damaged, has another size, or colours other than black, green
    and red.
    """
    pixels = load_image(path)[0]
    files.require_size(path.name, pixels, shape)
    mask = files.to_binary(pixels)
    if not mask.any():
        return mask, set()
    colours = pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] > 2 else None
    painted = [] if colours is None else np.unique(colours[mask > 0], axis=0).tolist()
    if colours is None or any(tuple(colour) not in (GREEN, RED) for colour in painted):
        got = painted[:3] or "grey levels"
        raise DataError(f"{path.name} must be black, green and red", got, "restore the file")
    names = {GREEN: "benign", RED: "malignant"}
    return mask, {names[colour[0], colour[1], colour[2]] for colour in painted}
