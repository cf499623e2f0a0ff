"""The files of a reader study: answers as the page exports them, the key; sealed by checksums.

In: JSON files. Out: `Answers` and `Key`, or an error that says what is wrong with which file.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from busgen.errors import DataError, UserError
from busgen.io import read_json, sha256_bytes

ANSWERS, KEY = "busgen-reader-answers/1", "busgen-reader-key/1"
KINDS = ("real", "synthetic")
RATINGS = (
    "definitely real",
    "probably real",
    "possibly real",
    "possibly synthetic",
    "probably synthetic",
    "definitely synthetic",
)  # 1 to 6
CALLED_SYNTHETIC = 4  # this rating and above
DESCRIBED = (
    "birads", "shape", "orientation", "margin", "echo_pattern", "posterior", "halo",
    "calcification",
)  # fmt: skip
MIN_EACH = 10  # real and synthetic images: with fewer, every interval holds chance

Record = dict[str, Any]


class Key(NamedTuple):
    """The truth: `study`, and of each image by id its kind, pathology, source, description."""

    study: str
    images: dict[str, Record]

    def ids(self, kind: str) -> list[str]:
        """Return the ids of the real or of the synthetic images, sorted."""
        return sorted(name for name, one in self.images.items() if one["kind"] == kind)


class Answers(NamedTuple):
    """One reader's answers: `images` by id, each with `rating` 1 to 6, `ms`, `said`."""

    reader: str
    images: dict[str, Record]


class _Answer(BaseModel):
    """What the page writes of an image; whether it is rated, `_read_answers` says."""

    model_config = ConfigDict(strict=True)
    ms: int = Field(ge=0)
    said: dict[str, str | list[str]]


class _File(BaseModel):
    """What the page writes of a reader."""

    model_config = ConfigDict(strict=True)
    study: str
    reader: str = Field(min_length=1, max_length=100, pattern=r"^\P{C}*$")  # nothing unseen
    answers: dict[str, _Answer]


def canonical_json(record: Mapping[str, Any]) -> bytes:
    """Return what checksums are taken of: JSON, sorted keys, no spaces, ASCII, as checksum.js."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def seal(record: Record) -> Record:
    """Return `record` with its `checksum`: the hex SHA-256 of the rest."""
    rest = {name: value for name, value in record.items() if name != "checksum"}
    return rest | {"checksum": sha256_bytes(canonical_json(rest))}


def _read(path: Path, form: str, remedy: str) -> Record:
    """Return the record in `path`; `DataError` if it is no `form` or was changed since."""
    record = read_json(path)
    if record.get("format") != form:
        raise DataError(f"{path.name} must be of format {form}", record.get("format"), remedy)
    try:
        same = seal(record) == record
    except (ValueError, RecursionError) as error:  # NaN is no JSON, nor what is too deep
        raise DataError(f"{path.name} must be JSON", error, remedy) from error
    if not same:
        rule = f"{path.name} must agree with its checksum"
        raise DataError(rule, f"{record.get('checksum')} for other content", remedy)
    return record


def read_key(path: Path) -> Key:
    """Return the key of a study.

    Raises `DataError` if it is none, was changed, or has fewer than `MIN_EACH` images of a kind.
    """
    remedy = "give the key.json that `busgen study make` wrote, unchanged"
    record = _read(path, KEY, remedy)
    key = Key(record["study"], record["images"])
    for kind in KINDS:
        if len(key.ids(kind)) < MIN_EACH:
            rule = f"a study must have {MIN_EACH} or more {kind} images"
            raise DataError(rule, len(key.ids(kind)), remedy)
    return key


def read_all(paths: Sequence[Path], key: Key) -> list[Answers]:
    """Return the answers of all readers, sorted by reader.

    Raises `UserError` if no file is given, or two are of one reader, by name or by answers;
    `DataError` if a file is none of ours, was changed, is of another study, or lacks a rating.
    """
    if not paths:
        raise UserError("answers of a reader must be given", "none", "name the exported files")
    files: dict[str, Path] = {}
    found: list[Answers] = []
    for path in paths:
        answers = _read_answers(path, key)
        name = answers.reader.casefold()
        if name in files:
            rule = f"a reader must answer once, {answers.reader} did in {files[name].name}"
            raise UserError(rule, f"{path.name} too", "give the file of one sitting only")
        if twin := next((one for one in found if one.images == answers.images), None):
            rule = f"readers must answer for themselves, {twin.reader} gave the same answers"
            raise UserError(rule, f"{path.name} to the millisecond", "give one of the two files")
        files[name] = path
        found.append(answers)
    return sorted(found, key=lambda one: one.reader)


def _read_answers(path: Path, key: Key) -> Answers:
    """Return the answers in one exported file; raises as `read_all`."""
    remedy = "export it from the page again"
    record = _read(path, ANSWERS, remedy)
    try:
        _File.model_validate(record)
    except ValidationError as error:
        rule, first = f"{path.name} must be as the page writes it", error.errors()[0]
        got = f"{' '.join(map(str, first['loc']))}: {first['msg']}"
        raise DataError(rule, got, remedy) from error
    if record["study"] != key.study:
        rule = f"{path.name} must answer study {key.study}, as the key"
        raise DataError(rule, f"study {record['study']}", "give the key of that study")
    images = record["answers"]
    for name in sorted({*images} - {*key.images}):
        raise DataError(f"{path.name} must answer images of the key", name, "give its own key")
    ratings = {name: images.get(name, {}).get("rating") for name in sorted(key.images)}
    missing = [n for n, one in ratings.items() if type(one) is not int or not 1 <= one <= 6]
    if missing:
        rule = f"every image must be rated in {path.name}"
        got = f"{len(missing)} of {len(key.images)} without a rating"
        raise DataError(rule, got, "let the reader go on in the page, and export again")
    return Answers(record["reader"], images)
