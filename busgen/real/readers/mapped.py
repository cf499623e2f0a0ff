"""Reader of any other dataset, by a map: a short file that says what is where in it.

In: the folder, and a YAML file (`DatasetMap`). Out: a listing in the order of names. Nothing is
guessed: a cell that is no term, and that the map does not translate, leaves its image out, with
the reason. A map is proposed too, as names, folders and table suggest it, for a person to check.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.imaging.decode import DatasetInfo, Entry, Listing, PublishedImage, load_image
from busgen.imaging.pairs import KINDS, list_files, match_pairs, natural_key
from busgen.io import read_toml
from busgen.params.real import DatasetMap
from busgen.real.readers.files import Row, ascii_id, find_separator, load_union, read_rows

YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_SEPARATORS = re.compile(r"\s*[|,;&]\s*")
TABLES = (".csv", ".xlsx")
_WORDS = read_toml(Path(__file__).with_suffix(".toml"))
NAMES: dict[str, list[str]] = _WORDS["names"]
CLASSES: dict[str, str] = _WORDS["classes"]
ENOUGH = 0.9  # share of rows that must name an image


def origin_of(given: DatasetMap) -> DatasetInfo:
    """Return origin and licence as a map states them."""
    return DatasetInfo(**{field.name: getattr(given, field.name) for field in fields(DatasetInfo)})


def list_images(path: Path, given: DatasetMap) -> Listing:
    """Return what the folder holds by the map; raises as `registry.list_images`."""
    files = list_files(path)
    pairs = match_pairs(files)
    images, masks = pairs.images, pairs.masks
    chosen = {p.relative_to(path) for p in path.glob(given.images) if p.suffix.lower() in KINDS}
    if given.masks is not None:
        found = {image: _find_masks(path, given.masks, image) for image in chosen}
        used = Counter(mask for own in found.values() for mask in own)
        if shared := [mask.as_posix() for mask, count in used.items() if count > 1]:
            rule = "a mask must be of one image"
            raise UserError(rule, f"{shared[0]} by {given.masks}", "name masks more exactly")
        images, masks = [file for file in files if file in chosen - set(used)], found
    else:
        images = [image for image in images if image in chosen]
    if not images:
        rule = f"images of {given.name} must lie where its map says ({given.images})"
        raise UserError(rule, f"none in {path}", f"images are {', '.join(KINDS)}")
    rows = _read_table(path, given, images)
    entries = [
        Entry(image.as_posix(), partial(_load, path, image, masks.get(image, ()), given, rows))
        for image in images
    ]
    known = {*images, *(mask for own in masks.values() for mask in own)}
    left_out = [(file.as_posix(), "neither an image nor a mask of one, by the map")
                for file in files if file not in known]  # fmt: skip
    return Listing(entries, tuple(left_out))


def _find_masks(path: Path, pattern: str, image: Path) -> list[Path]:
    """Return the masks of an image, relative to the folder, in order."""
    names = {"parent": image.parent.as_posix(), "name": image.name, "stem": image.stem}
    try:
        glob = pattern.format(**{key: re.sub(r"([*?\[])", r"[\1]", v) for key, v in names.items()})
    except (KeyError, IndexError, ValueError) as error:
        rule = "masks must be named by {parent}, {name} and {stem} of the image"
        raise UserError(rule, pattern, "e.g. masks/{stem}_mask.png") from error
    found = (p.relative_to(path) for p in path.glob(glob.removeprefix("./")) if p.is_file())
    return sorted((p for p in found if p != image), key=lambda p: natural_key(p.as_posix()))


def _read_table(path: Path, given: DatasetMap, images: Sequence[Path]) -> dict[Path, list[Row]]:
    """Return the table's rows by image; `UserError` unless it names an image."""
    if given.table is None or given.file is None:
        return {}
    wanted = [given.file, *(cells.column for cells in given.columns.values())]
    if not (path / given.table).is_file():
        raise UserError("a map's table must be there", str(path / given.table), "mend table")
    separator = find_separator(path / given.table)
    rows = defaultdict[str, list[Row]](list)
    for row in read_rows(path / given.table, wanted, separator):
        rows[row[given.file]].append(row)
    short = Counter(name for image in images for name in {image.name, image.stem})
    found: dict[Path, list[Row]] = {}
    for image in images:  # a name that several images have names none
        names = (image.as_posix(), *(n for n in (image.name, image.stem) if short[n] == 1))
        if own := [row for name in dict.fromkeys(names) for row in rows.get(name, ())]:
            found[image] = own
    if not found:
        rule = f"column {given.file} of {given.table} must name images"
        got = f"e.g. {next(iter(rows))!r} for {images[0]}"
        raise UserError(rule, got, "name them by path, name or stem")
    return found


def _load(
    path: Path,
    image: Path,
    masks: Sequence[Path],
    given: DatasetMap,
    rows: Mapping[Path, Sequence[Row]],
) -> PublishedImage:
    if given.table is not None and len(rows.get(image, ())) != 1:
        got = f"this one in {len(rows.get(image, ()))} rows"
        raise DataError(f"{given.table} must name each image once", got, "mend the table")
    stated = {name: _to_value(name, term) for name, term in given.stated.items()}
    for name, terms in given.folders.items():
        told = [terms[part] for part in image.parts[:-1] if part in terms]
        if len(told) != 1:
            got = " and ".join(told) or "none"
            raise DataError(f"one folder must tell {name}", got, "say so in the map")
        stated[name] = _to_value(name, told[0])
    for name, cells in given.columns.items():
        cell = rows[image][0][cells.column]
        term = cells.terms.get(cell, cell)
        stated[name] = None if term in ("", None) else _to_value(name, term)
    identity = f"{given.name}-{ascii_id(image.with_suffix('').as_posix())}"
    patient = stated.pop("patient_id", None)
    if category := stated.pop("birads", None):
        fine = category if category in schema.BIRADS else None
        stated |= {"birads": fine, "birads_category": str(category)[0]}
    own = {"patient_id": f"{given.name}-{ascii_id(str(patient))}"} if patient else {}
    pixels, notes = load_image(path / image)
    mask = load_union([path / each for each in masks], pixels.shape)
    known = {"sample_id": identity, "patient_id": identity, **own, **stated}
    return PublishedImage(pixels, mask, known, masks[0].name if masks else None, notes=notes)


def _to_value(name: str, term: object) -> object:
    """Return a term as the canonical column has it; `DataError` if it is none of its terms."""
    if name == "pixel_mm":
        try:
            return float(str(term).replace(",", "."))
        except ValueError:
            raise DataError("pixel_mm must be a number", repr(term), "translate it") from None
    if name == "halo":
        if str(term).lower() in YES_NO:
            return YES_NO[str(term).lower()]
        raise DataError("halo must be yes or no", repr(term), "translate it in the map")
    known = schema.BY_NAME[name].values
    if not known:
        return str(term)
    known = (*known, *schema.BIRADS_CATEGORIES) if name == "birads" else known
    terms = _SEPARATORS.split(str(term)) if name == "margin" else [str(term)]
    plain = [re.sub(r"[\s-]+", "_", each.strip().lower()) for each in terms]
    if wrong := [each for each in plain if each not in known]:
        rule = f"{name} must be one of {', '.join(known)}"
        raise DataError(rule, repr(wrong[0]), "translate it in the map, under terms")
    return plain if name == "margin" else plain[0]


def propose(word: str) -> str:
    """Return a map for NAME=PATH as YAML; `UserError` if it is none, or no image lies there."""
    name, _, place = word.partition("=")
    path = Path(place)
    if not place or not path.is_dir():
        raise UserError("a dataset must be NAME=PATH, a folder", repr(word), "e.g. my=data/raw/MY")
    pairs = match_pairs(list_files(path))
    images, masks = pairs.images, pairs.masks
    if not images:
        rule = "a dataset must hold PNG, JPEG, TIFF or BMP images"
        raise UserError(rule, f"none in {path}", "give the unpacked download")
    found: dict[str, Any] = {"name": re.sub(r"\W+", "_", name.lower()), "licence": "not stated"}
    remarks = [f"{len(images)} images, {sum(map(bool, masks.values()))} with a mask by its name"]
    common = {image.parent for image in images}
    if len(common) == 1 and (folder := common.pop().as_posix()) != ".":
        found["images"] = f"{folder}/*"
    found |= _from_tables(path, images, remarks)
    if "pathology" not in found.get("columns", {}):
        found |= _from_folders(images)
    if not {"columns", "folders"} & set(found):
        remarks.append("nothing tells the class of an image: add a table, or folders")
    comments = "".join(f"# {remark}\n" for remark in remarks)
    text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)
    return f"{comments}# Check every line; licence and citation are yours to state.\n{text}"


def _from_tables(path: Path, images: Sequence[Path], remarks: list[str]) -> dict[str, Any]:
    """Return what the first table that names the images tells: file, column, columns."""
    tables = sorted(p for p in path.rglob("*") if p.suffix.lower() in TABLES and p.is_file())
    for table in tables:
        try:
            rows = read_rows(table, (), find_separator(table))
        except DataError as error:
            remarks.append(str(error))
            continue
        column = next((c for c in rows[0] if _names_images(rows, c, images)), None)
        if column is None:
            remarks.append(f"{table.name}: no column names the images")
            continue
        columns = {}
        for given in rows[0]:
            plain = re.sub(r"[\W_]+", "", given.lower())
            own = next((name for name, known in NAMES.items() if plain in known), None)
            if own and own not in columns and given != column:
                cells = {row[given] for row in rows}
                columns[own] = {"column": given} | _translate(own, cells, remarks)
        place = table.relative_to(path).as_posix()
        return {"table": place, "file": column, "columns": columns}
    return {}


def _names_images(rows: Sequence[Row], column: str, images: Sequence[Path]) -> bool:
    names = {name for i in images for name in (i.as_posix(), i.name, i.stem)}
    return sum(row[column] in names for row in rows) >= ENOUGH * len(rows)


def _translate(name: str, cells: set[str], remarks: list[str]) -> dict[str, Any]:
    """Return the terms of cells that are none of the lexicon's, as far as they are understood."""
    known = schema.BY_NAME[name].values
    if not known or name == "margin":
        return {}
    plain = {cell: re.sub(r"[\s-]+", "_", cell.lower()) for cell in sorted(cells) if cell}
    terms = {}
    for cell, term in plain.items():
        if term in known:
            continue
        own = CLASSES.get(term) if name == "pathology" else None
        if own is None:
            remarks.append(f"{name}: {cell!r} is no term; translate it under terms")
        terms[cell] = own
    return {"terms": terms} if terms else {}


def _from_folders(images: Sequence[Path]) -> dict[str, Any]:
    """Return folders that are named after a class, where each image lies in one."""
    parts = {part for image in images for part in image.parts[:-1] if part.lower() in CLASSES}
    if not parts or not all(parts & set(image.parts[:-1]) for image in images):
        return {}
    return {"folders": {"pathology": {part: CLASSES[part.lower()] for part in sorted(parts)}}}
