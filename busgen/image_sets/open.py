"""Any path -> the set of pictures that lies there.

In: a folder or file. Out: a `Source`, by what is found: real data in canonical form, a dataset
saved to disk, Parquet files (releases of busgen among them), or plain pictures.
"""

from pathlib import Path

from busgen.errors import UserError
from busgen.image_sets.canonical import is_canonical, open_canonical
from busgen.image_sets.folder import open_folder
from busgen.image_sets.parquet import Named, arrow_parts, open_table, parquet_parts
from busgen.image_sets.source import Source


def open_set(path: Path, named: Named | None = None) -> Source:
    """Return the set at a path; `named` columns hold the pictures of a table, where it has them.

    Raises
    ------
    UserError
        If nothing is there, or no set of pictures.
    DataError
        If it is damaged.
    """
    if not path.exists():
        raise UserError("a set of pictures must be a folder or file", str(path), "check the path")
    if is_canonical(path):
        return open_canonical(path)
    if parts := arrow_parts(path):
        return open_table(path, parts, "dataset on disk", named or Named())
    if parts := parquet_parts(path) if path.is_dir() or path.suffix == ".parquet" else []:
        return open_table(path, parts, "parquet", named or Named())
    if path.is_dir():
        return open_folder(path)
    rule = "a set of pictures must be a folder or a Parquet file"
    raise UserError(rule, str(path), "put the pictures into a folder")
