"""What came of a generation: attempts, accepted, the commonest reason by stratum; and its folder.

In: a work folder named by its plan's hash. Out: the folder that the next stage reads.
"""

from pathlib import Path
from typing import Any

from busgen.folders import copy_folder, write_folder

CANDIDATES = "candidates"


def link_folder(source: Path, target: Path) -> None:
    """Put the files of `source` in `target`, as hard links where the file system has them.

    `source` stays: it is removed when the next stage begins, that is when DVC has recorded
    `target`. A run killed before that finds its shards again.
    """
    with write_folder(target, CANDIDATES) as partial:
        copy_folder(source, partial, linked=True)


def count(index: Path) -> list[dict[str, Any]]:
    """Return attempts, accepted and the commonest reason by pathology and shape."""
    import duckdb

    query = """
        select pathology, coalesce(shape, '-') as shape, count(*) as attempts,
               count(*) filter (where accepted) as accepted,
               coalesce(mode(reason), '-') as commonest_reason
        from read_parquet(?) group by all order by all
    """
    names = ("pathology", "shape", "attempts", "accepted", "commonest_reason")
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(index)]).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]
