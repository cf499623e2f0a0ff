"""Locks: one command at a time writes to a place, or the next one waits.

In: a file or folder. Out: its lock, held by `.NAME.busgen-lock` beside it as long as it is needed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from busgen import io
from busgen.errors import UserError

Say = Callable[[str], None]
_held = threading.local()


@contextmanager
def hold_lock(target: Path, say: Say | None = None) -> Iterator[None]:
    """Hold the lock of a file or folder; a thread that holds it already may hold it again.

    The lock goes with the process, however that ends, and its file with the lock. Raises
    `UserError` if another command holds it; with `say`, that is said and the other is waited for.
    """
    path = target.with_name(f".{target.name.lstrip('.')}.busgen-lock")
    held: set[Path] = _held.__dict__.setdefault("paths", set())
    if path in held:
        yield
        return
    with io.report_storage(target.parent):
        generated = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if say is None:
                rule = "one command at a time must write to a place"
                got = f"{target}, which another command is writing"
                raise UserError(
                    rule, got, "wait until it is done, or choose another place"
                ) from None
            say(f"another run works in {target}: waiting until it is done")
            lock.acquire()
    held.add(path)
    try:
        yield
    finally:
        held.remove(path)
        with suppress(OSError):  # while it is held: nobody can have taken the name meanwhile
            path.unlink()
        lock.release()
        with suppress(OSError):  # where nothing was written after all
            for folder in generated:
                folder.rmdir()
