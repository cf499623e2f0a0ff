"""Parquet files and Hugging Face datasets on disk as a set.

In: Parquet files, or the Arrow files that `save_to_disk` writes. Out: a `Source`. Images are
bytes, or {bytes, path} as Hugging Face has them; plain columns come as they are, class labels by
their names, `split` from the files' names where no column tells it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from busgen.errors import DataError, UserError
from busgen.image_sets.source import AT_ONCE, SPLITS, Image, Row, Source, open_images
from busgen.io import read_json

IMAGES, MASKS = ("image", "img", "image", "images"), ("mask", "masks", "segmentation")
FAMILY = "family_id"  # what busgen's own releases keep together
METADATA_TABLE = "metadata.parquet"  # of a folder of images: holds none itself
ARROW_STATE, ARROW_SPLITS = "state.json", "dataset_dict.json"

_File = tuple[Path, str | None]  # a file of a set and the split that its name tells, if any


class ImageColumns(NamedTuple):
    """Columns of images and of masks, where a set has them; else those with the usual names."""

    image: str | None = None
    mask: str | None = None


def find_files(path: Path) -> list[_File]:
    """Return the Parquet files of a path: of a folder those in `data/`, where there are any."""
    if path.is_file():
        return [(path, _split(path))]
    files = sorted(f for f in path.rglob("*.parquet") if f.name != METADATA_TABLE)
    within = [file for file in files if file.is_relative_to(path / "data")]
    return [(file, _split(file)) for file in within or files]


def find_arrow(path: Path) -> list[_File]:
    """Return the Arrow files of a dataset, or of a dictionary of them, that was saved to disk."""
    if (path / ARROW_SPLITS).is_file():
        names = read_json(path / ARROW_SPLITS)["splits"]
        return [(p, SPLITS.get(n, n)) for n in names for p, _ in find_arrow(path / n)]
    if not (path / ARROW_STATE).is_file():
        return []
    return [(path / one["filename"], None) for one in read_json(path / ARROW_STATE)["_data_files"]]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file without images, nested columns left out.

    Raises `DataError` if it is damaged.
    """
    plain = [f.name for f in _schema(path) if _to_text(f.type)]
    return [row for batch in _batches(path, plain) for row in batch.to_pylist()]


def open_set(path: Path, parts: Sequence[_File], form: str, named: ImageColumns) -> Source:
    """Return the set in some files.

    Raises `DataError` if a file is damaged; `UserError` if there is no column of images.
    """
    schema = _schema(parts[0][0])
    image, mask = _column(schema, IMAGES, named.image), _column(schema, MASKS, named.mask)
    if image is None:
        rule = f"{path} must have a column of images (bytes, or bytes and path), {IMAGES[0]}"
        raise UserError(rule, ", ".join(schema.names), "name another: busgen score --image")
    plain = [f.name for f in schema if _to_text(f.type)]
    labels = _labels(parts[0][0], schema)
    rows = []
    for file, split in parts:
        record = {} if "split" in plain or split is None else {"split": split}
        for batch in _batches(file, plain):
            rows += [record | _name_labels(row, labels) for row in batch.to_pylist()]
    columns = [image] if mask is None else [image, mask]

    def load(chosen: Sequence[int]) -> Iterator[Image]:
        wanted, start = set(chosen), 0
        for batch in (batch for file, _ in parts for batch in _batches(file, columns)):
            files = []
            for number in sorted(wanted & {*range(start, start + batch.num_rows)}):
                row = batch.slice(number - start, 1).to_pylist()[0]
                name = f"row {number} of {path.name}"
                own = _bytes(row[image], path)
                if own is None:
                    rule = f"each row of {path.name} must have an image"
                    raise DataError(rule, "none", "leave it out")
                outlined = None if mask is None else _bytes(row[mask], path)
                files.append((name, own, [] if outlined is None else [outlined]))
            yield from open_images(files)
            start += batch.num_rows

    group = FAMILY if FAMILY in plain else None
    return Source(path, form, rows, load, group, tuple(columns))


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some dozens of rows at a time."""
    try:
        if path.suffix == ".parquet":
            yield from pq.ParquetFile(path).iter_batches(AT_ONCE, columns=columns)
            return
        with pa.memory_map(str(path)) as file:
            for batch in pa.ipc.open_stream(file):
                few = batch.select(columns)
                for start in range(0, few.num_rows, AT_ONCE):
                    yield few.slice(start, AT_ONCE)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path.name} must be a whole table", error, "restore it") from error


def _schema(path: Path) -> pa.Schema:
    try:
        if path.suffix == ".parquet":
            return pq.read_schema(path)
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_stream(file).schema
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path.name} must be a whole table", error, "restore it") from error


def _column(schema: pa.Schema, names: Sequence[str], request: str | None) -> str | None:
    """Return the column of images asked for, else one of the usual names, None without any."""
    binary = (pa.types.is_binary, pa.types.is_large_binary)
    found = [
        field.name
        for field in schema
        if (pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0)
        or any(is_kind(field.type) for is_kind in binary)
    ]
    return request if request in found else next((n for n in found if n.lower() in names), None)


def _to_text(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(text or number or pa.types.is_dictionary(kind))


def _labels(path: Path, schema: pa.Schema) -> Mapping[str, Sequence[str]]:
    """Return the names of class labels, where Hugging Face's features tell them."""
    record = (schema.metadata or {}).get(b"huggingface", b"{}")
    features = json.loads(record).get("info", {}).get("features", {})
    reference = path.parent / "dataset_info.json"
    if not features and reference.is_file():
        features = read_json(reference).get("features") or {}
    return {
        name: feature["names"]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }


def _name_labels(row: dict[str, Any], labels: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    names = {
        key: labels[key][value]
        for key, value in row.items()
        if key in labels and isinstance(value, int) and 0 <= value < len(labels[key])
    }
    return row | names


def _bytes(cell: Any, path: Path) -> bytes | None:  # noqa: ANN401 - whatever a table holds
    """Return an image's bytes: the cell's own, or those of the file that it names."""
    data = cell["bytes"] if isinstance(cell, dict) else cell
    if data or not isinstance(cell, dict) or not cell.get("path"):
        return bytes(data) if data else None
    file = (path if path.is_dir() else path.parent) / cell["path"]
    if not file.is_file():
        raise DataError("an image that a table names must be there", str(file), "restore it")
    return bytes(file.read_bytes())


def _split(path: Path) -> str | None:
    words = (re.split(r"[-_.]", path.name)[0].lower(), path.parent.name.lower())
    return next((SPLITS[word] for word in words if word in SPLITS), None)
