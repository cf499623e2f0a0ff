"""Real datasets by name: read as published, written in canonical form, summed up.

In: a folder as its publisher lays it out. Out: a folder with `table.parquet`, `left_out.json` and
`info.json` that every later stage reads. Images stream through: some dozens are in memory.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.compute.cores import on_all_cores
from busgen.errors import DataError, UserError
from busgen.folders import lock_folder, write_folder
from busgen.imaging.decode import DatasetInfo, Entry, Listing
from busgen.io import dumps, read_json
from busgen.params.real import DatasetMap
from busgen.real.canonical import to_row
from busgen.real.readers import breast, bus_bra, bus_uclm, busi, mapped, stu, udiat

ORIGINS = Path(__file__).with_name("datasets.json")  # citation and licence of each dataset
DATASETS: Mapping[str, DatasetInfo] = MappingProxyType(
    {name: DatasetInfo(name, **facts) for name, facts in read_json(ORIGINS).items()}
)
_MODULES = (breast, bus_bra, busi, bus_uclm, stu, udiat)
READERS: Mapping[str, Callable[[Path], Listing]] = MappingProxyType(
    {module.__name__.rpartition(".")[2]: module.list_images for module in _MODULES}
)
TABLE, INFO, LEFT_OUT = "table.parquet", "info.json", "left_out.json"
CANONICAL = "canonical data"
ROWS_PER_GROUP = 32  # published images are large: a group stays some 10 MB
_LESION = {c.name for c in schema.columns("real") if c.lesion}


def list_images(name: str, path: Path, given: DatasetMap | None = None) -> Listing:
    """Return what the folder `path` of the dataset `name` holds, nothing decoded yet.

    `given`: its map, where it is not one that is read as published. Raises `UserError` if there is
    no such reader or folder, or the folder has another layout; `DataError` if a table in it holds
    what its publisher's does not.
    """
    if given is None and name not in READERS:
        remedy = f"choose from {', '.join(READERS)}, or give its map"
        raise UserError("dataset must be one that busgen can read", name, remedy)
    if not path.is_dir():
        raise UserError("a dataset must be a folder", str(path), "give the unpacked download")
    return READERS[name](path) if given is None else mapped.list_images(path, given)


def write_canonical(
    name: str,
    path: Path,
    out_folder: Path,
    tick: Callable[[int], None] = lambda _: None,
    given: DatasetMap | None = None,
) -> dict[str, Any]:
    """Write the dataset's canonical folder, all of it or nothing, and return its summary.

    `given` as `list_images` takes it; `tick` is called with the number of images read since its
    last call. Raises as `list_images`; `DataError` if no image could be read, `UserError` if
    `out_folder` holds anything but such a folder, unchanged.
    """
    with lock_folder(out_folder, CANONICAL):
        listing = list_images(name, path, given)
        origin = DATASETS[name] if given is None else mapped.origin_of(given)
        left_out = list(listing.left_out)
        with write_folder(out_folder, CANONICAL) as folder:
            table, columns = folder / TABLE, schema.arrow_schema("real")
            with pq.ParquetWriter(table, columns, use_dictionary=False) as writer:
                for rows in _canonical(name, listing, left_out):
                    writer.write_table(pa.Table.from_pylist(rows, schema=columns))
                    tick(len(rows))
            if pq.read_metadata(table).num_rows == 0:
                got = f"none, e.g. {left_out[0] if left_out else 'no rows'}"
                raise DataError("a dataset must have a readable image", got, "restore it")
            without_pixels = [c.name for c in schema.columns("real") if c.type != schema.IMAGE]
            slim = pq.read_table(table, columns=without_pixels)
            record = summary(origin, slim, left_out)
            reasons = [{"source_file": file, "reason": why} for file, why in left_out]
            (folder / LEFT_OUT).write_text(dumps({"left_out": reasons}), encoding="utf-8")
            info = asdict(origin) | {"summary": record}
            (folder / INFO).write_text(dumps(info), encoding="utf-8")
    return record


def _canonical(
    name: str, listing: Listing, left_out: list[tuple[str, str]]
) -> Iterator[list[dict[str, Any]]]:
    """Yield canonical rows in groups; what cannot be read is appended to `left_out`."""

    def load(entry: Entry) -> dict[str, Any] | DataError:
        try:
            return to_row(name, entry.source_file, entry.load())
        except DataError as error:
            return error

    with on_all_cores() as pool:
        seen = set[str]()
        for start in range(0, len(listing.entries), ROWS_PER_GROUP):
            entries = listing.entries[start : start + ROWS_PER_GROUP]
            rows = []
            for entry, row in zip(entries, pool.map(load, entries), strict=True):
                if isinstance(row, DataError):
                    left_out.append((entry.source_file, f"{row.rule}, got {row.got}"))
                elif row["sample_id"] in seen:
                    left_out.append((entry.source_file, f"{row['sample_id']} is there already"))
                else:
                    seen.add(row["sample_id"])
                    rows.append(row)
            if rows:
                yield rows


def summary(
    info: DatasetInfo, table: pa.Table, left_out: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return what was read, in numbers: counts by class, completeness, flags, notes, left out.

    `complete` gives for each published field how many of the rows to which it applies (lesions
    only, for a lesion's fields) state it, as ``[stated, applicable]``; flags tell of masks.

    `table` canonical rows (`schema.arrow_schema("real")`), `left_out` `(source_file, reason)` of
    the rest.
    """
    pathology = table["pathology"].to_pylist()
    lesions = sum(term != "normal" for term in pathology)
    fields = [f.name for f in table.schema if f.nullable and f.type != schema.IMAGE]
    stated = {name: table.num_rows - table[name].null_count for name in fields}

    def count(column: str) -> dict[str, int]:
        return dict(Counter(x for row in table[column].to_pylist() for x in row).most_common())

    return {
        "dataset": info.name,
        "licence": info.licence,
        "read": table.num_rows,
        "patients": len(set(table["patient_id"].to_pylist())),
        "by_pathology": dict(Counter(term or "unknown" for term in pathology)),
        "complete": {n: [stated[n], lesions if n in _LESION else table.num_rows] for n in fields},
        "flags": count("flags"),
        "notes": count("notes"),
        "left_out": [list(item) for item in left_out],
    }
