"""Proposes the map of a dataset: what its names, folders and table suggest, for a person to check.

In: a folder. Out: YAML of a `DatasetMap`, with a comment on what was not understood.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.real.readers.files import Row, find_separator, read_rows
from busgen.real.readers.pairs import list_files, match_pairs

TABLES = (".csv", ".xlsx")
NAMES = {  # canonical column: how others call it, without separators, lower case
    "patient_id": ("patientid", "patient", "case", "caseid", "subject", "pid"),
    "pathology": ("pathology", "class", "label", "classification", "diagnosis", "malignancy"),
    "birads": ("birads", "biradscategory", "biradsscore"),
    "tissue": ("tissue", "tissuecomposition", "background"),
    "shape": ("shape",),
    "margin": ("margin", "margins"),
    "echo_pattern": ("echogenicity", "echopattern", "echo"),
    "posterior": ("posteriorfeatures", "posterior", "posteriorfeature"),
    "halo": ("halo", "echogenichalo"),
    "calcification": ("calcification", "calcifications"),
    "pixel_mm": ("pixelmm", "pixelspacing", "spacing", "mmperpixel", "pixelsize"),
    "scanner": ("scanner", "device", "machine", "system", "equipment"),
}  # fmt: skip
CLASSES = {
    "benign": "benign", "b": "benign", "0": "benign", "malignant": "malignant", "m": "malignant",
    "1": "malignant", "cancer": "malignant", "normal": "normal", "n": "normal", "2": "normal",
}  # fmt: skip
ENOUGH = 0.9  # share of rows that must name an image


def propose(word: str) -> str:
    """Return a map for NAME=PATH as YAML; `UserError` if it is none, or no image lies there."""
    name, _, place = word.partition("=")
    path = Path(place)
    if not place or not path.is_dir():
        raise UserError("a dataset must be NAME=PATH, a folder", repr(word), "e.g. my=data/raw/MY")
    images, masks = match_pairs(list_files(path))
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
