"""How busgen knows what it wrote: a folder by a list of its files, a record by its own hash; locks.

In: a folder. Out: `MANIFEST` in it, every file with its size and SHA-256, and the first thing there
that the list does not name; of a folder that is to go, only what we wrote is gone. In: a path, what
kind of record it is. Out: a JSON file, never over a user's, as `busgen.folders` has it. One command
at a time writes to a place, or the next one waits: its lock is held by `.NAME.busgen-lock` beside
it as long as it is needed.
"""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from busgen import io
from busgen.errors import DataError, UserError

MANIFEST, FORMAT = ".busgen.json", "busgen-folder/1"
SEAL = "written_by"  # of a record: the command and the hash of the rest
Say = Callable[[str], None]
_held = threading.local()


@dataclass(frozen=True)
class Manifest:
    """What a folder holds: `files` by name with their `bytes` and `sha256`, `folders` in it."""

    kind: str
    files: Mapping[str, Mapping[str, Any]]
    folders: frozenset[str]


def find_stranger(folder: Path, kind: str | None) -> str | None:
    """Return the first thing in `folder` that is not as the manifest lists it, None if all is.

    `kind` None stands for any. A listed file may be missing: nothing is lost by that.
    """
    if not folder.is_dir():
        return "a file of that name" if folder.exists() else None
    first, manifest = next(list_files(folder), None), read_manifest(folder)
    if manifest is None:
        lone = MANIFEST if os.path.lexists(folder / MANIFEST) else None
        return f"{first or lone}, and no {MANIFEST} that lists it" if first or lone else None
    if kind not in (None, manifest.kind):
        return f"something else that busgen wrote: {manifest.kind}"
    listed = {*manifest.files, *manifest.folders}
    names = list(list_files(folder))
    found = next((name for name in names if name not in listed), None)  # before any hash
    found = found or next((n for n in names if not _is_listed(folder, n, manifest)), None)
    return found and f"{found}, which is another's or was changed"


def write_manifest(folder: Path, kind: str) -> None:
    """Write the list of all that `folder` holds; no clock time enters it."""
    files, inside = {}, []
    for name in list_files(folder):
        path = folder / name
        if path.is_dir():
            inside.append(name)
        elif name != MANIFEST:
            files[name] = {"bytes": path.stat().st_size, "sha256": io.sha256_file(path)}
    record = {"format": FORMAT, "kind": kind, "files": files, "folders": inside}
    io.write_text(folder / MANIFEST, io.dumps(record | {"sha256": _hash_record(record)}))


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, None if there is none or it was changed."""
    path = folder / MANIFEST
    try:
        record = io.read_json(path) if not path.is_symlink() else {}
        sha256 = record.pop("sha256", None)
        if record.get("format") != FORMAT or sha256 != _hash_record(record):
            return None
        files = {name: dict(facts) for name, facts in record["files"].items()}
        return Manifest(str(record["kind"]), files, frozenset(record["folders"]))
    except (DataError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _hash_record(record: Mapping[str, Any]) -> str:
    """Return the hex SHA-256 of a record as canonical JSON."""
    return io.sha256_bytes(io.dumps(dict(record)).encode())


def list_files(folder: Path) -> Iterator[str]:
    """Yield the name of everything in `folder` but its manifest, sorted; no link is followed."""

    def refuse(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted((*folders, *names)):
            inside = (Path(root) / name).relative_to(folder).as_posix()
            if inside != MANIFEST:
                yield inside


def _is_listed(folder: Path, name: str, manifest: Manifest) -> bool:
    """Return whether a thing in `folder` is what the manifest says of it."""
    path = folder / name
    if not os.path.lexists(path):
        return False
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode):
        return name in manifest.folders
    record = manifest.files.get(name)
    if record is None or not stat.S_ISREG(found.st_mode) or found.st_size != record.get("bytes"):
        return False
    return io.sha256_file(path) == record.get("sha256")


def discard(folder: Path, *, check: bool = False) -> None:
    """Remove from a folder what its manifest lists, and the folder where nothing else is in it.

    With `check` what was changed since stays too. Names are of what lies there, never the
    manifest's, which may name anything.
    """
    manifest = read_manifest(folder)
    listed = {*manifest.files, *manifest.folders} if manifest else set()
    for name in reversed(list(list_files(folder))):
        path = folder / name
        ours = manifest and _is_listed(folder, name, manifest) if check else name in listed
        if ours:
            with suppress(OSError):  # a folder that is not empty
                path.rmdir() if path.is_dir() else path.unlink()
    if not any(list_files(folder)):
        if read_manifest(folder):
            (folder / MANIFEST).unlink()
        with suppress(OSError):  # a file of that name that is not ours
            folder.rmdir()


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
                remedy = "wait until it is done, or choose another place"
                raise UserError(rule, got, remedy) from None
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


@contextmanager
def write_record(path: Path | None, kind: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield the function that writes a record to `path` as JSON; nothing if that is None.

    The rule is that of folders: the file may not exist, be empty, or hold an unchanged record of
    the same `kind`, which is told in it (`SEAL`). Raises `UserError` if it holds anything else, or
    another command is writing it.
    """
    if path is None:
        yield lambda record: None
        return
    target = path.resolve()

    def write(record: Mapping[str, Any]) -> None:
        _require_record(target, kind)
        io.write_text(target, io.dumps(_seal(record, kind)))

    with hold_lock(target):
        _require_record(target, kind)
        yield write


def _require_record(path: Path, kind: str) -> None:
    with io.report_storage(path.parent):
        if not os.path.lexists(path) or (path.is_file() and _is_record(path.read_bytes(), kind)):
            return
    rule = "the output file must not exist or be empty, or hold only what the same command wrote"
    raise UserError(rule, f"{path} with other content", "choose another file, or remove it first")


def _is_record(data: bytes, kind: str) -> bool:
    try:
        record = json.loads(data or "{}")
        record.pop(SEAL, None)
        return not data or io.dumps(_seal(record, kind)).encode() == data
    except (ValueError, TypeError, AttributeError, RecursionError):
        return False


def _seal(record: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return dict(record) | {SEAL: {"command": kind, "sha256": _hash_record(record)}}
