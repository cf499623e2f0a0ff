"""Reader of BrEaST (Pawlowska 2024) in its publisher's layout.

In: the folder with the clinical table (`clinical.csv`, else the publisher's xlsx) and the folder
of images and masks (or the folder above). Out: a listing in the table's order, terms turned into
the lexicon's. The tumour's mask is the lesion; masks of other lesions are only counted. Cells
joined by `&` hold several values, `Pixel_size` is in cm. What the table does not state stays null;
an unknown term is an error, never a guess.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from busgen import schema
from busgen.errors import DataError
from busgen.imaging.decode import Entry, Listing, PublishedImage, load_image
from busgen.io import read_toml
from busgen.real.readers import files
from busgen.real.readers.files import Row, drop_repeats, find_files, find_folder, find_other, refuse

NAME = "breast"
UNKNOWN = ("", "not available", "not applicable", "indefinable")
# Published term -> the lexicon's; "not applicable" stands only where there is no lesion.
TERMS: dict[str, dict[str, str]] = read_toml(Path(__file__).with_suffix(".toml"))
YES_NO: dict[str | None, bool | None] = {"yes": True, "no": False, None: None}
MAX_AGE = 120
LESION_TERMS = ("shape", "margin", "echo_pattern", "posterior", "halo", "calcification")
FILES = ("Image_filename", "Mask_tumor_filename", "Mask_other_filename")
COLUMNS = ("CaseID", *FILES, "Pixel_size", "Age", "Margin", "Diagnosis", *TERMS)
IMAGES = "BrEaST-Lesions_USG-images_and_masks"
WORKBOOK = "BrEaST-Lesions-USG-clinical-data*.xlsx"


def list_images(path: Path) -> Listing:
    """Return what stands in the BrEaST folder `path`; raises as `registry.list_images`."""
    source, images = _layout(path)
    rows = files.read_rows(source, COLUMNS)
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
        files.require_size(name, published, pixels.shape)
        mask = files.to_binary(published)
        alpha = published[..., 3] if published.ndim == 3 and published.shape[2] == 4 else ()
        notes += ["alpha of the mask has odd values"] * (not np.isin(alpha, (0, 255)).all())
    return PublishedImage(pixels, mask, stated, name or None, notes=tuple(notes))


def describe(row: Row) -> dict[str, Any]:
    """Return what the table states about one image; `DataError` for a term that it cannot have."""
    case, notes = Path(row["Image_filename"]).stem, list[str]()
    return {
        "sample_id": f"{NAME}-{case}",
        "patient_id": f"{NAME}-{case}",  # one image a patient
        "pathology": _term(row, "Classification", notes)
        or refuse(row, "Classification", f"case {row['CaseID']}"),
        "birads": (birads := _term(row, "BIRADS", notes)),
        "birads_category": birads and birads[0],
        "tissue": _tissue(row, notes),
        "shape": _term(row, "Shape", notes),
        "margin": _margin(row),
        "echo_pattern": _term(row, "Echogenicity", notes),
        "posterior": _term(row, "Posterior_features", notes),
        "halo": YES_NO[_term(row, "Halo", notes)],
        "calcification": _term(row, "Calcifications", notes),
        "age": _age(row),
        "diagnosis": None if row["Diagnosis"] in UNKNOWN else row["Diagnosis"],
        "pixel_mm": _pixel_mm(row, notes),
        "notes": notes + ["skin thickening"] * (_term(row, "Skin_thickening", notes) == "yes"),
    }


def _term(row: Row, column: str, notes: list[str]) -> str | None:
    """Return the lexicon's term for a cell, None for unknown; note what has no lexicon term."""
    cell = row[column]
    if cell == "indefinable":
        notes.append(f"{column.lower()} indefinable")
    if cell in UNKNOWN:
        return None
    return TERMS[column].get(cell) or refuse(row, column, f"case {row['CaseID']}")


def _tissue(row: Row, notes: list[str]) -> str | None:
    """Return the composition; lactation is no composition, so it becomes a note."""
    parts = row["Tissue_composition"].split("&")
    if "lactating" in parts:
        notes.append("lactating")
    rest = "&".join(part for part in parts if part != "lactating")
    return _term({**row, "Tissue_composition": rest}, "Tissue_composition", notes)


def _margin(row: Row) -> list[str] | None:
    """Return margin terms in lexicon order."""
    cell = row["Margin"]
    if cell in UNKNOWN:
        return None
    kind, _, terms = cell.partition(" - ")
    found = [kind] if kind == "circumscribed" else terms.split("&")
    known = kind == "not circumscribed" or not terms
    if not known or any(term not in schema.MARGINS for term in found):
        refuse(row, "Margin", f"case {row['CaseID']}")
    return [term for term in schema.MARGINS if term in found]


def _age(row: Row) -> int | None:
    if row["Age"] in UNKNOWN:
        return None
    if not row["Age"].isdecimal() or int(row["Age"]) > MAX_AGE:
        refuse(row, "Age", f"case {row['CaseID']}")
    return int(row["Age"])


def _pixel_mm(row: Row, notes: list[str]) -> float | None:
    """Return millimetres a pixel; the table states centimetres."""
    if row["Pixel_size"] in UNKNOWN:
        notes.append("pixel size not stated")
        return None
    try:
        pixel_mm = round(10 * float(row["Pixel_size"]), 9)
    except ValueError:
        pixel_mm = 0.0
    low, high = schema.BY_NAME["pixel_mm"].range or (0.0, 1.0)
    if not low <= pixel_mm <= high:
        refuse(row, "Pixel_size", f"case {row['CaseID']}")
    return pixel_mm
