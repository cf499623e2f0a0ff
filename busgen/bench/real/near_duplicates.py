"""Near-duplicates: those that are listed by hand, planted ones, and leaks between splits.

In: canonical folders with the cohort; the published BUSI with its list. Out: figures. Copies are
planted into test patients' images: mirrored, cropped, drawn upon, and all of that.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from busgen.arrays import Floats32, Pixels
from busgen.bench.harness import Figure, Figures, share
from busgen.imaging.overlays.planted import plant_overlays
from busgen.imaging.square import resize
from busgen.io import decode_png
from busgen.real.cohort import FILE, find_tables, load_cohort, read_rows
from busgen.seeds import rng
from busgen.similarity.registration import SIDE, find_duplicates, make_thumbnail

LISTED = Path("BUSI/near_duplicate_clusters.csv")
LEAST = 0.75  # of the side: smaller crops are not promised
ORIGINALS = 100
THUMBNAIL, ALIKE = 48, 0.98  # the measure by which BUSI's list was made


def figures(generated: Path, source: Path) -> Figures:
    """Return recall of listed and of planted copies, and how many pairs lie in two splits.

    `leaks` counts pairs of different splits among the listed ones, the images of a patient, what
    the search finds anew, and what another measure calls alike.
    """
    tables, cohort = find_tables(generated), load_cohort(generated / "cohort" / FILE)
    rows = cohort.to_pylist()
    where = {(row["dataset"], row["source_file"]): number for number, row in enumerate(rows)}
    listed = _listed_pairs(source, where)
    same = [rows[a]["cluster_id"] == rows[b]["cluster_id"] for a, b in listed]
    signed = read_rows(tables, cohort, columns=["signature"], usable=lambda row: True)
    by_name = {row["sample_id"]: row["signature"] for row in signed}
    signatures = [by_name[row["sample_id"]] for row in rows]
    found = [(link.first, link.second) for link in find_duplicates(signatures)]
    pairs = {*listed, *found, *_alike(signatures), *_of_one_patient(rows)}
    leaks = sum(rows[a]["split"] != rows[b]["split"] for a, b in pairs)
    held_out = list(read_rows(tables, cohort, splits=("test",), columns=["image"]))
    return {
        "near_duplicate_recall": share(sum(same), len(same)),
        "leaks": Figure(leaks, "pairs", len(pairs)),
        **recall([decode_png(row["image"]["bytes"], row["sample_id"]) for row in held_out]),
    }


def _listed_pairs(source: Path, where: dict[tuple[str, str], int]) -> list[tuple[int, int]]:
    """Return the pairs of rows that BUSI's list puts into one cluster."""
    groups = defaultdict(list)
    with (source / LISTED).open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            name = "/".join(Path(line["image"]).parts[-2:])
            if ("busi", name) in where:
                groups[line["dup_cluster"]].append(where["busi", name])
    return [pair for group in groups.values() for pair in combinations(sorted(group), 2)]


def _alike(signatures: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return the pairs whose thumbnails, one of them mirrored or not, correlate above `ALIKE`."""
    grey = [np.frombuffer(one, np.uint8).reshape(SIDE, SIDE) for one in signatures]
    small = np.array([resize(one, THUMBNAIL) for one in grey])
    plain, mirror = (_normalise(images) for images in (small, small[..., ::-1]))
    alike = np.maximum(plain @ plain.T, plain @ mirror.T)
    first, second = np.nonzero(np.triu(alike > ALIKE, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _normalise(images: Pixels) -> Floats32:
    """Return images (n, S, S) as rows (n, S * S) of mean 0 and length 1."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-6), np.float32)


def _of_one_patient(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    patients = defaultdict(list)
    for number, row in enumerate(rows):
        patients[row["dataset"], row["patient_id"]].append(number)
    for group in patients.values():
        yield from combinations(group, 2)


def recall(images: list[Pixels]) -> Figures:
    """Return the recall of copies planted into some of the images, by kind and in all.

    `planted_false_links` are links of copies to images that they were not made from; images
    that are copies of each other must not be among them.
    """
    chosen = images[:: -(-len(images) // ORIGINALS)]
    copies = [
        (number, kind, make(image, rng(number, kind)))
        for number, image in enumerate(chosen)
        for kind, make in KINDS.items()
    ]
    signatures = [make_thumbnail(image) for image in (*chosen, *(copy for _, _, copy in copies))]
    origin = [*range(len(chosen)), *(number for number, _, _ in copies)]
    links = [(link.first, link.second) for link in find_duplicates(signatures)]
    found = {second for first, second in links if first < len(chosen) and first == origin[second]}
    hits = dict.fromkeys(KINDS, 0)
    for place, (_, kind, _) in enumerate(copies, len(chosen)):
        hits[kind] += place in found
    false = sum(origin[first] != origin[second] for first, second in links)
    pairs = len(signatures) * (len(signatures) - 1) // 2
    return {
        "planted_copy_recall": share(sum(hits.values()), len(copies)),
        **{f"planted_{kind}_recall": share(count, len(chosen)) for kind, count in hits.items()},
        "planted_false_links": Figure(false, "pairs", pairs),
    }


def mirror(image: Pixels, _: np.random.Generator) -> Pixels:
    """Return the mirrored image."""
    return np.ascontiguousarray(image[:, ::-1])


def crop(image: Pixels, pick: np.random.Generator) -> Pixels:
    """Return a window of `LEAST` to .95 of each side, in another size."""
    height, width = (round(side * pick.uniform(LEAST, 0.95)) for side in image.shape)
    row = int(pick.integers(image.shape[0] - height + 1))
    col = int(pick.integers(image.shape[1] - width + 1))
    part = np.ascontiguousarray(image[row : row + height, col : col + width])
    size = (max(width * 2 // 3, 96), max(height * 2 // 3, 96))
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def add_overlay(image: Pixels, pick: np.random.Generator) -> Pixels:
    """Return the image with calipers and text, of other brightness, JPEG's traces in it."""
    marked = plant_overlays(image, pick, ("caliper", "text")).image
    gamma, gain = pick.uniform(0.75, 1.33), pick.uniform(0.85, 1.15)
    light = 255 * (marked / 255) ** gamma * gain
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(pick.integers(40, 91))]
    stored = cv2.imencode(".jpg", light.clip(0, 255).astype(np.uint8), quality)[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE), np.uint8)


KINDS: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "flip": mirror,
    "crop": crop,
    "drawn": add_overlay,
    "mixed": lambda image, pick: add_overlay(crop(mirror(image, pick), pick), pick),
}
