"""Which pictures a reader study shows, and in which order.

In: a release and a folder of real data. Out: a `Study`: as many real as synthetic pictures of each
class, of one side, under ids that say nothing, in random blocks that hold as many of each.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.errors import DataError, UserError
from busgen.imaging.resize import resize
from busgen.io import sha256_array, sha256_bytes
from busgen.reader_study.records import DESCRIBED, KINDS, MIN_EACH, Record, canonical
from busgen.real.cohort import PICTURES, canonical_tables, cohort_file, real_rows, usable_for_labels
from busgen.real.crops import SIDE
from busgen.real.display import crop_to_show, may_show
from busgen.release.read import Release, open_release, read_image

LESIONS = ("benign", "malignant")
HELD_OUT = ("test", "validation")
MAX_N = 400  # more would take a reader hours
PER_BLOCK = 2  # pictures of each kind and class in a block

Rng = np.random.Generator


@dataclass(frozen=True)
class Asked:
    """What is asked for: `n` pictures in all, root `seed`, `splits` of the real patients."""

    n: int = 40
    seed: int = 0
    splits: tuple[str, ...] = ("test",)


@dataclass(frozen=True)
class Shown:
    """One picture: `kind`, `pathology`, `source` (where it is from), `said` of it, `pixels`."""

    kind: str
    pathology: str
    source: Record
    said: Record
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Study:
    """A study: its id, its pictures by theirs, the ids in blocks, and how they were chosen."""

    name: str
    pictures: dict[str, Shown]
    blocks: tuple[tuple[str, ...], ...]
    chosen: Record


def make_study(release: Path, real: Path, asked: Asked) -> Study:
    """Return the study of a release beside held-out real patients.

    The classes are those of the release (benign, malignant or both; normals are left out), equally
    often, and as often real as synthetic. Of a patient and of a counterfactual family one picture
    is shown. Real ones come from datasets whose licence lets pictures be shown: B-mode, of known
    class, nothing burned into the square, cut and reduced, never padded or enlarged. Both kinds
    have the side of the release's pictures, at most `SIDE`.

    Raises
    ------
    UserError
        If `n`, `seed` or `splits` are out of range, or there are too few pictures of a class.
    DataError
        If the release or the real data are damaged.
    """
    if not asked.splits or not {*asked.splits} <= {*HELD_OUT}:
        rule = "real patients must be held-out ones"
        raise UserError(rule, ", ".join(asked.splits), f"name splits of {', '.join(HELD_OUT)}")
    opened = open_release(release)
    rows = _described(opened)
    classes = [name for name in LESIONS if rows[name]]
    each = _each(asked.n, classes)
    made = _synthetic(opened, {name: rows[name] for name in classes}, each, asked.seed)
    side = min(SIDE, *(len(one.pixels) for one in made))
    real_ones, left_out = _real(real, classes, side, asked.splits)
    picked = _pick(real_ones, each, asked)
    shown = [*picked, *(_reduced(one, side) for one in made)]
    chosen = {
        "n": asked.n,
        "seed": asked.seed,
        "splits": list(asked.splits),
        "side_px": side,
        "real_left_out": left_out,
    }
    return _arranged(shown, asked.seed, chosen)


def blocks_of(strata: Sequence[str], rng: Rng) -> list[list[int]]:
    """Return the row numbers of `strata` in random blocks, `PER_BLOCK` of each stratum in each."""
    names, of = np.unique(np.asarray(strata), return_inverse=True)
    queues = [rng.permutation(np.flatnonzero(of == k)) for k in range(len(names))]
    starts = range(0, max(map(len, queues)), PER_BLOCK)
    rounds = [np.concatenate([q[start : start + PER_BLOCK] for q in queues]) for start in starts]
    return [rng.permutation(one).tolist() for one in rounds]


def said_of(row: Mapping[str, Any]) -> Record:
    """Return what is said of a picture, in the words that readers choose from; null if nothing."""
    halo = {True: "present", False: "absent", None: None}[row["halo"]]
    return {name: row[name] for name in DESCRIBED} | {"halo": halo}


def _each(n: int, classes: Sequence[str]) -> int:
    """Return how many pictures there are of each kind and class; `UserError` if `n` allows none."""
    if not classes:
        rule = "a release must have benign or malignant lesions"
        raise UserError(rule, "none", "a study of normal pictures is not made")
    step = len(KINDS) * len(classes)
    if not MIN_EACH * len(KINDS) <= n <= MAX_N or n % step:
        rule = f"n must be a multiple of {step} from {MIN_EACH * len(KINDS)} to {MAX_N}"
        raise UserError(rule, n, "e.g. --n 40")
    return n // step


def _described(release: Release) -> dict[str, list[Record]]:
    """Return the rows of a release by pathology, without pictures."""
    columns = dict.fromkeys(("sample_id", "family_id", "pathology", *DESCRIBED))
    found: dict[str, list[Record]] = defaultdict(list)
    for row in release.rows.to_table(columns=list(columns)).to_pylist():
        found[row["pathology"]].append(row)
    return found


def _synthetic(
    release: Release, rows: Mapping[str, list[Record]], each: int, seed: int
) -> list[Shown]:
    """Return `each` random pictures of each class, no two of one family."""
    chosen = []
    for name, own in rows.items():
        mixed = [own[k] for k in seeds.rng(seed, f"readers/synthetic/{name}").permutation(len(own))]
        families = list({row["family_id"]: row for row in mixed}.values())
        if len(families) < each:
            rule = f"a release must have {each} {name} findings for a study of this size"
            raise UserError(rule, len(families), "lower --n, or generate more")
        chosen += families[:each]
    return [
        Shown(
            "synthetic",
            row["pathology"],
            {"sample_id": row["sample_id"]},
            said_of(row),
            read_image(release, row["sample_id"]),
        )
        for row in chosen
    ]


def _real(
    folder: Path, classes: Sequence[str], side: int, splits: Sequence[str]
) -> tuple[dict[str, dict[str, list[Shown]]], dict[str, int]]:
    """Return usable real pictures by class and patient, and how many were left out and why."""
    found: dict[str, dict[str, list[Shown]]] = {name: defaultdict(list) for name in classes}
    left_out: Counter[str] = Counter()
    tables = [path for path in canonical_tables(folder) if may_show(path)]
    if not tables:
        rule = "a study needs a real dataset whose licence lets its pictures be shown"
        raise UserError(rule, f"none in {folder}", "read breast, bus_bra or busi")
    columns = [*PICTURES, "source_file", *DESCRIBED]
    for row in real_rows(
        tables, cohort_file(folder), splits=splits, columns=columns, usable=usable_for_labels
    ):
        if row["pathology"] not in classes:
            continue
        crop = crop_to_show(row, side)
        if isinstance(crop, str):
            left_out[crop] += 1
        else:
            source = {"dataset": row["dataset"], "sample_id": row["sample_id"]}
            one = Shown("real", row["pathology"], source, said_of(row), crop)
            found[row["pathology"]][row["cluster_id"]].append(one)
    return found, dict(left_out)


def _pick(found: Mapping[str, Mapping[str, list[Shown]]], each: int, asked: Asked) -> list[Shown]:
    """Return one random picture of each of `each` random patients of each class."""
    picked = []
    for name, patients in found.items():
        if len(patients) < each:
            rule = f"a study of this size needs {each} real {name} patients with a clean picture"
            got = f"{len(patients)} in {' and '.join(asked.splits)}"
            raise UserError(rule, got, "lower --n, or add datasets or --split validation")
        rng = seeds.rng(asked.seed, f"readers/real/{name}")
        for patient in rng.permutation(sorted(patients))[:each].tolist():
            pictures = patients[patient]
            picked.append(pictures[int(rng.integers(len(pictures)))])
    return picked


def _reduced(shown: Shown, side: int) -> Shown:
    """Return a picture at `side`, by averaging over areas as real ones are."""
    return replace(shown, pixels=resize(shown.pixels, side))


def _arranged(shown: Sequence[Shown], seed: int, chosen: Record) -> Study:
    """Return the study of these pictures; ids, blocks and its own id follow from pixels and seed.

    From the pixels too: the key of one study must tell nothing of another with the same seed.
    """
    pixels = [sha256_array(one.pixels) for one in shown]
    twice = [name for name, count in Counter(pixels).items() if count > 1]
    if twice:
        rule = "no picture may be shown twice"
        raise DataError(rule, f"pixels {twice[0][:12]} twice", "check the release and real data")
    study = sha256_bytes(canonical({"seed": seed, "pixels": sorted(pixels)}))[:16]
    names = [sha256_bytes(f"{study}/{one}".encode())[:12] for one in pixels]
    rng = seeds.rng(seed, f"readers/order/{study}")
    blocks = blocks_of([f"{one.kind} {one.pathology}" for one in shown], rng)
    ordered = tuple(tuple(names[k] for k in block) for block in blocks)
    return Study(study, dict(zip(names, shown, strict=True)), ordered, chosen)
