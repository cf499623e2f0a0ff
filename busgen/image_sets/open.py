"""Any path -> the set of images that lies there.

In: a folder or file, and how to read it where its names do not say. Out: a `Source`, by what is
found: real data in canonical form, a dataset saved to disk, Parquet files (releases of busgen among
them), or a folder of plain images (`busgen.image_sets.folder`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from busgen.errors import UserError
from busgen.image_sets import folder, parquet
from busgen.image_sets.parquet import find_arrow, find_files
from busgen.image_sets.source import Image, Reading, Source
from busgen.real.cohort import IMAGES, PLAIN, find_cohort, find_tables, load_cohort, read_rows
from busgen.real.crops import crop, is_undisputed

CANONICAL = "canonical"
HELD_OUT = ("validation", "test")


def open_set(path: Path, reading: Reading | None = None) -> Source:
    """Return the set at a path, read as `reading` says.

    Of real data in canonical form no near-duplicate, no Doppler, no disputed label; all splits.
    Raises `UserError` if nothing is there, no set of images, or what is there would be misread;
    `DataError` if it is damaged.
    """
    if not path.exists():
        raise UserError("a set of images must be a folder or file", str(path), "check the path")
    how = reading or Reading()
    if how.frames and not (path.is_dir() and not find_files(path) and not find_arrow(path)):
        rule = "frames must be of files in a folder of images"
        raise UserError(rule, str(path), "leave out --frames")
    if any(path.glob("*/table.parquet")) and (path / "cohort").is_dir():
        return open_tables(path, find_tables(path), find_cohort(path))
    if parts := find_arrow(path):
        return parquet.open_set(path, parts, "dataset on disk", how)
    if parts := find_files(path) if path.is_dir() or path.suffix == ".parquet" else []:
        return parquet.open_set(path, parts, "parquet", how)
    if path.is_dir():
        return folder.open_set(path, how)
    rule = "a set of images must be a folder or a Parquet file"
    raise UserError(rule, str(path), "put the images into a folder")


def open_tables(path: Path, tables: Sequence[Path], cohort_file: Path) -> Source:
    """Return the set of canonical tables and their cohort, which lie at `path`: square crops.

    What they stem from is their cluster of patients. Raises `UserError` if the cohort is missing.
    """
    cohort = load_cohort(cohort_file)
    found = read_rows(tables, cohort, columns=PLAIN, usable=is_undisputed)
    rows = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in found]

    def load(chosen: Sequence[int]) -> Iterator[Image]:
        ids = {rows[k]["sample_id"] for k in chosen}
        request: dict[str, Any] = {"columns": [*IMAGES, "source_file"]}
        for row in read_rows(tables, cohort, usable=lambda r: r["sample_id"] in ids, **request):
            image, mask, _ = crop(row)
            yield image, mask

    return Source(path, CANONICAL, rows, load, "cluster_id")
