"""Any path -> the set of images that lies there.

In: a folder or file. Out: a `Source`, by what is found: real data in canonical form, a dataset
saved to disk, Parquet files (releases of busgen among them), or plain images: PNG, JPEG, TIFF or
BMP files, in subfolders or not. Masks of these are `NAME_mask.png` beside `NAME.png`, several of
one image too, or files of the same name in a folder `masks`. Their columns: `file`, `folder`,
`split` where a folder is named so, and those of `metadata.csv`, `.jsonl` or `.parquet` (as Hugging
Face's imagefolder has them, or the only CSV file) whose rows name files.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from busgen.errors import DataError, UserError
from busgen.image_sets import parquet
from busgen.image_sets.parquet import METADATA_TABLE, ImageColumns, find_arrow, find_files
from busgen.image_sets.source import AT_ONCE, SPLITS, Image, Row, Source, open_images
from busgen.real.cohort import IMAGES, PLAIN, find_cohort, find_tables, load_cohort, read_rows
from busgen.real.crops import crop, is_undisputed
from busgen.real.readers import files
from busgen.real.readers.files import KINDS, find_separator, list_files, match_pairs

CANONICAL = "canonical"
HELD_OUT = ("validation", "test")
METADATA = ("metadata.csv", "metadata.jsonl", METADATA_TABLE)
_NAMES = ("file_name", "filename", "image_filename", "file", "image", "path", "image_id", "id")


def open_set(path: Path, named: ImageColumns | None = None) -> Source:
    """Return the set at a path; `named` columns hold the images of a table, where it has them.

    Of real data in canonical form no near-duplicate, no Doppler, no disputed label; all splits.
    Raises `UserError` if nothing is there, or no set of images; `DataError` if it is damaged.
    """
    if not path.exists():
        raise UserError("a set of images must be a folder or file", str(path), "check the path")
    if any(path.glob("*/table.parquet")) and (path / "cohort").is_dir():
        return open_tables(path, find_tables(path), find_cohort(path))
    if parts := find_arrow(path):
        return parquet.open_set(path, parts, "dataset on disk", named or ImageColumns())
    if parts := find_files(path) if path.is_dir() or path.suffix == ".parquet" else []:
        return parquet.open_set(path, parts, "parquet", named or ImageColumns())
    if path.is_dir():
        return _open_folder(path)
    rule = "a set of images must be a folder or a Parquet file"
    raise UserError(rule, str(path), "put the images into a folder")


def open_tables(path: Path, tables: Sequence[Path], cohort_file: Path) -> Source:
    """Return the set of canonical tables and their cohort, which lie at `path`: square crops.

    What they stem from is their cluster of patients. Raises `UserError` if the cohort is missing.
    """
    cohort = load_cohort(cohort_file)
    found = read_rows(tables, cohort, columns=PLAIN, usable=is_undisputed)
    rows = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in found]

    def load(chosen: Sequence[int]) -> Iterator[Image]:
        ids = {rows[k]["sample_id"] for k in chosen}
        request: dict[str, Any] = {"columns": [*IMAGES, "source_file"]}
        for row in read_rows(tables, cohort, usable=lambda r: r["sample_id"] in ids, **request):
            image, mask, _ = crop(row)
            yield image, mask

    return Source(path, CANONICAL, rows, load, "cluster_id")


def _open_folder(path: Path) -> Source:
    """Return the set in a folder of plain images.

    Raises `UserError` if no image is there, or its table names none of them.
    """
    images, masks = match_pairs(list_files(path))
    if not images:
        rule = f"{path} must hold images, Parquet files or a saved dataset"
        raise UserError(rule, "none", f"images are {', '.join(KINDS)}")
    columns = _columns(path, images)
    rows = []
    for image in images:
        row: Row = {"file": image.as_posix(), "folder": image.parent.as_posix()}
        named = [SPLITS[part.lower()] for part in image.parts[:-1] if part.lower() in SPLITS]
        row |= {"split": named[0]} if named else {}
        rows.append(row | columns.get(image, {}))

    def load(chosen: Sequence[int]) -> Iterator[Image]:
        left = iter(images[k] for k in chosen)
        while part := list(islice(left, AT_ONCE)):
            masked = [(k, [(path / m).read_bytes() for m in masks.get(k, ())]) for k in part]
            yield from open_images([(str(k), (path / k).read_bytes(), m) for k, m in masked])

    return Source(path, "folder", rows, load)


def _columns(path: Path, images: Sequence[Path]) -> dict[Path, Row]:
    """Return what tables say of images."""
    tables = sorted(file for name in METADATA for file in path.rglob(name))
    if not tables:
        tables = sorted(path.glob("*.csv"))
        tables = tables if len(tables) == 1 else []
    if not tables:
        return {}
    record: dict[Path, Row] = {}
    for table in tables:
        record |= _to_record(table, path, images)
    if not record:
        rule = f"{tables[0].name} must name images in {' or '.join(_NAMES)}"
        raise UserError(rule, f"none of the {len(images)} in {path}", "name them, or remove it")
    return record


def _to_record(table: Path, path: Path, images: Sequence[Path]) -> dict[Path, Row]:
    rows = _rows(table)
    names = {name.lower(): name for row in rows for name in row}
    column = next((names[name] for name in _NAMES if name in names), None)
    if column is None:
        return {}
    by_name = _by_name(images, table.parent.relative_to(path))
    named = ((str(row.get(column, "")), row) for row in rows)
    return {by_name[name]: row for name, row in named if name in by_name}


def _rows(table: Path) -> list[Row]:
    """Return the rows of a CSV, JSON Lines or Parquet file."""
    if table.suffix == ".parquet":
        return parquet.read_rows(table)
    if table.suffix == ".jsonl":
        return _to_lines(table)
    return list(files.read_rows(table, (), find_separator(table)))


def _to_lines(table: Path) -> list[Row]:
    """Return the objects of a JSON Lines file, nothing nested."""
    try:
        lines = table.read_text("utf-8-sig").split("\n")
        record = [json.loads(line) for line in lines if line.strip()]
        return [{k: v for k, v in row.items() if not isinstance(v, list | dict)} for row in record]
    except (OSError, ValueError, AttributeError) as error:
        rule = f"{table.name} must hold a JSON object a line"
        raise DataError(rule, error, "restore the file") from error


def _by_name(images: Sequence[Path], folder: Path) -> Mapping[str, Path]:
    """Return images in `folder` by path, by name and by name without ending, in this order."""
    own = [image for image in images if image.is_relative_to(folder)]
    record: dict[str, Path] = {}
    for image in own:
        record.setdefault(image.stem, image)
    record |= {image.name: image for image in reversed(own)}
    return record | {image.relative_to(folder).as_posix(): image for image in own}
