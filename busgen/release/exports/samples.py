"""What all forms share: a release's samples, written split by split and listed.

In: a release folder, and what writes one sample. Out: its files; `samples.csv` of all samples, for
people and spreadsheets; `metadata.parquet` in each place of images, whose columns are typed: those
of all splits agree though a column is empty in one.
"""

import csv
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.io import to_cell
from busgen.release.files import find_files, split_name
from busgen.release.read import read_rows
from busgen.release.signing import Signature

Row = dict[str, Any]
Save = Callable[[Row, str, Path], tuple[str, str]]  # row, name, place -> image's and mask's file
CLASSES = ("benign", "malignant")  # of lesions, in the order of their numbers
THIN = tuple(column.name for column in schema.columns("index"))


def write_samples(
    folder: Path,
    out: Path,
    save: Save,
    kinds: Sequence[str] = (),
    place: str = "{split}",
    signature: Signature | None = None,
) -> None:
    """Let `save` write each sample of the release `folder` at its place in `out`; list them all.

    `save`: gets a row, its image signed by `signature`, a file name without ending, and the place,
    which holds the folders `kinds`; its files are relative to that, "" for none. `place`: relative
    to `out`.
    """
    with ExitStack() as stack:
        listed = (out / "samples.csv").open("w", encoding="utf-8", newline="")
        everything = csv.writer(stack.enter_context(listed))
        everything.writerow(["file_name", "mask_file_name", *THIN])
        tables: dict[Path, pq.ParquetWriter] = {}
        for split in dict.fromkeys(map(split_name, find_files(folder))):
            inside = Path(place.format(split=split))
            for kind in ("", *kinds):
                (out / inside / kind).mkdir(parents=True, exist_ok=True)
            for table in read_rows(folder, (*THIN, "image", "mask"), split):
                rows = [_sign(row, signature) for row in table.to_pylist()]
                files = [save(row, row["sample_id"], out / inside) for row in rows]
                part = _list_samples(table, files)
                if inside not in tables:
                    writer = pq.ParquetWriter(out / inside / "metadata.parquet", part.schema)
                    tables[inside] = stack.enter_context(writer)
                tables[inside].write_table(part)
                for row, own in zip(rows, files, strict=True):
                    paths = ((inside / file).as_posix() if file else "" for file in own)
                    everything.writerow([*paths, *_to_cells(row)])


def to_text(row: Row) -> list[str]:
    """Return the index's columns of a row as text, several terms with bars between, null as ""."""
    cells = ("|".join(map(str, c)) if isinstance(c, list) else c for c in map(row.get, THIN))
    return ["" if cell is None else str(cell) for cell in cells]


def _to_cells(row: Row) -> list[object]:
    """Return `to_text` for a spreadsheet: numbers as they are, no text a formula."""
    cells = zip(map(row.get, THIN), to_text(row), strict=True)
    return [text if isinstance(cell, int | float) else to_cell(text) for cell, text in cells]


def _sign(row: Row, signature: Signature | None) -> Row:
    if signature is None:
        return row
    png = signature.sign(row["image"]["bytes"], row["sample_id"], row["engine"])
    return row | {"image": {"bytes": png}}


def _list_samples(table: pa.Table, files: Sequence[tuple[str, str]]) -> pa.Table:
    """Return the index's columns of rows, the names of their files before them."""
    images, masks = zip(*((image, mask or None) for image, mask in files), strict=True)
    thin = table.select(THIN).replace_schema_metadata(None)
    for name, column in (("mask_file_name", masks), ("file_name", images)):
        thin = thin.add_column(0, name, pa.array(column, pa.string()))
    return thin
