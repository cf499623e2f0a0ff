"""Cohort: which real image belongs to which cluster and split, and what may be made of it.

In: canonical tables (`data/real/NAME/table.parquet`). Out: one thin row an image, and `read_rows`,
by which every later stage reads real images: canonical rows with cluster, split and all flags.
A split follows from the patient's name alone, so that it survives new data.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.imaging.pairs import natural_key
from busgen.real.readers.files import dataset_order
from busgen.similarity.registration import find_duplicates

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.7, "validation": 0.15, "test": 0.15})


FILE = "cohort.parquet"
_TEXTS = (
    *("sample_id", "dataset", "source_file", "patient_id", "cluster_id", "duplicate_of", "split"),
    *("pathology", "scanner"),
)
_NULLABLE = ("duplicate_of", "pathology", "scanner")
SCHEMA = pa.schema(
    [pa.field(name, pa.string(), name in _NULLABLE) for name in _TEXTS]
    + [pa.field("flags", pa.list_(pa.string()), nullable=False)]
)
ADDED = ("cluster_id", "duplicate_of", "split", "flags")  # what the cohort tells of a real row
IMAGES = tuple(c.name for c in schema.columns("real") if c.type == schema.IMAGE)
PLAIN = tuple(
    c.name for c in schema.columns("real") if c.name not in (*IMAGES, *ADDED, "signature")
)

Row = dict[str, Any]


def assign_split(patient_id: str, shares: Mapping[str, float] = SHARES) -> str:
    """Return the split of a patient: all images of one patient stand on one side.

    `patient_id`: patient (or cluster of near-duplicates) as in the canonical table; `shares`: share
    of each split, in order; they add up to 1. Raises `UserError` if the shares are negative or do
    not add up to 1.
    """
    if min(shares.values()) < 0 or not math.isclose(sum(shares.values()), 1.0):
        raise UserError("shares of splits must add up to 1", dict(shares), "give e.g. .7, .15, .15")
    digest = hashlib.blake2b(patient_id.encode(), digest_size=8, person=b"busgen.split").digest()
    place, bound = int.from_bytes(digest, "big") / 2**64, 0.0
    for name, share in shares.items():
        bound += share
        if place < bound:
            return name
    return next(reversed([name for name, share in shares.items() if share > 0]))


def make_cohort(tables: Sequence[Path]) -> pa.Table:
    """Return the cohort of canonical tables, `SCHEMA`: one row an image, datasets in their order.

    Patients whose images are near-duplicates of each other are one cluster, named after the patient
    that comes first by (`dataset_order`, natural order of names); its split follows from
    that name alone. Of near-duplicates one image is kept, the others name it in `duplicate_of` and
    carry the flag `near_duplicate`; if their labels differ, all of them carry `label_conflict`.
    Raises `UserError` if there are no tables; `DataError` if a table is none of ours, or two images
    have one `sample_id`.
    """
    rows = _read(tables)
    links = [(link.first, link.second) for link in find_duplicates([r["signature"] for r in rows])]
    groups = _components(len(rows), links)
    patients: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        patients[row["dataset"], row["patient_id"]].append(index)
    same = [(members[0], other) for members in patients.values() for other in members[1:]]
    copies, conflicts = _copies(rows, groups)
    for cluster in _components(len(rows), links + same):
        first = min(
            (rows[index] for index in cluster),
            key=lambda row: (dataset_order(row["dataset"]), natural_key(row["patient_id"])),
        )
        for index in cluster:
            row = rows[index]
            row["cluster_id"] = first["patient_id"]
            row["split"] = assign_split(row["cluster_id"])
            row["duplicate_of"] = copies.get(index)
            found = {"near_duplicate"} if index in copies else set()
            found |= {"label_conflict"} if index in conflicts else set()
            row["flags"] = [f for f in schema.FLAGS if f in found or f in row["flags"]]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def find_tables(folder: Path, without: Collection[str] = ()) -> list[Path]:
    """Return the canonical tables in `folder`, NAME/table.parquet, datasets in their order.

    `without`: datasets that are left out. Raises `UserError` if no table is there, or one that is
    to be left out is not.
    """
    found = {path.parent.name: path for path in folder.glob("*/table.parquet")}
    if strange := sorted(set(without) - set(found)):
        remedy = f"choose from {', '.join(found)}"
        raise UserError(f"{folder} must hold what is left out", strange[0], remedy)
    names = sorted(set(found) - set(without), key=dataset_order)
    tables = [found[name] for name in names]
    if not tables:
        rule = "the folder of real data must hold NAME/table.parquet"
        raise UserError(rule, str(folder), "run `busgen real NAME=PATH --out` it first")
    return tables


def find_cohort(folder: Path) -> Path:
    """Return the file of the cohort in a folder of real data; `UserError` if there is none."""
    path = folder / "cohort" / FILE
    if not path.is_file():
        rule = f"{folder} must hold a cohort"
        raise UserError(rule, "none", "write it: busgen real NAME=PATH ... --out DIR")
    return path


def load_cohort(path: Path) -> pa.Table:
    """Return the cohort in `path`, a file or the folder that holds it; `DataError` if none."""
    file = path / FILE if path.is_dir() else path
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{file} must be a cohort", error, "run `busgen real` anew") from error
    if table.schema != SCHEMA:
        rule = f"{file} must have the columns of a cohort"
        raise DataError(rule, ", ".join(table.column_names), "run `busgen real` anew")
    return table


def has_usable_pixels(row: Mapping[str, Any]) -> bool:
    """Return whether an image may teach how images look: B-mode, no copy, its lesion outlined."""
    flags = set(row["flags"])
    outlined = row["pathology"] == "normal" or not flags & {"no_mask", "empty_mask"}
    return outlined and not flags & {"near_duplicate", "colour_doppler"}


def has_usable_label(row: Mapping[str, Any]) -> bool:
    """Return whether an image may teach its class too: the label is known and undisputed."""
    known = row["pathology"] is not None and "label_conflict" not in row["flags"]
    return known and has_usable_pixels(row)


def read_rows(
    tables: Sequence[Path],
    cohort: pa.Table | Path,
    *,
    splits: Container[str] = ("train", "validation", "test"),
    columns: Sequence[str] | None = None,
    usable: Callable[[Mapping[str, Any]], bool] = has_usable_pixels,
) -> Iterator[Row]:
    """Yield canonical rows joined with the cohort, some dozens in memory at a time.

    `tables`: canonical tables, as `find_tables` finds them; `cohort`: as `make_cohort` returns it,
    or its file or folder; `splits`: splits whose rows are wanted, e.g. ``("train",)``; `columns`:
    canonical columns that are wanted, by default all; `sample_id`, `dataset`, `pathology` and the
    cohort's (`ADDED`, `flags` completed) always come too. Without images (`columns=PLAIN`)
    thousands of rows take well under a second; `usable`: which rows of the cohort are wanted:
    `has_usable_pixels`, `has_usable_label`, or any predicate of a cohort row, e.g. ``lambda row:
    True`` for all. Raises `DataError` if a table holds an image that the cohort does not know.
    """
    table = cohort if isinstance(cohort, pa.Table) else load_cohort(cohort)
    known = {row["sample_id"]: row for row in table.to_pylist()}
    wanted = {n for n, row in known.items() if row["split"] in splits and usable(row)}
    every = [field.name for field in schema.arrow_schema("real")]
    request = {"sample_id", "dataset", "pathology", *(every if columns is None else columns)}
    read = [name for name in every if name in request - {"flags"}]
    for path in tables:
        file = _open(path)
        for group in range(file.num_row_groups):
            names = file.read_row_group(group, columns=["sample_id"])["sample_id"].to_pylist()
            strange = [name for name in names if name not in known]
            if strange:
                rule = f"the cohort must know every image of {path}"
                raise DataError(rule, strange[0], "make the cohort anew: `busgen real`")
            if wanted.isdisjoint(names):
                continue
            for row in file.read_row_group(group, columns=read).to_pylist():
                if row["sample_id"] in wanted:
                    yield row | {name: known[row["sample_id"]][name] for name in ADDED}


def _read(tables: Sequence[Path]) -> list[Row]:
    """Return the thin rows of all tables with their signatures, datasets in their order."""
    if not tables:
        raise UserError("a cohort must have a real dataset", "none", "e.g. busgen real busi=PATH")
    names = [name for name in SCHEMA.names if name not in ADDED or name == "flags"]
    rows: list[Row] = []
    for path in tables:
        rows += _open(path).read(columns=[*names, "signature"]).to_pylist()
    ids = [row["sample_id"] for row in rows]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DataError("an image must stand in one table only", twice, "name each dataset once")
    return sorted(rows, key=lambda row: dataset_order(row["dataset"]))


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} must be a canonical table", error, "run `busgen real`") from error
    missing = set(schema.arrow_schema("real").names) - set(file.schema_arrow.names)
    if missing:
        rule = f"{path} must have the canonical columns"
        raise DataError(rule, f"none named {min(missing)}", "run `busgen real` anew")
    return file


def _components(count: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the connected components of `count` nodes, members in order."""
    first, second = zip(*links, strict=True) if links else ((), ())
    graph = coo_array(([1] * len(links), (first, second)), shape=(count, count))
    found: dict[int, list[int]] = defaultdict(list)
    for node, label in enumerate(connected_components(graph, directed=False)[1]):
        found[int(label)].append(node)
    return list(found.values())


def _copies(rows: list[Row], groups: list[list[int]]) -> tuple[dict[int, str], set[int]]:
    """Return which rows are copies (of which sample), and which contradict their copies."""
    copies: dict[int, str] = {}
    conflicts: set[int] = set()
    for group in groups:
        kept = min(group, key=lambda index: _quality(rows[index]))
        copies |= {index: rows[kept]["sample_id"] for index in group if index != kept}
        if len({rows[index]["pathology"] for index in group} - {None}) > 1:
            conflicts |= set(group)
    return copies, conflicts


def _quality(row: Row) -> tuple[Any, ...]:
    """Return what the best of several copies has least of: first label, outline, clean pixels."""
    flags = set(row["flags"])
    faults = (row["pathology"] is None, bool(flags & {"no_mask", "empty_mask"}), "overlay" in flags)
    return (*faults, dataset_order(row["dataset"]), natural_key(row["sample_id"]))
