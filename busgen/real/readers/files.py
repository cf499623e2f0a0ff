"""What readers share about published folders: where the root is, which images lie there, names.

In: the folder that a user gave. Out: the dataset's root, its images in a fixed order, and names
that are safe as ids; file names themselves stay as published, Unicode and all.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from busgen.errors import UserError

OTHER_IMAGES = (".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".dcm")


def find_folder(path: Path, is_root: Callable[[Path], bool], rule: str, remedy: str) -> Path:
    """Return `path`, or the one folder directly in it, that has a publisher's layout.

    Raises `UserError` with `rule` and `remedy`, if there is none or more than one.
    """
    if is_root(path):
        return path
    inside = [p for p in sorted(path.iterdir()) if p.is_dir() and not _litter(p) and is_root(p)]
    if len(inside) != 1:
        found = ", ".join(p.name for p in inside) or "none"
        raise UserError(rule, f"{found} in {path}", remedy)
    return inside[0]


def find_files(folder: Path) -> list[Path]:
    """Return the PNG files directly in `folder`, numbers in order; no hidden ones."""
    found = (p for p in folder.iterdir() if p.suffix.lower() == ".png" and p.is_file())
    return sorted((p for p in found if not _litter(p)), key=lambda p: natural_key(p.name))


def find_other(folder: Path) -> list[str]:
    """Return names of images directly in `folder` that are no PNG, which readers leave out."""
    found = (p.name for p in folder.iterdir() if p.suffix.lower() in OTHER_IMAGES)
    return sorted(found)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sorting key by which 2 comes before 10, whatever the Unicode form."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return [int(part) if part.isdecimal() else part for part in parts], name


def ascii_id(text: str) -> str:
    """Return `text` in ASCII letters, digits, `-` and `_`; what is lost is replaced by a hash."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_")
    if text.isascii():
        return slug
    normal = unicodedata.normalize("NFC", text)
    return f"{slug}-{hashlib.blake2b(normal.encode(), digest_size=4).hexdigest()}"


def _litter(path: Path) -> bool:
    """Return whether an operating system left it: resource forks, archives' own folders."""
    return path.name.startswith((".", "__MACOSX"))
