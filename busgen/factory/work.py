"""Work folders: one run at a time, linked into place when finished, and what came of them.

In: a work folder named by its plan's hash. Out: the folder that the next stage reads.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from busgen import io


def _say_nothing(_: str) -> None:
    """Default of `locked`: a caller with a screen passes its own."""


@contextmanager
def locked(folder: Path, say: Callable[[str], None] = _say_nothing) -> Iterator[None]:
    """Hold the folder's lock: a second run waits for the first, and says so.

    The lock goes with the process, so a killed run leaves none behind; the holder may `remove` the
    folder, lock and all, when its work is done.
    """
    lock: FileLock | None = None
    while lock is None:
        with io.storage(folder):
            folder.mkdir(parents=True, exist_ok=True)
        lock = _acquired(folder, say)
    try:
        yield
    finally:
        lock.release()


def _acquired(folder: Path, say: Callable[[str], None]) -> FileLock | None:
    """Return the lock, or None if the run that had it removed the folder."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another run works in {folder}: waiting until it is done")
        try:
            lock.acquire()
        except FileNotFoundError:
            return None
    except FileNotFoundError:
        return None
    return lock


def remove(folder: Path) -> None:
    """Remove a folder that is locked.

    It is moved away first: a run that waits would put its lock into what is being emptied.
    """
    aside = folder.with_name(f"{folder.name}.done-{os.getpid()}")
    folder.rename(aside)
    shutil.rmtree(aside)


def link_folder(source: Path, target: Path) -> None:
    """Put the files of `source` in `target`, as hard links where the file system has them.

    `source` stays: it is removed when the next stage begins, that is when DVC has recorded
    `target`. A run killed before that finds its shards again.
    """
    with io.replacing_folder(target) as partial:
        shutil.copytree(source, partial, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def acceptance(index: Path) -> list[dict[str, Any]]:
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
