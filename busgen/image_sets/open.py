"""Any path -> the set of images that lies there.

In: a folder or file. Out: a `Source`, by what is found: real data in canonical form, a dataset
saved to disk, Parquet files (releases of busgen among them), or plain images.
"""

from pathlib import Path

from busgen.errors import UserError
from busgen.image_sets import canonical, folder, parquet
from busgen.image_sets.parquet import ImageColumns, find_arrow, find_files
from busgen.image_sets.source import Source


def open_set(path: Path, named: ImageColumns | None = None) -> Source:
    """Return the set at a path; `named` columns hold the images of a table, where it has them.

    Raises `UserError` if nothing is there, or no set of images; `DataError` if it is damaged.
    """
    if not path.exists():
        raise UserError("a set of images must be a folder or file", str(path), "check the path")
    if any(path.glob("*/table.parquet")) and (path / "cohort").is_dir():
        return canonical.open_set(path)
    if parts := find_arrow(path):
        return parquet.open_set(path, parts, "dataset on disk", named or ImageColumns())
    if parts := find_files(path) if path.is_dir() or path.suffix == ".parquet" else []:
        return parquet.open_set(path, parts, "parquet", named or ImageColumns())
    if path.is_dir():
        return folder.open_set(path)
    rule = "a set of images must be a folder or a Parquet file"
    raise UserError(rule, str(path), "put the images into a folder")
