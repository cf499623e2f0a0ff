"""Publishers' tables: CSV or xlsx -> rows of strings.

In: a table as published and the columns that it must have. Out: rows `{column: cell}`, cells
stripped, empty where nothing stands.
"""

import csv
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from busgen.errors import DataError

Row = dict[str, str]


def read_rows(path: Path, columns: Sequence[str], separator: str = ",") -> list[Row]:
    """Return the rows of a CSV (UTF-8, with or without BOM) or of an xlsx's first sheet.

    Raises `DataError` if the table cannot be read, has no rows, or lacks one of `columns`.
    """
    rows = _read(path, separator) if path.suffix.lower() == ".csv" else _read_sheet(path)
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing or not rows:
        rule = f"{path.name} must have rows and the publisher's columns"
        got = f"no {', '.join(missing) or 'rows'}"
        raise DataError(rule, got, "use the publisher's table unchanged")
    return rows


def refuse(row: Row, column: str, key: str) -> NoReturn:
    """Raise `DataError` about a cell that holds none of the publisher's terms."""
    rule = f"{column} of {row[key]} must be one of the publisher's terms"
    raise DataError(rule, repr(row[column]), "use the publisher's table unchanged")


def _read(path: Path, separator: str) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=separator, strict=True)
            return [_cell(row.items()) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} must be a UTF-8 CSV", error, "restore the file") from error


def read_sheet(path: Path) -> list[tuple[object, ...]]:
    """Return the rows of an xlsx's first sheet that hold anything; `DataError` if it is broken."""
    import openpyxl

    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            return [row for row in book.worksheets[0].iter_rows(values_only=True) if any(row)]
    except Exception as error:  # openpyxl lets zip, XML and key errors of bad files through
        raise DataError(f"{path.name} must be a readable workbook", error, "restore it") from error


def _read_sheet(path: Path) -> list[Row]:
    header, *rows = read_sheet(path) or [()]
    return [_cell(zip(header, row, strict=False)) for row in rows]


def _cell(items: Iterable[tuple[object, object]]) -> Row:
    return {str(name): "" if value is None else str(value).strip() for name, value in items}
