"""The files of a release folder: their names, checksums and images, what is wrong with them.

In: a release folder, tables of its schema. Out: `sha256sums.txt` (``sha256sum -c`` reads it),
`Problem`s, and what is wrong with images, in words.
"""

import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from busgen import schema
from busgen.errors import DataError, UserError, to_printable
from busgen.folders.manifests import MANIFEST, read_manifest
from busgen.io import decode_png, sha256_array, sha256_bytes, sha256_file, write_text

INDEX, CARD, CROISSANT = "index.parquet", "README.md", "croissant.json"
DICTIONARY, PROVENANCE, LICENCE = "DATA_DICTIONARY.md", "provenance.json", "LICENSE"
SUMS, DATA = "sha256sums.txt", "data"
NAMES = (INDEX, CARD, CROISSANT, DICTIONARY, PROVENANCE, LICENCE, SUMS)
SPLITS = schema.BY_NAME["split"].values or ()
GROUP_ROWS = 100  # rows a row group: one image is read in 4 ms (pyarrow's default: 1,634 ms)

_DATA_NAME = re.compile(rf"({'|'.join(SPLITS)})-(\d{{5}})-of-(\d{{5}})\.parquet")
_CHECKED = ("sample_id", "pathology", "image_sha256", "image", "mask")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class Problem(NamedTuple):
    """One thing that is wrong in a release: the file, the rule it breaks, what was found."""

    file: str
    rule: str
    got: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return to_printable(f"{self.file}: {self.rule}, got {self.got}")


def find_files(folder: Path) -> list[Path]:
    """Return the Parquet files with the images, by split (train first) and number."""
    paths = [path for path in (folder / DATA).glob("*.parquet") if _DATA_NAME.fullmatch(path.name)]
    return sorted(paths, key=lambda path: (SPLITS.index(split_name(path)), path.name))


def split_name(path: Path) -> str:
    """Return the split that a data file's name begins with."""
    return path.name.split("-")[0]


def file_name(split: str, number: int, count: int) -> str:
    """Return the name of the `number`-th (from 0) of `count` data files of a split."""
    return f"{split}-{number:05d}-of-{count:05d}.parquet"


def require_release(folder: Path) -> Path:
    """Return `folder` if it looks like a release, else raise `UserError`."""
    if not (folder / INDEX).is_file():
        rule = f"a release folder must hold {INDEX}"
        raise UserError(rule, folder, "name a folder that busgen wrote")
    return folder


def list_files(folder: Path) -> list[str]:
    """Return every file under `folder`, as sorted relative names with forward slashes.

    Without the list by which busgen knows its own folders (`busgen.folders`): it is no part of the
    dataset, and a copy that lacks it is whole.
    """
    found = []
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        found += [(Path(root) / n).relative_to(folder).as_posix() for n in (*names, *links)]
    return sorted(name for name in found if name != MANIFEST)


def _hash_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files, by name, several read at once."""
    with ThreadPoolExecutor() as pool:
        return dict(pool.map(lambda name: (name, sha256_file(folder / name)), names))


def write_sums(folder: Path) -> None:
    """Write the checksums of every other file; the last line, a comment, is the list's own."""
    sums = _hash_files(folder, [name for name in list_files(folder) if name != SUMS])
    body = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    write_text(folder / SUMS, body + _seal(body))


def _seal(body: str) -> str:
    """Return the last line: `sha256sum -c` skips it as a comment."""
    return f"# {sha256_bytes(body.encode())}  the lines above\n"


def check_sums(folder: Path) -> list[Problem]:
    """Return which files are missing, extra or altered, by name; the list itself included."""
    data = (folder / SUMS).read_bytes() if (folder / SUMS).is_file() else b""
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    body = "".join(lines[:-1])
    problems = []
    if not lines or data != (body + _seal(body)).encode():
        problems.append(Problem(SUMS, "must agree with its own last line", f"{len(data)} bytes"))
    matches = [_LINE.fullmatch(line.rstrip("\n")) for line in lines[:-1]]
    wanted = {match[2]: match[1] for match in matches if match}
    if (folder / MANIFEST).exists() and read_manifest(folder) is None:
        problems.append(Problem(MANIFEST, "must agree with its own sum", "another"))
    found = set(list_files(folder)) - {SUMS}
    problems += [Problem(name, "must exist", "no such file") for name in sorted({*wanted} - found)]
    extra = sorted(found - {*wanted})
    problems += [Problem(name, f"must be listed in {SUMS}", "a file that is not") for name in extra]
    return problems + [
        Problem(name, f"its SHA-256 must be {wanted[name][:12]}...", f"{got[:12]}...")
        for name, got in _hash_files(folder, sorted(found & {*wanted})).items()
        if got != wanted[name]
    ]


def check_images(table: pa.Table) -> list[tuple[str, str, str]]:
    """Return ``(sample_id, rule, got)`` for every row whose image or mask breaks a rule."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(_check_row, table.select(_CHECKED).to_pylist())
        return [problem for problem in found if problem is not None]


def _check_row(row: dict[str, Any]) -> tuple[str, str, str] | None:
    """Return the first rule that one row breaks."""
    name = str(row["sample_id"])
    try:
        image, mask = (
            decode_png((row[part] or {}).get("bytes") or b"", part) for part in ("image", "mask")
        )
    except DataError as error:
        return name, error.rule, str(error.got)
    digest = sha256_array(image)
    if digest != row["image_sha256"]:
        return name, "image_sha256 must be that of the image's pixels", digest
    if image.shape != mask.shape:
        return name, f"mask must have the image's size {image.shape}", str(mask.shape)
    grey = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    if not {*grey.tolist()} <= {0, 255}:
        return name, "mask must hold 0 and 255 only", str(grey[:5].tolist())
    if (255 in grey) != (row["pathology"] != "normal"):
        return name, "mask must be empty exactly where pathology is normal", str(row["pathology"])
    return None
