"""Reader of any other dataset, by a map: a short file that says what is where in it.

In: the folder, and a YAML file (`DatasetMap`). Out: a listing in the order of names. Nothing is
guessed: a cell that is no term, and that the map does not translate, leaves its image out, with
the reason.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.imaging.decode import DatasetInfo, Entry, Listing, PublishedImage, load_image
from busgen.params.real import DatasetMap
from busgen.real.readers.files import (
    Row,
    ascii_id,
    find_separator,
    load_union,
    natural_key,
    read_rows,
)
from busgen.real.readers.pairs import KINDS, list_files, match_pairs

YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_SEPARATORS = re.compile(r"\s*[|,;&]\s*")


def origin_of(given: DatasetMap) -> DatasetInfo:
    """Return origin and licence as a map states them."""
    return DatasetInfo(**{field.name: getattr(given, field.name) for field in fields(DatasetInfo)})


def list_images(path: Path, given: DatasetMap) -> Listing:
    """Return what the folder holds by the map; raises as `registry.list_images`."""
    files = list_files(path)
    images, masks = match_pairs(files)
    if given.masks is not None:
        chosen = {p.relative_to(path) for p in path.glob(given.images) if p.suffix.lower() in KINDS}
        found = {image: _find_masks(path, given.masks, image) for image in chosen}
        used = {mask for own in found.values() for mask in own}
        images, masks = [file for file in files if file in chosen - used], found
    else:
        chosen = {p.relative_to(path) for p in path.glob(given.images)}
        images = [image for image in images if image in chosen]
    if not images:
        rule = f"images of {given.name} must lie where its map says ({given.images})"
        raise UserError(rule, f"none in {path}", f"images are {', '.join(KINDS)}")
    rows = _read_table(path, given, images)
    entries = [
        Entry(image.as_posix(), partial(_load, path, image, masks.get(image, ()), given, rows))
        for image in images
    ]
    known = {*images, *(mask for own in masks.values() for mask in own)}
    left_out = [(file.as_posix(), "neither an image nor a mask of one, by the map")
                for file in files if file not in known]  # fmt: skip
    return Listing(entries, tuple(left_out))


def _find_masks(path: Path, pattern: str, image: Path) -> list[Path]:
    """Return the masks of an image, relative to the folder, in order."""
    names = {"parent": image.parent.as_posix(), "name": image.name, "stem": image.stem}
    try:
        glob = pattern.format(**{key: re.sub(r"([*?\[])", r"[\1]", v) for key, v in names.items()})
    except (KeyError, IndexError, ValueError) as error:
        rule = "masks must be named by {parent}, {name} and {stem} of the image"
        raise UserError(rule, pattern, "e.g. masks/{stem}_mask.png") from error
    found = (p.relative_to(path) for p in path.glob(glob.removeprefix("./")) if p.is_file())
    return sorted((p for p in found if p != image), key=lambda p: natural_key(p.as_posix()))


def _read_table(path: Path, given: DatasetMap, images: Sequence[Path]) -> dict[Path, Row]:
    """Return the table's rows by image; `UserError` unless it names an image."""
    if given.table is None or given.file is None:
        return {}
    wanted = [given.file, *(cells.column for cells in given.columns.values())]
    if not (path / given.table).is_file():
        raise UserError("a map's table must be there", str(path / given.table), "mend table")
    separator = find_separator(path / given.table)
    rows = {row[given.file]: row for row in read_rows(path / given.table, wanted, separator)}
    found: dict[Path, Row] = {}
    for image in images:
        for key in (image.as_posix(), image.name, image.stem):
            if key in rows:
                found[image] = rows[key]
                break
    if not found:
        rule = f"column {given.file} of {given.table} must name images"
        got = f"e.g. {next(iter(rows))!r} for {images[0]}"
        raise UserError(rule, got, "name them by path, name or stem")
    return found


def _load(
    path: Path, image: Path, masks: Sequence[Path], given: DatasetMap, rows: Mapping[Path, Row]
) -> PublishedImage:
    if given.table is not None and image not in rows:
        raise DataError(f"{given.table} must name each image", "not this one", "add its row")
    stated = {name: _to_value(name, term) for name, term in given.stated.items()}
    for name, terms in given.folders.items():
        told = [terms[part] for part in image.parts[:-1] if part in terms]
        if len(told) != 1:
            got = " and ".join(told) or "none"
            raise DataError(f"one folder must tell {name}", got, "say so in the map")
        stated[name] = _to_value(name, told[0])
    for name, cells in given.columns.items():
        cell = rows[image][cells.column]
        term = cells.terms.get(cell, cell)
        stated[name] = None if term in ("", None) else _to_value(name, term)
    identity = f"{given.name}-{ascii_id(image.with_suffix('').as_posix())}"
    patient = stated.pop("patient_id", None)
    if category := stated.pop("birads", None):
        fine = category if category in schema.BIRADS else None
        stated |= {"birads": fine, "birads_category": str(category)[0]}
    own = {"patient_id": f"{given.name}-{ascii_id(str(patient))}"} if patient else {}
    pixels, notes = load_image(path / image)
    mask = load_union([path / each for each in masks], pixels.shape)
    known = {"sample_id": identity, "patient_id": identity, **own, **stated}
    return PublishedImage(pixels, mask, known, masks[0].name if masks else None, notes=notes)


def _to_value(name: str, term: object) -> object:
    """Return a term as the canonical column has it; `DataError` if it is none of its terms."""
    if name == "pixel_mm":
        return _to_number(name, term)
    if name == "halo":
        if str(term).lower() in YES_NO:
            return YES_NO[str(term).lower()]
        raise DataError("halo must be yes or no", repr(term), "translate it in the map")
    known = schema.BY_NAME[name].values
    if not known:
        return str(term)
    known = (*known, *schema.BIRADS_CATEGORIES) if name == "birads" else known
    terms = _SEPARATORS.split(str(term)) if name == "margin" else [str(term)]
    plain = [re.sub(r"[\s-]+", "_", each.strip().lower()) for each in terms]
    if wrong := [each for each in plain if each not in known]:
        rule = f"{name} must be one of {', '.join(known)}"
        raise DataError(rule, repr(wrong[0]), "translate it in the map, under terms")
    return plain if name == "margin" else plain[0]


def _to_number(name: str, term: object) -> float:
    try:
        return float(str(term).replace(",", "."))
    except ValueError:
        raise DataError(f"{name} must be a number", repr(term), "translate it") from None
