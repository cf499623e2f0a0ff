"""The synthetic set: a release of busgen, or whatever images, masks and labels someone made.

In: a path. Out: `SyntheticSet`: its training images, none decoded before they are asked for, what
made them, and whose patients their generator saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from busgen.code import hash_code
from busgen.downstream.data.real_images import Cases, gather
from busgen.errors import UserError
from busgen.folders.manifests import MANIFEST
from busgen.image_sets import open
from busgen.image_sets.open import CANONICAL
from busgen.image_sets.source import Source, read_squares
from busgen.imaging.overlays.find import WEIGHTS
from busgen.io import read_json, sha256_bytes, sha256_file
from busgen.real.crops import SIDE
from busgen.release.files import PROVENANCE, find_files
from busgen.release.read import read_rows
from busgen.schema import JUDGED

LABELS = ("pathology", "label", "class", "diagnosis")  # columns that may tell the class
CLASSES = ("benign", "malignant", "normal")
SAW = ("none", "own", "pooled", "unknown")
MAKERS = ("engine", "engine_sha256", "mask_engine", "mask_engine_sha256", "prior_sha256")
RULES = {"engine": "phantom", "mask_engine": "curvature"}  # engines that learned from nobody


@dataclass(frozen=True)
class SyntheticSet:
    """A synthetic set: `generator` what is told of its making, `saw` one of `SAW`.

    `fingerprint` is the hash of its images' bytes, classes and scanners, and of the code that
    reads them: another title, or another split of the same images' others, changes nothing.
    `saw`: none, no patient was in any fit; own, training patients of the arm's data set alone;
    pooled, more than those; unknown, nobody said.
    """

    source: Source
    fingerprint: str
    generator: Mapping[str, str]
    saw: str

    def __len__(self) -> int:
        return len(self.source)

    def load(self) -> Cases:
        """Return the images; `UserError` if they hold no outlined lesion of known class."""
        source, labels = self.source, _labels(self.source)
        scanners, groups = source.values("scanner"), source.groups()
        names = source.values("sample_id")
        rows: list[dict[str, Any]] = []
        for part in read_squares(source, range(len(source)), SIDE):
            for image, mask in zip(part.images, part.masks, strict=True):
                k = len(rows)
                words = ("synthetic", scanners[k] or "synthetic", labels[k], groups[k])
                pixels = (image, mask, np.zeros_like(mask))
                rows.append({"pixels": pixels, "words": words, "id": names[k] or f"{k}", "mm": nan})
        cases = gather(rows)
        if not cases.crops.is_labelled.any():
            rule = f"{source.path} must hold outlined lesions of known class"
            remedy = f"give masks, and a column {LABELS[0]} of {CLASSES[:2]}"
            raise UserError(rule, "none", remedy)
        return cases


def open_set(path: Path, saw: str | None = None) -> SyntheticSet:
    """Return the synthetic set at a path: its training split, where it has splits.

    It may be a release, a Parquet file, a saved dataset or a folder with images, masks and a table;
    `saw` is what the user says of the generator's patients, else what its provenance tells. Raises
    `UserError` if it is real data, lacks classes or outlines, or `saw` is none of `SAW`.
    """
    if saw is not None and saw not in SAW:
        raise UserError("--generator-saw must be known", saw, f"choose from {', '.join(SAW)}")
    generated = open.open_set(path)
    if generated.form == CANONICAL:
        rule = "--data must be synthetic images"
        raise UserError(rule, f"{path}, real data", "give it as --real")
    if "train" in generated.values("split"):
        generated = generated.select(["train"])
    plan = read_plan(path)
    key = [hash_code(__name__), sha256_file(WEIGHTS), *_read(generated.path)]
    key += [*_labels(generated), *generated.values("scanner")]
    fingerprint = sha256_bytes("\n".join(key).encode())
    return SyntheticSet(generated, fingerprint, describe(plan), saw or trained_on(plan))


def read_plan(path: Path) -> dict[str, Any]:
    """Return the plan that a release was made by, empty where there is none."""
    file = path / PROVENANCE
    return dict(read_json(file).get("plan", {})) if file.is_file() else {}


def describe(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return engines, prior and their fingerprints."""
    return {key: str(plan[key]) for key in MAKERS if key in plan}


def parse_sets(words: Sequence[str]) -> tuple[Path, dict[str, Path]]:
    """Return the first synthetic set, DIR or NAME=DIR, and further ones by their names.

    Raises `UserError` where a further one has no name, or one that is taken.
    """
    first, *more = words
    others: dict[str, Path] = {}
    for word in more:
        name, equals, path = word.partition("=")
        if not equals or not path or name in others:
            rule = "synthetic sets after the first must have names of their own"
            raise UserError(rule, word, "give e.g. --data DIR --data phantom=OTHER")
        others[name] = Path(path)
    path = first.partition("=")[2]
    return Path(path if path and not Path(first).exists() else first), others


def trained_on(plan: Mapping[str, Any]) -> str:
    """Return whose patients the generator of a release saw, by its plan; `unknown` without one.

    Only rules and the published prior, with no judge at its gates, saw none; whatever learned
    counts as having seen the pooled training patients: what ships did.
    """
    if not plan:
        return "unknown"
    by_rules = all(plan.get(key) == value for key, value in RULES.items())
    published = plan.get("prior", {}).get("name") == "published"
    gates = plan.get("gates", {})
    judged = any(gates.get(name, {}).get("action", "off") != "off" for name in JUDGED)
    return "none" if by_rules and published and not judged else "pooled"


def _read(path: Path) -> Iterator[str]:
    """Yield hashes of a release's training images, else of every file that lies there."""
    if (path / PROVENANCE).is_file() and find_files(path):
        splits = {file.name.split("-")[0] for file in find_files(path)}
        for table in read_rows(path, ("image", "mask"), "train" if "train" in splits else None):
            for row in table.to_pylist():
                yield from (sha256(row[name]["bytes"]).hexdigest() for name in ("image", "mask"))
        return
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file() and file.name != MANIFEST:
            yield f"{file.relative_to(path).as_posix()} {sha256_file(file)}"


def _labels(source: Source) -> list[str]:
    """Return the classes, by whichever column tells them, empty where it tells another."""
    name = next((name for name in LABELS if source.has(name)), None)
    if name is None:
        known = ", ".join(sorted({key for row in source.rows for key in row})) or "none"
        rule = f"{source.path} must have a column of classes, {' or '.join(LABELS)}"
        raise UserError(rule, known, "add one: benign, malignant or normal")
    words = (str(word).strip().lower() for word in source.values(name))
    return [word if word in CLASSES else "" for word in words]
