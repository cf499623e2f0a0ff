"""Which images a reader study shows, and in which order.

In: a release and a folder of real data. Out: a `Study`: as many real as synthetic images of each
class, of one side, under ids that say nothing, in random blocks that hold as many of each.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.errors import DataError, UserError
from busgen.imaging.square import resize
from busgen.io import sha256_array, sha256_bytes
from busgen.reader_study.records import DESCRIBED, KINDS, MIN_EACH, Record, canonical_json
from busgen.real.cohort import IMAGES, find_cohort, find_tables, has_usable_label, read_rows
from busgen.real.crops import SIDE, display_crop, may_show
from busgen.release.read import Release, open_release, read_image

LESIONS = ("benign", "malignant")
HELD_OUT = ("test", "validation")
MAX_N = 400  # more would take a reader hours
PER_BLOCK = 2  # images of each kind and class in a block


class Options(NamedTuple):
    """What is asked for: `n` images in all, root `seed`, `splits` of the real patients."""

    n: int = 40
    seed: int = 0
    splits: tuple[str, ...] = ("test",)


@dataclass(frozen=True)
class _Image:
    """One image: `kind`, `pathology`, `source` (where it is from), `said` of it, `pixels`.

    `depth_mm` is the side that it shows, None where that is not known.
    """

    kind: str
    pathology: str
    source: Record
    said: Record
    pixels: NDArray[np.uint8]
    depth_mm: float | None


class Study(NamedTuple):
    """A study: its id, its images by theirs, the ids in blocks, and how they were chosen.

    `practice` are further images by their ids, of other patients and families, in random order:
    shown first, not counted.
    """

    name: str
    images: dict[str, _Image]
    blocks: tuple[tuple[str, ...], ...]
    chosen: Record
    practice: dict[str, _Image]


def make_study(release: Path, real: Path, request: Options) -> Study:
    """Return the study of a release beside held-out real patients.

    The classes are those of the release (benign, malignant or both; normals are left out), equally
    often, and as often real as synthetic. Of a patient and of a counterfactual family one image
    is shown. Real ones come from datasets whose licence lets images be shown: B-mode, of known
    class, nothing burned into the square, cut and reduced, never padded or enlarged. Both kinds
    have the side of the release's images, at most `SIDE`. Raises `UserError` if `n`, `seed` or
    `splits` are out of range or there are too few images of a class, `DataError` if the release
    or the real data are damaged.
    """
    if not request.splits or not {*request.splits} <= {*HELD_OUT}:
        rule = "real patients must be held-out ones"
        raise UserError(rule, ", ".join(request.splits), f"name splits of {', '.join(HELD_OUT)}")
    opened = open_release(release)
    columns = dict.fromkeys(("sample_id", "family_id", "pathology", "pixel_mm", *DESCRIBED))
    rows: dict[str, list[Record]] = defaultdict(list)
    for row in opened.rows.to_table(columns=list(columns)).to_pylist():
        rows[row["pathology"]].append(row)
    classes = [name for name in LESIONS if rows[name]]
    each = _each(request.n, classes)
    generated, more = _synthetic(opened, {n: rows[n] for n in classes}, each, request.seed)
    side = min(SIDE, *(len(one.pixels) for one in generated))
    real_ones, left_out = _real(real, classes, side, request.splits)
    picked, others = _pick(real_ones, each, request)
    # all reduced by averaging over areas
    shown, practice = (
        [*real, *(replace(one, pixels=resize(one.pixels, side)) for one in synthetic)]
        for real, synthetic in ((picked, generated), (others, more))
    )
    chosen = {
        "n": request.n,
        "seed": request.seed,
        "splits": list(request.splits),
        "side_px": side,
        "real_left_out": left_out,
    }
    return _arrange(shown, practice, request.seed, chosen)


def make_blocks(strata: Sequence[str], rng: seeds.Rng) -> list[list[int]]:
    """Return the row numbers of `strata` in random blocks, `PER_BLOCK` of each stratum in each."""
    names, of = np.unique(np.asarray(strata), return_inverse=True)
    queues = [rng.permutation(np.flatnonzero(of == k)) for k in range(len(names))]
    starts = range(0, max(map(len, queues)), PER_BLOCK)
    rounds = [np.concatenate([q[start : start + PER_BLOCK] for q in queues]) for start in starts]
    return [rng.permutation(one).tolist() for one in rounds]


def _words(row: Mapping[str, Any]) -> Record:
    """Return what is said of an image, in the words that readers choose from; null if nothing."""
    halo = {True: "present", False: "absent", None: None}[row["halo"]]
    return {name: row[name] for name in DESCRIBED} | {"halo": halo}


def _each(n: int, classes: Sequence[str]) -> int:
    """Return how many images there are of each kind and class; `UserError` if `n` allows none."""
    if not classes:
        rule = "a release must have benign or malignant lesions"
        raise UserError(rule, "none", "a study of normal images is not made")
    step = len(KINDS) * len(classes)
    if not MIN_EACH * len(KINDS) <= n <= MAX_N or n % step:
        rule = f"n must be a multiple of {step} from {MIN_EACH * len(KINDS)} to {MAX_N}"
        raise UserError(rule, n, "e.g. --n 40")
    return n // step


def _synthetic(
    release: Release, rows: Mapping[str, list[Record]], each: int, seed: int
) -> tuple[list[_Image], list[_Image]]:
    """Return `each` random images of each class, no two of one family, and one more, if any."""
    chosen, more = [], []
    for name, own in rows.items():
        mixed = [own[k] for k in seeds.rng(seed, f"readers/synthetic/{name}").permutation(len(own))]
        families = list({row["family_id"]: row for row in mixed}.values())
        if len(families) < each:
            rule = f"a release must have {each} {name} findings for a study of this size"
            raise UserError(rule, len(families), "lower --n, or generate more")
        chosen += families[:each]
        more += families[each : each + 1]

    def load(row: Record) -> _Image:
        name = row["sample_id"]
        pixels, source = read_image(release, name), {"sample_id": name}
        depth_mm = len(pixels) * row["pixel_mm"]
        return _Image("synthetic", row["pathology"], source, _words(row), pixels, depth_mm)

    return list(map(load, chosen)), list(map(load, more))


def _real(
    folder: Path, classes: Sequence[str], side: int, splits: Sequence[str]
) -> tuple[dict[str, dict[str, list[_Image]]], dict[str, int]]:
    """Return usable real images by class and patient, and how many were left out and why."""
    found: dict[str, dict[str, list[_Image]]] = {name: defaultdict(list) for name in classes}
    left_out: Counter[str] = Counter()
    tables = [path for path in find_tables(folder) if may_show(path)]
    if not tables:
        rule = "a study needs a real dataset whose licence lets its images be shown"
        raise UserError(rule, f"none in {folder}", "read breast, bus_bra or busi")
    columns = [*IMAGES, "source_file", "pixel_mm", *DESCRIBED]
    for row in read_rows(
        tables, find_cohort(folder), splits=splits, columns=columns, usable=has_usable_label
    ):
        if row["pathology"] not in classes:
            continue
        crop = display_crop(row, side)
        if isinstance(crop, str):
            left_out[crop] += 1
        else:
            source = {"dataset": row["dataset"], "sample_id": row["sample_id"]}
            pixel_mm = row["pixel_mm"]
            depth_mm = None if pixel_mm is None else side * crop.scale * pixel_mm
            one = _Image("real", row["pathology"], source, _words(row), crop.image, depth_mm)
            found[row["pathology"]][row["cluster_id"]].append(one)
    return found, dict(left_out)


def _pick(
    found: Mapping[str, Mapping[str, list[_Image]]], each: int, request: Options
) -> tuple[list[_Image], list[_Image]]:
    """Return an image of each of `each` random patients of each class, and of one more, if any."""
    picked, more = [], []
    for name, patients in found.items():
        if len(patients) < each:
            rule = f"a study of this size needs {each} real {name} patients with a clean image"
            got = f"{len(patients)} in {' and '.join(request.splits)}"
            raise UserError(rule, got, "lower --n, or add datasets or --split validation")
        rng = seeds.rng(request.seed, f"readers/real/{name}")
        mixed = rng.permutation(sorted(patients)).tolist()
        for patient in mixed[:each]:
            images = patients[patient]
            picked.append(images[int(rng.integers(len(images)))])
        more += [patients[patient][0] for patient in mixed[each : each + 1]]
    return picked, more


def _arrange(
    shown: Sequence[_Image], practice: Sequence[_Image], seed: int, chosen: Record
) -> Study:
    """Return the study of these images; ids, blocks and its own id follow from pixels and seed.

    From the pixels too: the key of one study must tell nothing of another with the same seed.
    """
    pixels = [sha256_array(one.pixels) for one in shown]
    pixels += [sha256_array(one.pixels) for one in practice]
    twice = [name for name, count in Counter(pixels).items() if count > 1]
    if twice:
        rule = "no image may be shown twice"
        raise DataError(rule, f"pixels {twice[0][:12]} twice", "check the release and real data")
    del pixels[len(shown) :]
    study = sha256_bytes(canonical_json({"seed": seed, "pixels": sorted(pixels)}))[:16]
    names = [sha256_bytes(f"{study}/{one}".encode())[:12] for one in pixels]
    rng = seeds.rng(seed, f"readers/order/{study}")
    blocks = make_blocks([f"{one.kind} {one.pathology}" for one in shown], rng)
    ordered = tuple(tuple(names[k] for k in block) for block in blocks)
    mixed = seeds.rng(seed, f"readers/practice/{study}").permutation(len(practice)).tolist()
    first = {f"practice-{place}": practice[k] for place, k in enumerate(mixed, 1)}
    return Study(study, dict(zip(names, shown, strict=True)), ordered, chosen, first)
