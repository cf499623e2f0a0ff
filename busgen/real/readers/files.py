"""What readers share about published folders: roots, images, ids, tables, lesion masks.

In: the folder that a user gave, tables (CSV or xlsx) and masks (1-bit, grey, RGB or RGBA, one or
several an image) as published. Out: the dataset's root, its images in a fixed order, names that are
safe as ids (file names stay as published, Unicode and all); rows `{column: cell}`, cells stripped,
empty where nothing stands; (H, W) uint8 {0, 1} masks. A mask of another size or a damaged one is an
error, one that is not there is none: the image is still of use.
"""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

from busgen import schema
from busgen.arrays import Pixels
from busgen.errors import DataError, UserError
from busgen.imaging.decode import read_mask
from busgen.imaging.pairs import is_litter, natural_key

Row = dict[str, str]
SHOWN = 6  # names of what a folder holds instead
SPECK = 0.01  # of the largest part's area
OTHER_IMAGES = (".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".dcm")


def find_folder(path: Path, is_root: Callable[[Path], bool], rule: str, remedy: str) -> Path:
    """Return `path`, or the one folder directly in it, that has a publisher's layout.

    Raises `UserError` with `rule` and `remedy`, if there is none or more than one.
    """
    if is_root(path):
        return path
    held = [p for p in sorted(path.iterdir()) if not is_litter(p.name)]
    inside = [p for p in held if p.is_dir() and is_root(p)]
    if len(inside) != 1:
        names = [p.name for p in inside or held]
        some = ", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN)
        raise UserError(rule, f"{some or 'nothing'} in {path}", remedy)
    return inside[0]


def find_files(folder: Path, kinds: Sequence[str] = (".png",)) -> list[Path]:
    """Return the images directly in `folder`, PNG if not other `kinds`; no hidden ones.

    Numbers in their names are in order.
    """
    found = (p for p in folder.iterdir() if p.suffix.lower() in kinds and p.is_file())
    return sorted((p for p in found if not is_litter(p.name)), key=lambda p: natural_key(p.name))


def find_other(folder: Path) -> list[str]:
    """Return names of images directly in `folder` that are no PNG, which readers leave out."""
    return sorted(p.name for p in folder.iterdir() if p.suffix.lower() in OTHER_IMAGES)


def dataset_order(name: str) -> tuple[int, str]:
    """Return the sorting key of a dataset: public ones in their order, then others by name."""
    return schema.DATASETS.index(name) if name in schema.DATASETS else len(schema.DATASETS), name


def ascii_id(text: str) -> str:
    """Return `text` in ASCII letters, digits, `-` and `_`; what is lost is replaced by a hash."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_")
    if text.isascii():
        return slug
    normal = unicodedata.normalize("NFC", text)
    return f"{slug}-{hashlib.blake2b(normal.encode(), digest_size=4).hexdigest()}"


def read_rows(path: Path, columns: Sequence[str], separator: str = ",") -> list[Row]:
    """Return the rows of a CSV (UTF-8, with or without BOM) or of an xlsx's first sheet.

    Raises `DataError` if the table cannot be read, has no rows, or lacks one of `columns`.
    """
    if path.suffix.lower() == ".csv":
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, delimiter=separator, strict=True)
                found = [list(row.items()) for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{path.name} must be a UTF-8 CSV", error, "restore the file"
            ) from error
    else:
        header, *lines = read_sheet(path) or [()]
        found = [list(zip(map(str, header), line, strict=False)) for line in lines]
    rows = [{str(k): "" if v is None else str(v).strip() for k, v in row} for row in found]
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing or not rows:
        rule = f"{path.name} must have rows and the publisher's columns"
        got = f"no {', '.join(missing) or 'rows'}"
        raise DataError(rule, got, "use the publisher's table unchanged")
    return rows


def find_separator(table: Path) -> str:
    """Return which of comma, semicolon and tab a table's first line has most often."""
    with table.open("rb") as file:
        return max(",;\t", key=file.readline().decode("utf-8", "replace").count)


def refuse(row: Row, column: str, name: str) -> NoReturn:
    """Raise `DataError` about a cell that holds none of the publisher's terms."""
    rule = f"{column} of {name} must be one of the publisher's terms"
    raise DataError(rule, repr(row[column]), "use the publisher's table unchanged")


def read_sheet(path: Path) -> list[tuple[object, ...]]:
    """Return the rows of an xlsx's first sheet that hold anything; `DataError` if it is broken."""
    import openpyxl

    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            return [row for row in book.worksheets[0].iter_rows(values_only=True) if any(row)]
    except Exception as error:  # openpyxl lets zip, XML and key errors of bad files through
        raise DataError(f"{path.name} must be a readable workbook", error, "restore it") from error


def to_levels(pixels: Pixels) -> Pixels:
    """Return (H, W) uint8: a mask's brightest colour channel; levels 0 and 1 become 0 and 255.

    Opacity is ignored: publishers' masks are opaque all over, or have odd alphas.
    """
    colours = pixels if pixels.ndim == 3 else pixels[..., None]
    colours = colours[..., :-1] if colours.shape[2] in (2, 4) else colours
    level: Pixels = np.maximum.reduce([colours[..., k] for k in range(colours.shape[2])])
    return np.asarray(level * np.uint8(255 if level.max(initial=0) == 1 else 1), np.uint8)


def to_binary(pixels: Pixels) -> Pixels:
    """Return (H, W) {0, 1}: where `to_levels` are above 127."""
    return (to_levels(pixels) > 127).astype(np.uint8)


def clean_mask(mask: Pixels) -> tuple[Pixels, int, int]:
    """Return an (H, W) {0, 1} mask without specks, and how many parts and specks it has.

    Parts are 8-connected; a speck is one below `SPECK` of the largest part's area: a slip of the
    drawing tool that would stretch the lesion's box.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    area = stats[1:, cv2.CC_STAT_AREA]
    large = area >= SPECK * area.max(initial=0)
    kept = np.concatenate([[False], large])[labels].astype(np.uint8)
    return kept, int(large.sum()), int((~large).sum())


def require_size(name: str, pixels: Pixels, shape: tuple[int, ...]) -> None:
    """Raise `DataError` if the mask `name` has not its image's (H, W)."""
    if pixels.shape[:2] != shape[:2]:
        rule = f"{name} must have its image's size {shape[:2]}"
        raise DataError(rule, pixels.shape[:2], "restore the files")


def load_union(paths: Sequence[Path], shape: tuple[int, ...]) -> Pixels | None:
    """Return the union (H, W) {0, 1} of the masks in files, None if there are no paths.

    Raises `DataError` if a file is missing, damaged or has another size than `shape`.
    """
    masks = []
    for path in paths:
        mask = read_mask(path)
        require_size(path.name, mask, shape)
        masks.append(mask)
    return np.maximum.reduce(masks) if masks else None


def drop_repeats(
    rows: Sequence[tuple[str, dict[str, str]]],
) -> tuple[list[tuple[str, dict[str, str]]], list[tuple[str, str]]]:
    """Return rows `(source_file, cells)` with every file once, and what was dropped.

    Equal rows are one; rows that contradict each other are all left out: none can be trusted.
    """
    groups: dict[str, list[dict[str, str]]] = {}
    for name, cells in rows:
        groups.setdefault(name, []).append(cells)
    kept, dropped = [], []
    for name, copies in groups.items():
        if any(copy != copies[0] for copy in copies):
            dropped.append((name, f"{len(copies)} rows that contradict each other"))
            continue
        kept.append((name, copies[0]))
        dropped += [(name, "row repeated")] * (len(copies) - 1)
    return kept, dropped
