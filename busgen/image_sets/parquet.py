"""Parquet files and Hugging Face datasets on disk as a set.

In: Parquet files, or the Arrow files that `save_to_disk` writes. Out: a `Source`. Images are
bytes, or {bytes, path} as Hugging Face has them; plain columns come as they are, class labels by
their names, `split` from the files' names where no column tells it.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from busgen.errors import DataError, UserError
from busgen.image_sets.source import AT_ONCE, SPLITS, File, Image, Reading, Row, Source, open_images
from busgen.imaging.pairs import IMAGE_WORDS, MASK_WORDS
from busgen.io import parse_json, read_json

FAMILY = "family_id"  # what busgen's own releases keep together
METADATA_TABLE = "metadata.parquet"  # of a folder of images: holds none itself
ARROW_STATE, ARROW_SPLITS = "state.json", "dataset_dict.json"

_File = tuple[Path, str | None]  # a file of a set and the split that its name tells, if any


def find_files(path: Path) -> list[_File]:
    """Return the Parquet files of a path: of a folder those in `data/`, where there are any."""
    if path.is_file():
        return [(path, _split(path))]
    files = sorted(f for f in path.rglob("*.parquet") if f.name != METADATA_TABLE)
    within = [file for file in files if file.is_relative_to(path / "data")]
    return [(file, _split(file)) for file in within or files]


def find_arrow(path: Path) -> list[_File]:
    """Return the Arrow files of a dataset, or of a dictionary of them, that was saved to disk."""
    try:
        if (path / ARROW_SPLITS).is_file():
            names = read_json(path / ARROW_SPLITS)["splits"]
            return [(p, SPLITS.get(n, n)) for n in names for p, _ in find_arrow(_inside(path, n))]
        if not (path / ARROW_STATE).is_file():
            return []
        record = read_json(path / ARROW_STATE)["_data_files"]
        return [(_inside(path, one["filename"]), None) for one in record]
    except (KeyError, TypeError) as error:
        rule = f"{path} must be a dataset as save_to_disk writes it"
        raise DataError(rule, repr(error), "write it anew") from error


def _inside(folder: Path, name: str) -> Path:
    """Return a file's path by the name in a table; `DataError` if it leaves the folder."""
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise DataError("a table must name files of its own folder", repr(name), "move them there")
    return file


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file without images, nested columns left out.

    Raises `DataError` if it is damaged.
    """
    plain = [f.name for f in _schema(path) if _to_text(f.type)]
    return [row for batch in _batches(path, plain) for row in batch.to_pylist()]


def open_set(path: Path, parts: Sequence[_File], form: str, reading: Reading) -> Source:
    """Return the set in some files.

    Raises `DataError` if a file is damaged; `UserError` if there is no column of images.
    """
    schema = _schema(parts[0][0])
    mask = _column(schema, MASK_WORDS, reading.mask)
    image = _column(schema, IMAGE_WORDS, reading.image, mask)
    if image is None:
        rule = f"{path} must have a column of images (bytes, or bytes and path), image"
        raise UserError(rule, ", ".join(schema.names), "name another: busgen score --image")
    labels = _labels(parts[0][0], schema)
    rows = []
    for file, split in parts:  # whose columns may differ
        plain = [f.name for f in _schema(file) if _to_text(f.type)]
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
                shown = _files(row.get(image), path)
                if len(shown) != 1:
                    rule = f"each row of {path.name} must have one image"
                    raise DataError(rule, f"{len(shown)} in {name}", "leave it out")
                files.append(File(name, shown[0], _files(row.get(mask), path)))
            yield from open_images(files, reading.label)
            start += batch.num_rows

    group = FAMILY if any(FAMILY in row for row in rows) else None
    return Source(path, form, rows, load, group, tuple(columns))


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some dozens of rows at a time."""
    try:
        if path.suffix == ".parquet":
            own = [name for name in columns if name in pq.read_schema(path).names]
            yield from pq.ParquetFile(path).iter_batches(AT_ONCE, columns=own)
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


def _column(
    schema: pa.Schema, words: Collection[str], request: str | None, taken: str | None = None
) -> str | None:
    """Return the column of images asked for, else one whose name says so, None without any."""
    found = [field.name for field in schema if _holds_images(field.type) and field.name != taken]
    said = (name for name in found if {*re.split(r"[\W_]+", name.lower())} & {*words})
    return request if request in found else next(said, None)


def _holds_images(kind: pa.DataType) -> bool:
    """Return whether a column has bytes, bytes and path, or lists of these."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_images(kind.value_type)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(binary or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0))


def _to_text(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(text or number or pa.types.is_dictionary(kind))


def _labels(path: Path, schema: pa.Schema) -> Mapping[str, Sequence[str]]:
    """Return the names of class labels, where Hugging Face's features tell them."""
    record = (schema.metadata or {}).get(b"huggingface", b"{}")
    reference = path.parent / "dataset_info.json"
    try:
        features = parse_json(record).get("info", {}).get("features", {})
        if not features and reference.is_file():
            features = read_json(reference).get("features") or {}
        return {
            name: list(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        rule = f"the features of {path.name} must be as Hugging Face writes them"
        raise DataError(rule, repr(error)[:200], "write the dataset anew") from error


def _name_labels(row: dict[str, Any], labels: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    names = {
        key: labels[key][value]
        for key, value in row.items()
        if key in labels and isinstance(value, int) and 0 <= value < len(labels[key])
    }
    return row | names


def _files(cell: Any, path: Path) -> list[bytes]:  # noqa: ANN401 - whatever a table holds
    """Return the images of a cell: its own bytes, or the files that it names; several of a list."""
    if isinstance(cell, list):
        return [data for each in cell for data in _files(each, path)]
    data = cell["bytes"] if isinstance(cell, dict) else cell
    if data or not isinstance(cell, dict) or not cell.get("path"):
        return [bytes(data)] if data else []
    file = _inside(path if path.is_dir() else path.parent, cell["path"])
    if not file.is_file():
        raise DataError("an image that a table names must be there", str(file), "restore it")
    return [file.read_bytes()]


def _split(path: Path) -> str | None:
    words = (re.split(r"[-_.]", path.name)[0].lower(), path.parent.name.lower())
    return next((SPLITS[word] for word in words if word in SPLITS), None)
