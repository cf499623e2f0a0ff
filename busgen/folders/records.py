"""Records that commands write as JSON: never over a user's file, as `busgen.folders` has it.

In: a path, what kind of record it is. Out: the file, which carries its own hash.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from busgen import io
from busgen.errors import UserError
from busgen.folders.locks import hold_lock
from busgen.folders.manifests import hash_record

SEAL = "written_by"  # of a record: the command and the hash of the rest


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
    return dict(record) | {SEAL: {"command": kind, "sha256": hash_record(record)}}
