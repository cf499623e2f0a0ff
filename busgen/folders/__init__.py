"""Folders and records that commands write: whole or not at all, and never over a user's files.

One rule for every command. What it writes may take the place of nothing, of an empty folder, or of
what the same command wrote there and nobody has changed: a manifest in the folder (`MANIFEST`)
lists each file with its size and SHA-256, a record (a JSON file) carries its own hash. Everything
else is refused, before the work starts and again before the swap. What cannot be made a second time
is not replaced at all (`require_new`).

In: where to write, and what kind of thing. Out: an empty folder to fill, which is swapped in last,
under a lock. Beside `NAME` lie, as long as they are needed, `.NAME.busgen-lock`, `.NAME.busgen-*`
with the new and the old folder while they are swapped, and `.NAME.work` of a command that goes on
after a kill.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from busgen import io
from busgen.errors import UserError
from busgen.folders.manifests import (
    MANIFEST,
    Say,
    discard,
    find_stranger,
    hold_lock,
    write_manifest,
)

NEW, OLD = "new", "old"  # folders in the scratch folder of a swap
RULE = "the output folder must not exist or be empty, or hold only what the same command wrote"
REMEDY = "choose another folder, or remove it first"
WORK_MARK = ".busgen-work"  # in a work folder: all of it is ours
GROWING, COPYING = "folder", "copying"  # folders in the work folder of `grow_folder`


@contextmanager
def lock_folder(out: Path, kind: str, say: Say | None = None) -> Iterator[Path]:
    """Hold the lock of the folder `out`, which may be replaced, and yield it without links.

    Commands that work long before they write begin with it. What a killed command left beside the
    folder is put back or removed.

    `out`: folder to write, now or later; `kind`: what is written, as the manifest names it; `say`:
    told that another command is waited for; without it that one is an error. Raises `UserError` if
    `out` holds anything but an unchanged folder of this kind (`require_replaceable`), or another
    command is writing it; `StorageError` if it cannot be written.
    """
    target = out.resolve()
    with hold_lock(target, say):
        with io.report_storage(target.parent):
            # where swaps took place whose process is dead, as its lock is held
            form = re.compile(rf"\.{re.escape(target.name)}\.busgen-[a-z0-9_]+")
            found = sorted(p for p in target.parent.iterdir() if form.fullmatch(p.name))
            scratches = [path for path in found if path.is_dir() and not path.is_symlink()]
            for scratch in scratches:
                if (scratch / OLD).is_dir() and _is_vacant(target):
                    (scratch / OLD).rename(target)  # killed between the two renames
            require_replaceable(target, kind)
            for scratch in scratches:  # an old folder that somebody has changed stays
                shutil.rmtree(scratch / NEW, ignore_errors=True)
                if (scratch / OLD).is_dir() and find_stranger(scratch / OLD, None) is None:
                    discard(scratch / OLD)
                with suppress(OSError):
                    scratch.rmdir()
        yield target


@contextmanager
def write_folder(out: Path, kind: str) -> Iterator[Path]:
    """Yield an empty folder beside `out`; on success it takes the place of `out`, as one step.

    On any failure `out` is as it was. Parameters and errors as in `lock_folder`.
    """
    with lock_folder(out, kind) as target, io.report_storage(target.parent):
        scratch = Path(mkdtemp(prefix=f".{target.name}.busgen-", dir=target.parent))
        new = scratch / NEW
        try:
            new.mkdir()
            yield new
            write_manifest(new, kind)
            _swap(new, target, scratch, kind)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            with suppress(OSError):
                scratch.rmdir()


@contextmanager
def grow_folder(out: Path, kind: str, say: Say | None = None) -> Iterator[Path]:
    """Yield a work folder with what `out` holds; on success it takes the place of `out`.

    For a command that keeps what earlier ones did. After a failure or a kill the work folder stays,
    and the same command goes on in it. Its files may be links to those of `out`: replace them, do
    not write into them. Parameters and errors as in `lock_folder`.
    """
    with lock_folder(out, kind, say) as target, io.report_storage(target.parent):
        work = work_folder(target)
        open_work(work.parent)
        if not work.is_dir():
            copy = work.with_name(COPYING)
            shutil.rmtree(copy, ignore_errors=True)
            copy_folder(target, copy, linked=True) if target.is_dir() else copy.mkdir()
            copy.rename(work)
        for path in list(work.rglob(".*")):  # half-written by a killed command
            if path.name.endswith(".partial") or ".busgen-" in path.name:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        try:
            yield work
            write_manifest(work, kind)
            scratch = Path(mkdtemp(prefix=f".{target.name}.busgen-", dir=target.parent))
            try:
                _swap(work, target, scratch, kind)
            finally:
                with suppress(OSError):
                    scratch.rmdir()
        finally:
            if not any(work.rglob("*")):  # it is in place, or nothing was done
                remove_work(work.parent)
                with suppress(OSError):
                    work_path(target).rmdir()


def _swap(new: Path, target: Path, scratch: Path, kind: str) -> None:
    """Put `new` in the place of `target`, what lies there first aside, which is examined again."""
    old = scratch / OLD
    if not target.is_dir():
        new.rename(target)
        return
    target.rename(old)
    try:
        if stranger := find_stranger(old, kind):
            raise UserError(RULE, f"{target} with {stranger}", REMEDY)
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise
    discard(old)


def require_replaceable(out: Path, kind: str) -> None:
    """Raise `UserError` if `out` holds what would be lost, as the rule of this module has it."""
    target = out.resolve()
    with io.report_storage(out):
        if Path.cwd().is_relative_to(target):
            rule = "the output folder must not be the one that you are in"
            raise UserError(rule, out, "name a new folder: it is put in place whole")
        if os.path.ismount(target):
            rule = "the output folder must not be where a disk is mounted"
            raise UserError(rule, out, "name a new folder in it: it is put in place whole")
        if stranger := find_stranger(target, kind):
            raise UserError(RULE, f"{out} with {stranger}", REMEDY)


def require_new(out: Path) -> None:
    """Raise `UserError` if `out` holds anything: what cannot be made again is never replaced."""
    with io.report_storage(out):
        if not _is_vacant(out.resolve()):
            rule = "the output folder must not exist or be empty"
            raise UserError(rule, f"{out} with other content", REMEDY)


def _is_vacant(folder: Path) -> bool:
    return not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir()))


def remove_written(folder: Path) -> None:
    """Remove of `folder` what its manifest lists and nobody changed; what else it holds stays."""
    if not folder.is_dir():
        return
    with hold_lock(folder.resolve()), io.report_storage(folder):
        discard(folder, check=True)


def copy_folder(source: Path, target: Path, *, linked: bool = False) -> None:
    """Copy a folder without its manifest; `linked` as hard links where the file system has them."""

    def skip(folder: str, names: list[str]) -> list[str]:
        ours = (MANIFEST, WORK_MARK)
        return [name for name in names if name in ours and Path(folder) == source]

    copy = link_file if linked else shutil.copy2
    shutil.copytree(source, target, ignore=skip, copy_function=copy, dirs_exist_ok=True)


def link_folder(source: Path, target: Path, kind: str) -> None:
    """Put the files of `source` in `target`, of this `kind`, as hard links where there are any.

    `source` stays: it is removed when the next stage begins, that is when DVC has recorded
    `target`. A run killed before that finds its shards again.
    """
    with write_folder(target, kind) as partial:
        copy_folder(source, partial, linked=True)


def link_file(source: str | Path, target: str | Path) -> None:
    """Make `target`, which is not there, a hard link to `source`, or a copy where there is none."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def work_folder(out: Path) -> Path:
    """Return where `grow_folder` works, and where a stopped command's part of `out` lies."""
    return work_path(out) / "grown" / GROWING


def work_path(out: Path) -> Path:
    """Return where a command that writes `out` keeps what it goes on from after a kill."""
    target = out.resolve()
    return target.with_name(f".{target.name}.work")


def open_work(folder: Path) -> Path:
    """Make a work folder, or open one; return it. `UserError` if a stranger's is there."""
    with io.report_storage(folder):
        if folder.is_dir() and any(folder.iterdir()) and not (folder / WORK_MARK).is_file():
            rule = f"a work folder must be one that busgen made (with {WORK_MARK})"
            raise UserError(rule, folder, "move it away: its name is needed")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WORK_MARK).touch()
    return folder


def remove_work(folder: Path) -> None:
    """Remove a work folder that `open_work` made; anything else stays."""
    if (folder / WORK_MARK).is_file():
        shutil.rmtree(folder)


def clear_work(out: Path) -> None:
    """Remove the work folders beside `out` (`work_path`); what else lies there stays."""
    place = work_path(out)
    if place.is_dir():
        for folder in place.iterdir():
            remove_work(folder)
        with suppress(OSError):
            place.rmdir()
