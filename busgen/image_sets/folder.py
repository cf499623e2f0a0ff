"""A folder of plain images as a set: any common layout, nothing left out without a word.

In: a folder; how to read it, where names do not say. Out: a `Source`. Which files are images and
masks, and whose, `busgen.imaging.pairs` tells; `outlines` finds what is outlined in numbers.
Columns are `file`, `folder`, `split` where a folder is named so, and those of `metadata.csv`,
`.jsonl` or `.parquet` (as Hugging Face's imagefolder has them, or the only CSV file) whose rows
name files; one such as `mask_file_name` names masks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from busgen.errors import DataError, UserError
from busgen.image_sets import parquet
from busgen.image_sets.outlines import draw_outlines
from busgen.image_sets.parquet import METADATA_TABLE
from busgen.image_sets.source import (
    AT_ONCE,
    SPLITS,
    File,
    Found,
    Image,
    Reading,
    Row,
    Source,
    open_images,
)
from busgen.imaging.decode import count_frames, decode_image, to_grey
from busgen.imaging.pairs import (
    IMAGE_WORDS,
    KINDS,
    MASK_WORDS,
    OTHER_KINDS,
    Pairs,
    join,
    list_files,
    match_pairs,
)
from busgen.io import encode_png, parse_json
from busgen.real.readers import files
from busgen.real.readers.files import find_separator

METADATA = ("metadata.csv", "metadata.jsonl", METADATA_TABLE)
LEFT_OUT = 0.1  # share of masks, or of files, beyond which leaving them out must be allowed
LOOKED_AT = 8  # images whose levels are looked at before a set is read
MASKS_AMONG = 0.2  # share of them that may look like masks: a folder of masks has as many as images
FEW_LEVELS, BLACK = 3, 8  # levels of a mask; the brightest of a black image
GLOBS = "name them: --images GLOB --masks GLOB"
_NAMES = ("file_name", "filename", "image_filename", "file", "image", "path", "image_id", "id")


def open_set(path: Path, reading: Reading) -> Source:
    """Return the set in a folder of plain images.

    Raises `UserError` if no image is there, its table names none of them, or what is there would
    be misread: images that look like masks, or are black; masks of no image, files that cannot be
    read, more of either than a tenth unless `reading` allows it.
    """
    pairs = _match(path, reading)
    images, masks = pairs.images, pairs.masks
    columns = _columns(path, images)
    pairs = _named_masks(path, pairs, columns)
    images, masks = pairs.images, pairs.masks
    outlines = {} if masks else draw_outlines(path, images)
    found = _check(path, pairs, len(outlines), reading)
    rows: list[Row] = []
    entries: list[tuple[Path, int | None]] = []
    for image in images:
        row: Row = {"file": image.as_posix(), "folder": image.parent.as_posix()}
        named = [SPLITS[part.lower()] for part in image.parts[:-1] if part.lower() in SPLITS]
        row |= {"split": named[0]} if named else {}
        row |= columns.get(image, {})
        count = count_frames((path / image).read_bytes(), image.name) if reading.frames else 1
        entries += [(image, k) for k in range(count)] if count > 1 else [(image, None)]
        rows += [row | {"frame": k} for k in range(count)] if count > 1 else [row]

    def _read(image: Path, frame: int | None) -> File:
        own, data = masks.get(image, ()), (path / image).read_bytes()
        masked = [(path / mask).read_bytes() for mask in own]
        if image in outlines:
            shape = decode_image(data, image.name)[0].shape
            masked.append(encode_png(outlines[image]((shape[0], shape[1]))))
        return File(str(image), data, masked, frame)

    def load(chosen: Sequence[int]) -> Iterator[Image]:
        left = iter(entries[k] for k in chosen)
        while part := list(islice(left, AT_ONCE)):
            yield from open_images([_read(*entry) for entry in part], reading.label)

    several = len(rows) > len(images)  # frames of one file stem from one patient
    return Source(path, "folder", rows, load, "file" if several else None, found=found)


def _match(path: Path, reading: Reading) -> Pairs:
    """Return the pairs that names tell, or the patterns of `reading`."""
    files = list_files(path)
    if reading.images is None and reading.masks is None:
        return match_pairs(files)
    images, masks = (
        _glob(path, pattern, files) if pattern else []
        for pattern in (reading.images, reading.masks)
    )
    if not reading.masks:
        return match_pairs(images)
    outlines = set(masks)
    rest = match_pairs([file for file in files if file not in outlines]).images
    return join(images if reading.images else rest, masks)


def _glob(path: Path, pattern: str, files: Sequence[Path]) -> list[Path]:
    """Return which of the files lie at a pattern; `UserError` if it is none, or none does."""
    try:
        chosen = {found.relative_to(path) for found in path.glob(pattern)}
    except (NotImplementedError, ValueError) as error:
        rule = "a pattern must be of paths within the folder"
        raise UserError(rule, pattern, "e.g. --masks 'labels/**/*.png'") from error
    if not chosen.intersection(files):
        raise UserError(f"files must lie at {pattern}", f"none in {path}", "mend the pattern")
    return [file for file in files if file in chosen]


def _named_masks(path: Path, pairs: Pairs, columns: Mapping[Path, Row]) -> Pairs:
    """Return the pairs with the masks that a table names, e.g. in `mask_file_name`."""
    found: dict[Path, list[Path]] = {}
    for image, row in columns.items():
        for column, cell in row.items():
            words, name = re.split(r"[\W_]+", column.lower()), str(cell)
            further = words[-2:] == ["file", "name"] and len(words) > 2
            outlines = MASK_WORDS.intersection(words) or (further and words[0] not in IMAGE_WORDS)
            if not outlines or not name.lower().endswith(KINDS):
                continue
            places = (parent / name for parent in image.parents)
            mask = next((place for place in places if _is_inside(path, place)), None)
            if mask is None:
                rule = f"{column} must name files beside the table"
                raise UserError(rule, f"no {name}", "mend the table, or add the file")
            found.setdefault(image, []).append(mask)
    named = {mask for own in found.values() for mask in own}
    images = [image for image in pairs.images if image not in named]
    masks = {image: own for image, own in pairs.masks.items() if image not in named}
    return Pairs(images, masks | found, [mask for mask in pairs.alone if mask not in named])


def _is_inside(folder: Path, name: Path) -> bool:
    file = (folder / name).resolve()
    return file.is_file() and file.is_relative_to(folder.resolve())


def _check(path: Path, pairs: Pairs, outlined: int, reading: Reading) -> Found:
    """Return what was found; raise `UserError` where it would be misread."""
    images, unread = pairs.images, list_files(path, OTHER_KINDS)
    used = sum(map(len, pairs.masks.values()))
    alone, other = ([file.as_posix() for file in some] for some in (pairs.alone, unread))
    paired, masks = len(pairs.masks) + outlined, used + len(alone) + outlined
    found = Found(len(images), masks, paired, tuple(alone), tuple(other))
    if not images:
        rule = f"{path} must hold images, Parquet files or a saved dataset"
        got = "none" if not (alone or other) else str(found)
        raise UserError(rule, got, f"images are {', '.join(KINDS)}; {GLOBS}")
    if alone and not paired:
        raise UserError(f"masks in {path} must be of its images", str(found), GLOBS)
    left = max(len(alone) / max(found.masks, 1), len(other) / (len(images) + len(other)))
    if left > LEFT_OUT and not reading.allow_unread:
        rule = f"at most {LEFT_OUT:.0%} of the masks and files in {path} may be left out"
        raise UserError(rule, str(found), f"{GLOBS}, or --allow-unread")
    spread = np.linspace(0, len(images) - 1, LOOKED_AT).astype(int)
    _require_grey(path, [images[k] for k in sorted({*spread.tolist()})])
    return found


def _require_grey(path: Path, some: Sequence[Path]) -> None:
    """Raise `UserError` where some images look like masks, or most are black."""
    seen = [to_grey(decode_image((path / file).read_bytes(), file.name)[0]) for file in some]
    flat = [k for k, image in enumerate(seen) if len(np.unique(image)) <= FEW_LEVELS]
    black = [k for k, image in enumerate(seen) if image.max() < BLACK]
    for which, share, rule, got in (
        (black, 0.5, "must not be black", f"levels up to {BLACK - 1}"),
        (flat, MASKS_AMONG, "must not look like masks", f"{FEW_LEVELS} grey levels at the most"),
    ):
        if len(which) > share * len(seen):
            got = f"{len(which)} of {len(seen)} looked at have {got}, e.g. {some[which[0]]}"
            raise UserError(f"images in {path} {rule}", got, GLOBS)


def _columns(path: Path, images: Sequence[Path]) -> dict[Path, Row]:
    """Return what tables say of images."""
    tables = sorted(file for name in METADATA for file in path.rglob(name))
    if not tables:
        tables = sorted(path.glob("*.csv"))
        tables = tables if len(tables) == 1 else []
    if not tables:
        return {}
    record: dict[Path, Row] = {}
    for table in tables:
        record |= _to_record(table, path, images)
    if not record:
        rule = f"{tables[0].name} must name images in {' or '.join(_NAMES)}"
        raise UserError(rule, f"none of the {len(images)} in {path}", "name them, or remove it")
    return record


def _to_record(table: Path, path: Path, images: Sequence[Path]) -> dict[Path, Row]:
    rows = _rows(table)
    names = {name.lower(): name for row in rows for name in row}
    column = next((names[name] for name in _NAMES if name in names), None)
    if column is None:
        return {}
    by_name = _by_name(images, table.parent.relative_to(path))
    named = ((str(row.get(column, "")), row) for row in rows)
    return {by_name[name]: row for name, row in named if name in by_name}


def _rows(table: Path) -> list[Row]:
    """Return the rows of a CSV, JSON Lines or Parquet file."""
    if table.suffix == ".parquet":
        return parquet.read_rows(table)
    if table.suffix == ".jsonl":
        return _to_lines(table)
    return list(files.read_rows(table, (), find_separator(table)))


def _to_lines(table: Path) -> list[Row]:
    """Return the objects of a JSON Lines file, nothing nested."""
    try:
        lines = table.read_text("utf-8-sig").split("\n")
        record = [parse_json(line) for line in lines if line.strip()]
        return [{k: v for k, v in row.items() if not isinstance(v, list | dict)} for row in record]
    except (OSError, ValueError, AttributeError) as error:
        rule = f"{table.name} must hold a JSON object a line"
        raise DataError(rule, error, "restore the file") from error


def _by_name(images: Sequence[Path], folder: Path) -> Mapping[str, Path]:
    """Return images in `folder` by path, by name and by name without ending, in this order."""
    own = [image for image in images if image.is_relative_to(folder)]
    record: dict[str, Path] = {}
    for image in own:
        record.setdefault(image.stem, image)
    record |= {image.name: image for image in reversed(own)}
    return record | {image.relative_to(folder).as_posix(): image for image in own}
