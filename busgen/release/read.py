"""Reading a release: its rows lazily, one image fast, counts by stratum.

In: a release folder. Out: Arrow tables, decoded images, one row as a dictionary.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.arrays import Pixels
from busgen.errors import DataError, UserError
from busgen.io import decode_png
from busgen.release import sql
from busgen.release.files import GROUP_ROWS, INDEX, find_files, require_release

if TYPE_CHECKING:
    import pyarrow.dataset as ds


class Release(NamedTuple):
    """An opened release: its data files, of which only the footers are read; one a thread.

    `groups`: open file, number, smallest and largest sample id of each row group.
    """

    folder: Path
    groups: tuple[tuple[pq.ParquetFile, int, str, str], ...]

    @property
    def rows(self) -> "ds.Dataset":
        """All accepted samples, nothing of which is read until asked."""
        import pyarrow.dataset as ds

        return ds.dataset([str(path) for path in find_files(self.folder)], format="parquet")


def open_release(folder: Path) -> Release:
    """Return the release in `folder`; opened once, an image takes half the time."""
    groups = []
    for path in find_files(require_release(folder)):
        file = pq.ParquetFile(path, memory_map=True)
        for number in range(file.num_row_groups):
            ids = file.metadata.row_group(number).column(0).statistics
            groups.append((file, number, ids.min, ids.max))
    return Release(folder, tuple(groups))


def read_row(release: Release | Path, sample_id: str, columns: Sequence[str]) -> dict[str, Any]:
    """Return `columns` of one released sample; raise `UserError` with similar ids if unknown."""
    opened = release if isinstance(release, Release) else open_release(release)
    for file, number, first, last in opened.groups:
        if first <= sample_id <= last:
            # threads take longer than they save here
            read = partial(file.read_row_group, number, use_threads=False)
            row = read(columns=["sample_id"])["sample_id"].index(sample_id).as_py()
            if row >= 0:
                found: dict[str, Any] = read(columns=list(columns)).slice(row, 1).to_pylist()[0]
                return found
    raise unknown_sample_error(opened.folder, sample_id)


def read_image(release: Release | Path, sample_id: str) -> Pixels:
    """Return the (H, W) uint8 image of one released sample."""
    image = read_row(release, sample_id, ["image"])["image"]
    return decode_png(image["bytes"], f"image of {sample_id}")


def read_mask(release: Release | Path, sample_id: str) -> Pixels:
    """Return the (H, W) uint8 mask of one released sample, 0 and 255."""
    mask = read_row(release, sample_id, ["mask"])["mask"]
    return decode_png(mask["bytes"], f"mask of {sample_id}")


def read_rows(folder: Path, columns: Sequence[str], split: str | None = None) -> Iterator[pa.Table]:
    """Yield `columns` of the released rows, 100 at a time, all splits or one.

    Raises `DataError` if the release has not all of them.
    """
    for path in find_files(require_release(folder)):
        if split is None or path.name.startswith(f"{split}-"):
            require_columns(path, columns)
            for batch in pq.ParquetFile(path).iter_batches(GROUP_ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch])


def require_columns(path: Path, names: Sequence[str]) -> None:
    """Raise `DataError` unless a release's Parquet file has columns of these names."""
    missing = sorted({*names} - {*pq.read_schema(path).names})
    if missing:
        rule = f"{path.name} must have the columns that this version of busgen writes"
        got = f"none of the name {', '.join(missing)}"
        raise DataError(rule, got, "use the version that wrote it, or generate it again")


def count_by(index: Path, by: Sequence[str]) -> pa.Table:
    """Return accepted samples by stratum: the columns `by` (at least one), then ``n``."""
    known = [column.name for column in schema.columns("index")]
    for name in by:
        if name not in known:
            raise UserError("a stratum must be made of columns of the index", name, str(known))
    names = ", ".join(map(sql.quote_name, by))
    with sql.connect() as connection:
        return connection.sql(
            f"SELECT {names}, count(*) AS n FROM {sql.from_parquet(index)} WHERE accepted "
            f"GROUP BY ALL ORDER BY n DESC, {names}"
        ).to_arrow_table()


def unknown_sample_error(folder: Path, sample_id: str) -> UserError:
    """Return the error for an id that is not in the release, with the nearest that are."""
    with sql.connect() as connection:
        nearest = connection.execute(
            f"SELECT DISTINCT sample_id, levenshtein(sample_id, ?) AS d "
            f"FROM {sql.from_parquet(folder / INDEX)} ORDER BY d, sample_id LIMIT 3",
            [sample_id],
        ).fetchall()
    near = ", ".join(str(row[0]) for row in nearest)
    return UserError("sample must be one of the release", repr(sample_id), f"nearest: {near}")
