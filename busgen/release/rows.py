"""The accepted samples of a candidates folder, as data files of a release.

In: `candidates/` (index and shards with images). Out: tables of the release schema, streamed,
and Parquet files of them. Memory holds a shard's rows and a row group's images, whatever n.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.errors import DataError
from busgen.release import sql
from busgen.release.files import GROUP_ROWS, check_images, file_name

INDEX_GROUP_ROWS = 65_536
FILE_BYTES = 256 * 2**20
_IMAGES = ("image", "mask")


def arrow_schema() -> pa.Schema:
    """Return the Arrow schema of a data file; its metadata types the images for `datasets`.

    `datasets` takes a column for an `Image()` only where the field is nullable.
    """
    features = {name: {"_type": "Image"} for name in _IMAGES}
    metadata = {"huggingface": json.dumps({"info": {"features": features}}, sort_keys=True)}
    fields = [field.with_nullable(True) if field.name in _IMAGES else field
              for field in schema.arrow_schema("release")]  # fmt: skip
    return pa.schema(fields, metadata)


def find_files(candidates: Path) -> list[Path]:
    """Return the shards of a candidates folder, in order."""
    shards = sorted((candidates / "shards").glob("*.parquet"))
    if not shards:
        raise DataError("candidates must hold shards/*.parquet", "none", f"check {candidates}")
    return shards


def select_accepted(connection: sql.Connection, index: Path, shards: list[Path]) -> None:
    """Make the table `accepted`: rows of the index with shard and row of their images."""
    keys = sql.from_parquet(shards, ", filename = true, file_row_number = true")
    numbers = ", ".join(f"({sql.quote_text(path.name)}, {i})" for i, path in enumerate(shards))
    connection.execute(f"""CREATE TABLE accepted AS
        SELECT n.shard, k.file_row_number AS shard_row, i.*
        FROM {sql.from_parquet(index)} i
        JOIN {keys} k USING (sample_id, attempt)
        JOIN (VALUES {numbers}) n(file, shard) ON parse_filename(k.filename) = n.file
        WHERE i.accepted ORDER BY n.shard, k.file_row_number""")
    joined = sql.first_row(connection, "SELECT count(*), count(DISTINCT sample_id) FROM accepted")
    wanted = sql.first_row(
        connection, f"SELECT count(*) FROM {sql.from_parquet(index)} WHERE accepted"
    )[0]
    if joined != (wanted, wanted):
        rule = "each accepted sample must have its images once in shards/"
        got = f"{joined[0]} images of {joined[1]} samples, {wanted} accepted"
        raise DataError(rule, got, "run generate again: it makes what is missing")


def assign_split(index: str, shares: Iterable[tuple[str, float]]) -> str:
    """Return SQL for the rows of `index` (SQL) by sample and attempt, with `split` filled in.

    Families of accepted samples are shuffled by a hash of their id within each pathology and cut
    at the shares: exact up to one family a class, the same on any machine.
    """
    names = ", ".join(
        f"i.{sql.quote_name(c.name)}" for c in schema.columns("index") if c.name != "split"
    )
    used = [(sql.quote_text(split), share) for split, share in shares if share > 0]
    ends = accumulate(share for _, share in used[:-1])
    cuts = zip(used, ends, strict=False)
    cases = "".join(f" WHEN place < {end!r} THEN {split}" for (split, _), end in cuts)
    split = f"CASE{cases} ELSE {used[-1][0]} END" if cases else used[-1][0]
    return f"""
        WITH families AS (
            SELECT family_id, min(pathology) AS class FROM {index} WHERE accepted GROUP BY family_id
        ), places AS (
            SELECT family_id, (row_number() OVER (PARTITION BY class ORDER BY md5(family_id)) - 0.5)
                / count(*) OVER (PARTITION BY class) AS place
            FROM families
        )
        SELECT {names}, CASE WHEN i.accepted THEN {split} END AS split
        FROM {index} i LEFT JOIN places p USING (family_id)
        ORDER BY i.sample_id, i.attempt"""


def read_rows(connection: sql.Connection, shards: list[Path], split: str) -> Iterator[pa.Table]:
    """Yield the accepted rows of a split with their images, in the order of the shards."""
    names = ", ".join(sql.quote_name(c.name) for c in schema.columns("index"))
    for number, path in enumerate(shards):
        thin = connection.sql(
            f"SELECT shard_row, {names} FROM accepted WHERE shard = {number} "
            f"AND split = {sql.quote_text(split)} ORDER BY shard_row"
        ).to_arrow_table()
        if thin.num_rows:
            yield from _with_images(thin, path)


def _with_images(thin: pa.Table, path: Path) -> Iterator[pa.Table]:
    """Yield the rows of `thin` (ordered by shard_row) with the images in the shard `path`."""
    rows = thin["shard_row"].to_numpy()
    start = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(GROUP_ROWS, columns=list(_IMAGES)):
            first, last = rows.searchsorted([start, start + len(batch)])
            images = batch.take(pa.array(rows[first:last] - start))
            start += len(batch)
            if first < last:
                yield _check(thin.slice(first, last - first), images, path)
    # pyarrow calls a broken page an `OSError`, as if the disk failed
    except (OSError, pa.ArrowException) as error:
        rule = f"shard {path.name} must be a whole Parquet file"
        raise DataError(rule, error, "delete it, generate again") from error


def _check(thin: pa.Table, images: pa.RecordBatch, path: Path) -> pa.Table:
    table = thin.drop_columns(["shard_row"])
    for name in _IMAGES:
        table = table.append_column(name, images.column(name))
    table = table.select(arrow_schema().names).cast(arrow_schema())
    for sample_id, rule, got in check_images(table):
        remedy = "delete the shard, generate again"
        raise DataError(f"{rule} (sample {sample_id} in {path.name})", got, remedy)
    return table


def _regroup(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of exactly `rows` rows, the last one perhaps shorter."""
    held: pa.Table | None = None
    for table in tables:
        held = table if held is None else pa.concat_tables([held, table])
        while held.num_rows >= rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    if held is not None and held.num_rows:
        yield held


def write_index(connection: sql.Connection, query: str, target: Path) -> None:
    """Write every attempt, by sample and attempt, whatever order the loop made them in."""
    columns = schema.arrow_schema("index")
    batches = connection.sql(query).to_arrow_reader(INDEX_GROUP_ROWS)
    tables = (pa.Table.from_batches([batch]).cast(columns) for batch in batches)
    with _open_writer(target, columns) as writer:
        for table in _regroup(tables, INDEX_GROUP_ROWS):
            writer.write_table(table, row_group_size=INDEX_GROUP_ROWS)


def write_split(tables: Iterator[pa.Table], folder: Path, split: str) -> list[Path]:
    """Write a split's rows as data files of some 256 MB in row groups of 100 rows."""
    groups = _regroup(tables, GROUP_ROWS)
    first = next(groups, None)
    parts: list[Path] = []
    while first is not None:
        parts.append(folder / f"{split}-{len(parts):05d}.partial")
        first = _write_file(parts[-1], first, groups)
    names = [file_name(split, i, len(parts)) for i in range(len(parts))]
    return [part.rename(folder / name) for part, name in zip(parts, names, strict=True)]


def _write_file(path: Path, first: pa.Table, groups: Iterator[pa.Table]) -> pa.Table | None:
    """Write `first` and what follows until the file is full; return the first that is left."""
    table: pa.Table | None = first
    size = 0
    with _open_writer(path, first.schema) as writer:
        while table is not None and size < FILE_BYTES:
            writer.write_table(table, row_group_size=GROUP_ROWS)
            size += table.nbytes
            table = next(groups, None)
    return table


def _open_writer(path: Path, columns: pa.Schema) -> pq.ParquetWriter:
    """Return a Parquet writer: Zstandard and dictionaries, but images as they are."""
    blobs = [f"{name}.{part}" for name in _IMAGES for part in ("bytes", "path")]
    thin = [f"{f.name}.list.element" if pa.types.is_list(f.type) else f.name for f in columns]
    codecs = dict.fromkeys(thin, "zstd") | dict.fromkeys(blobs, "none")
    words = [name for name in thin if pa.types.is_string(columns.field(name.split(".")[0]).type)]
    return pq.ParquetWriter(path, columns, compression=codecs, use_dictionary=words)
