"""Real datasets by name: read as published, summed up, written in canonical form.

In: a folder as its publisher lays it out. Out: a `Reading`, its summary, and a folder with
`table.parquet`, `left_out.json` and `info.json` that every later stage reads.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow.parquet as pq

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.io import dumps, replacing_folder, require_vacant
from busgen.real import breast
from busgen.real.reading import DatasetInfo, Reading

READERS: Mapping[str, Callable[[Path], Reading]] = MappingProxyType(
    {breast.DATASET.name: breast.read_breast}
)
_INFO = "info.json"
_LESION = {c.name for c in schema.columns("real") if c.lesion} | {"mask"}
DATASETS: Mapping[str, DatasetInfo] = MappingProxyType({breast.DATASET.name: breast.DATASET})
ROWS_PER_GROUP = 32  # published pictures are large: a group stays some 10 MB


def read_dataset(name: str, path: Path) -> Reading:
    """Return the canonical rows of a public dataset, and what was left out and why.

    Parameters
    ----------
    name
        One of `READERS`.
    path
        The folder as published.

    Raises
    ------
    UserError
        If there is no such reader or folder, or the folder has another layout.
    DataError
        If the table holds what its publisher's does not, or nothing could be read.
    """
    if name not in READERS:
        known = ", ".join(READERS)
        raise UserError("dataset must be one that busgen can read", name, f"choose from {known}")
    if not path.is_dir():
        raise UserError("a dataset must be a folder", str(path), "give the unpacked download")
    reading = READERS[name](path)
    if reading.table.num_rows == 0:
        reason = reading.left_out[0] if reading.left_out else "no rows"
        raise DataError(
            "a dataset must have a readable image", f"none, e.g. {reason}", "restore it"
        )
    return reading


def summary(reading: Reading) -> dict[str, Any]:
    """Return what was read, in numbers: counts by class, completeness, left out, notes.

    `complete` gives for each published field how many of the rows to which it applies (lesions
    only, for a lesion's fields) state it, as ``[stated, applicable]``.
    """
    table = reading.table
    pathology = table["pathology"].to_pylist()
    lesions = sum(term != "normal" for term in pathology)
    fields = [field.name for field in table.schema if field.nullable]
    stated = {name: table.num_rows - table[name].null_count for name in fields}
    notes = Counter(note for row in table["notes"].to_pylist() for note in row)
    return {
        "dataset": reading.info.name,
        "licence": reading.info.licence,
        "read": table.num_rows,
        "patients": len(set(table["patient_id"].to_pylist())),
        "by_pathology": dict(Counter(pathology)),
        "complete": {n: [stated[n], lesions if n in _LESION else table.num_rows] for n in fields},
        "notes": dict(notes.most_common()),
        "left_out": [list(item) for item in reading.left_out],
    }


def write_canonical(reading: Reading, out_folder: Path) -> None:
    """Write `table.parquet`, `left_out.json` and `info.json`, all of them or none.

    Raises
    ------
    UserError
        If `out_folder` holds anything but a dataset that was written so.
    """
    require_vacant(out_folder, ours=_INFO)
    with replacing_folder(out_folder) as folder:
        pq.write_table(
            reading.table,
            folder / "table.parquet",
            row_group_size=ROWS_PER_GROUP,
            use_dictionary=False,
        )
        left_out = [{"source_file": name, "reason": why} for name, why in reading.left_out]
        (folder / "left_out.json").write_text(dumps({"left_out": left_out}), encoding="utf-8")
        info = asdict(reading.info) | {"summary": summary(reading)}
        (folder / _INFO).write_text(dumps(info), encoding="utf-8")
