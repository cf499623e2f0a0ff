"""How one folder takes the place of another: a swap, and what a killed one left.

In: a finished folder, and where it belongs. Out: it is there, and of what was there before only
what we wrote is gone.
"""

import re
import shutil
from contextlib import suppress
from pathlib import Path

from busgen.errors import UserError
from busgen.folders.manifests import MANIFEST, find_stranger, is_listed, list_files, read_manifest

NEW, OLD = "new", "old"  # folders in the scratch folder of a swap
RULE = "the output folder must not exist or be empty, or hold only what the same command wrote"
REMEDY = "choose another folder, or remove it first"


def swap(new: Path, target: Path, scratch: Path, kind: str) -> None:
    """Put `new` in the place of `target`, what lies there first aside, which is looked at again."""
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


def discard(folder: Path, *, check: bool = False) -> None:
    """Remove from a folder what its manifest lists, and the folder where nothing else is in it.

    With `check` what was changed since stays too. Names are of what lies there, never the
    manifest's, which may name anything.
    """
    manifest = read_manifest(folder)
    listed = {*manifest.files, *manifest.folders} if manifest else set()
    for name in reversed(list(list_files(folder))):
        path = folder / name
        ours = manifest and is_listed(folder, name, manifest) if check else name in listed
        if ours:
            with suppress(OSError):  # a folder that is not empty
                path.rmdir() if path.is_dir() else path.unlink()
    if not any(list_files(folder)):
        if read_manifest(folder):
            (folder / MANIFEST).unlink()
        with suppress(OSError):  # a file of that name that is not ours
            folder.rmdir()


def find_scratches(target: Path) -> list[Path]:
    """Return where swaps of `target` took place whose process is dead, as its lock is held."""
    form = re.compile(rf"\.{re.escape(target.name)}\.busgen-[a-z0-9_]+")
    found = [path for path in target.parent.iterdir() if form.fullmatch(path.name)]
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def sweep(scratch: Path) -> None:
    """Remove what a dead process left; an old folder that somebody has changed stays."""
    shutil.rmtree(scratch / NEW, ignore_errors=True)
    old = scratch / OLD
    if old.is_dir() and find_stranger(old, None) is None:
        discard(old)
    with suppress(OSError):
        scratch.rmdir()
