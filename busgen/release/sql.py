"""DuckDB over Parquet files, with bounded memory and any character in a path.

In: paths. Out: connections, and SQL that reads those paths.
"""

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import duckdb

Error = duckdb.Error
Connection: TypeAlias = duckdb.DuckDBPyConnection
MEMORY = "512MB"


def connect(scratch: Path | None = None) -> Connection:
    """Return a connection; with `scratch`, an empty folder, tables live and spill there."""
    connection: Connection = duckdb.connect(
        ":memory:" if scratch is None else str(scratch / "scratch.duckdb")
    )
    connection.execute("SET threads = 2")  # bounds memory; more threads gain little here
    connection.execute("SET enable_progress_bar = false")
    if scratch is not None:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET temp_directory = {quote_text(str(scratch / 'spill'))}")
    return connection


def first_row(connection: Connection, query: str) -> tuple[int, ...]:
    """Return the first row of a query for whole numbers.

    DuckDB 2 takes no other query before all rows of the last one are fetched.
    """
    return tuple(map(int, connection.execute(query).fetchall()[0]))


def quote_text(value: str) -> str:
    """Return `value` as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def quote_name(column: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def from_parquet(paths: Path | Iterable[Path], options: str = "") -> str:
    """Return the SQL table that reads these Parquet files, brackets in their names included."""
    listed = [paths] if isinstance(paths, Path) else list(paths)
    files = ", ".join(quote_text(glob.escape(str(path))) for path in listed)
    return f"read_parquet([{files}]{options})"
