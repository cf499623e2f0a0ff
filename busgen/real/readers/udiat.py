"""Reader of UDIAT, "Dataset B" (Yap 2018), in its publisher's layout.

In: the folder with `original/`, `GT/` and `DatasetB.xlsx`, or with the images in folders `Benign`
and `Malignant` (anywhere beside `GT`). Out: a listing in the order of numbers. The owners give it
on request only and it may not be passed on. No patients are published; all images come from one
scanner.
"""

import re
from functools import partial
from pathlib import Path

from busgen.errors import DataError, UserError
from busgen.imaging.decode import Entry, Listing, PublishedImage, load_image
from busgen.real.readers.files import find_files, find_folder, find_other, load_union, read_sheet

MASKS, WORKBOOK = "gt", "*.xlsx"
SCANNER = "Siemens ACUSON Sequoia C512"  # the paper's section II
CLASSES = ("benign", "malignant")
NUMBER = re.compile(r"(\d+)(\.0)?(\.png)?\Z", re.IGNORECASE)


def list_images(path: Path) -> Listing:
    """Return what stands in the UDIAT folder `path`; raises as `registry.list_images`."""
    root = find_folder(
        path,
        lambda p: any(d.name.lower() == MASKS for d in _folders(p)),
        "a UDIAT folder must hold images and their masks in GT/",
        "give the folder with original/, GT/ and DatasetB.xlsx",
    )
    files = [file for folder in _below(root) for file in find_files(folder)]
    images, masks = _by_number(files, root, masks=False), _by_number(files, root, masks=True)
    labels = _labels(root, images)
    entries = [
        Entry(_name(copies[0], root), partial(_load, copies, masks.pop(n, []), labels.pop(n)))
        for n, copies in images.items()
    ]
    left_out = [(_name(f, root), "a mask without its image") for fs in masks.values() for f in fs]
    left_out += [(f"{number:06d}", "in the workbook, but no image") for number in sorted(labels)]
    odd = [file for file in files if not file.stem.isdecimal()]
    left_out += [(_name(file, root), "a name that is no number") for file in odd]
    left_out += [(_name(d / name, root), "no PNG") for d in _below(root) for name in find_other(d)]
    return Listing(entries, tuple(left_out))


def _folders(root: Path) -> list[Path]:
    return [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith((".", "__"))]


def _below(root: Path) -> list[Path]:
    """Return the folders in `root`, and those in them."""
    return [folder for inner in _folders(root) for folder in (inner, *_below(inner))]


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()


def _by_number(files: list[Path], root: Path, *, masks: bool) -> dict[int, list[Path]]:
    """Return images or masks by the number that their names consist of, in its order."""
    found: dict[int, list[Path]] = {}
    for file in files:
        if file.stem.isdecimal() and (MASKS in _name(file, root).lower().split("/")[:-1]) is masks:
            found.setdefault(int(file.stem), []).append(file)
    return dict(sorted(found.items()))


def _labels(root: Path, images: dict[int, list[Path]]) -> dict[int, set[str]]:
    """Return the classes that the workbook and the images' folders name, by number."""
    labels = _sheet(root)
    for number, copies in images.items():
        folders = {x for file in copies for x in _name(file, root).lower().split("/")[:-1]}
        labels.setdefault(number, set()).update(folders & set(CLASSES))
    if not any(labels.values()):
        rule = "UDIAT images must have labels"
        got = f"neither {WORKBOOK} nor folders Benign and Malignant in {root}"
        raise UserError(rule, got, "put DatasetB.xlsx beside original/ and GT/")
    return labels


def _sheet(root: Path) -> dict[int, set[str]]:
    """Return what the workbook says by number; a row is known by what stands in its cells.

    How its columns are named is not published; rows without a class are headings.
    """
    labels: dict[int, set[str]] = {}
    for book in sorted(p for p in root.glob(WORKBOOK) if not p.name.startswith((".", "~"))):
        for row in read_sheet(book):
            cells = [str(cell).strip() for cell in row if cell is not None]
            terms = {cell.lower() for cell in cells} & set(CLASSES)
            numbers = [int(match[1]) for cell in cells if (match := NUMBER.match(cell))]
            if terms and not numbers:
                rule = f"a row of {book.name} must name its image"
                raise DataError(rule, cells, "use the publisher's workbook unchanged")
            if terms:
                labels.setdefault(numbers[0], set()).update(terms)
    return labels


def _load(images: list[Path], masks: list[Path], labels: set[str]) -> PublishedImage:
    if len(images) > 1 or len(masks) > 1:
        got = ", ".join(f"{p.parent.name}/{p.name}" for p in (*images, *masks))
        raise DataError("a number must have one image and one mask", got, "remove the others")
    if len(labels) != 1:
        phrases = " and ".join(sorted(labels)) or "none"
        raise DataError("an image must have one label", phrases, "restore the workbook and folders")
    pixels, notes = load_image(images[0])
    identity = f"udiat-{int(images[0].stem):06d}"
    stated = {"sample_id": identity, "patient_id": identity, "scanner": SCANNER}
    mask = load_union(masks, pixels.shape)
    name = masks[0].name if masks else None
    return PublishedImage(pixels, mask, stated | {"pathology": min(labels)}, name, notes=notes)
