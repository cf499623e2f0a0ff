"""What readers share about published folders: roots, images, ids, tables, lesion masks, pairs.

In: the folder that a user gave, tables (CSV or xlsx) and masks (1-bit, grey, RGB or RGBA, one or
several an image) as published. Out: the dataset's root, its images in a fixed order, names that are
safe as ids (file names stay as published, Unicode and all); rows `{column: cell}`, cells stripped,
empty where nothing stands; (H, W) uint8 {0, 1} masks. A mask of another size or a damaged one is an
error, one that is not there is none: the image is still of use. Of a folder of any layout, which
files are images, which are masks, and whose: these are `NAME_mask.png` beside `NAME.png`, several
of one image too, or files of the same name in a folder `masks`.
"""

import csv
import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

from busgen import schema
from busgen.arrays import Pixels
from busgen.errors import DataError, UserError
from busgen.imaging.decode import load_image

Row = dict[str, str]
SPECK = 0.01  # of the largest part's area
OTHER_IMAGES = (".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".dcm")
KINDS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
MASK_FOLDERS = {"mask", "masks", "segmentation", "segmentations", "gt", "ground_truth"}
MASK_NAME = re.compile(r"(.+?)[_-](?:mask|seg|segmentation|tumou?r|gt)(?:[_-]?\d+)?", re.I)


def find_folder(path: Path, is_root: Callable[[Path], bool], rule: str, remedy: str) -> Path:
    """Return `path`, or the one folder directly in it, that has a publisher's layout.

    Raises `UserError` with `rule` and `remedy`, if there is none or more than one.
    """
    if is_root(path):
        return path
    inside = [p for p in sorted(path.iterdir()) if p.is_dir() and not _is_litter(p.name)]
    inside = [p for p in inside if is_root(p)]
    if len(inside) != 1:
        found = ", ".join(p.name for p in inside) or "none"
        raise UserError(rule, f"{found} in {path}", remedy)
    return inside[0]


def find_files(folder: Path) -> list[Path]:
    """Return the PNG files directly in `folder`, numbers in order; no hidden ones."""
    found = (p for p in folder.iterdir() if p.suffix.lower() == ".png" and p.is_file())
    return sorted((p for p in found if not _is_litter(p.name)), key=lambda p: natural_key(p.name))


def find_other(folder: Path) -> list[str]:
    """Return names of images directly in `folder` that are no PNG, which readers leave out."""
    return sorted(p.name for p in folder.iterdir() if p.suffix.lower() in OTHER_IMAGES)


def dataset_order(name: str) -> tuple[int, str]:
    """Return the sorting key of a dataset: public ones in their order, then others by name."""
    return schema.DATASETS.index(name) if name in schema.DATASETS else len(schema.DATASETS), name


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sorting key by which 2 comes before 10, whatever the Unicode form."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return [int(part) if part.isdecimal() else part for part in parts], name


def ascii_id(text: str) -> str:
    """Return `text` in ASCII letters, digits, `-` and `_`; what is lost is replaced by a hash."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_")
    if text.isascii():
        return slug
    normal = unicodedata.normalize("NFC", text)
    return f"{slug}-{hashlib.blake2b(normal.encode(), digest_size=4).hexdigest()}"


def _is_litter(name: str) -> bool:
    """Return whether an operating system left it: resource forks, archives' own folders."""
    return name.startswith((".", "__MACOSX"))


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
        pixels = load_image(path)[0]
        require_size(path.name, pixels, shape)
        masks.append(to_binary(pixels))
    return np.maximum.reduce(masks) if masks else None


def list_files(path: Path) -> list[Path]:
    """Return the image files below a folder, relative to it, in the order of names."""
    found = (
        p.relative_to(path) for p in path.rglob("*") if p.suffix.lower() in KINDS and p.is_file()
    )
    visible = [p for p in found if not any(map(_is_litter, p.parts))]
    return sorted(visible, key=lambda p: natural_key(p.as_posix()))


def match_pairs(files: Sequence[Path]) -> tuple[list[Path], dict[Path, list[Path]]]:
    """Return images, and the masks of each that has any, of relative paths of both."""
    masks = [file for file in files if {part.lower() for part in file.parts[:-1]} & MASK_FOLDERS]
    rest = [file for file in files if not {part.lower() for part in file.parts[:-1]} & MASK_FOLDERS]
    known = {(file.parent, file.stem) for file in rest}
    reference = {
        file: base for file in rest if (base := _base(file)) and (file.parent, base) in known
    }
    images = [file for file in rest if file not in reference]
    places = {key: image for image in reversed(images) for key in _places(image)}
    found: dict[Path, list[Path]] = defaultdict(list)
    for mask, base in reference.items():
        found[places[mask.parent, Path(base)]].append(mask)
    for mask in masks:
        image = next((places[key] for key in _mask_places(mask) if key in places), None)
        if image is not None:
            found[image].append(mask)
    return images, dict(found)


def _base(file: Path) -> str | None:
    match = MASK_NAME.fullmatch(file.stem)
    return match[1] if match else None


def _places(image: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (folder, name within) under which a mask may look for an image.

    Its own folder first, then with any folder on the way left out: `a/images/b/x` is `b/x` of `a`.
    """
    parts = image.with_suffix("").parts
    yield Path(*parts[:-1]), Path(parts[-1])
    for k in range(len(parts) - 1):
        yield Path(*parts[:k]), Path(*parts[k + 1 :])


def _mask_places(mask: Path) -> Iterator[tuple[Path, Path]]:
    """Yield where the image of a mask in a mask folder may be."""
    parts = mask.parts
    k = next(n for n, part in enumerate(parts) if part.lower() in MASK_FOLDERS)
    within = Path(*parts[k + 1 :])
    for name in (within.stem, _base(within)):
        if name is not None:
            yield Path(*parts[:k]), within.parent / name
