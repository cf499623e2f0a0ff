"""The overlay finder: planted overlays, tissue that it costs, listed images, rendered images.

In: canonical folders with the cohort; the checkout's list of images; rendered images (N, S, S).
Out: figures, on test patients where overlays are planted and on all but training patients where
they are listed; in how many rendered images text or calipers are found that nobody drew, and in how
many clean real ones: of patients that nothing learned from, cropped and resampled as the rendered
ones are, nothing painted out. Clean are those that were listed by eye as showing none, and
BrEaST's, of which 46 of 48 listed ones show none (those that do are left out): what the finder
tells of them is false but for one or two.
"""

import csv
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from busgen.arrays import Pixels
from busgen.bench.harness import Figure, Figures, share
from busgen.code import ROOT
from busgen.imaging.overlays import planted
from busgen.imaging.overlays.find import find_overlays
from busgen.imaging.overlays.planted import KINDS, plant_overlays, recall
from busgen.imaging.square import find_field, square_crop
from busgen.io import decode_png
from busgen.real.cohort import FILE, Row, find_tables, has_usable_pixels, load_cohort, read_rows
from busgen.real.crops import SIDE
from busgen.seeds import rng

LISTED = ROOT / "tests" / "imaging" / "overlay_names.csv"
CLEAN = "breast"  # by eye, 46 of 48 images of this dataset show no overlay
NEAR = np.ones((5, 5), np.uint8)  # what lies this near to a stroke is its edge, no tissue
SMALLEST = 96
AT_ONCE = 32


class Recall(NamedTuple):
    """What was found in one image with planted overlays: by kind, and field pixels lost."""

    dataset: str
    n_found: dict[str, planted.Recall]
    lost: int
    field: int


def figures(generated: Path) -> Figures:
    """Return recall and loss on planted overlays, and both rates on the listed images.

    `overlay_tissue_lost` counts everything that is ignored in the field farther than 2 px from
    what was planted, on `CLEAN` images: a publisher's own overlay would count as tissue too.
    """
    rows = read_rows(find_tables(generated), generated / "cohort" / FILE, splits=("test",),
                     columns=["image"])  # fmt: skip
    numbered, searches = enumerate(rows), []
    with ThreadPoolExecutor() as pool:
        while part := list(islice(numbered, AT_ONCE)):  # some dozens of images in memory at a time
            searches += [s for s in pool.map(lambda pair: search(*pair), part) if s is not None]
    lost = [s for s in searches if s.dataset == CLEAN]
    shares = [s.lost / max(s.field, 1) for s in lost]
    by_kind = {kind: [s.n_found[kind] for s in searches] for kind in KINDS}
    each = [one for found in by_kind.values() for one in found]
    return {
        "overlay_recall": _recall(each),
        **{f"overlay_{kind}_recall": _recall(found) for kind, found in by_kind.items()},
        "overlay_tissue_lost": Figure(
            sum(s.lost for s in lost) / sum(s.field for s in lost), "share", len(lost),
            (min(shares), max(shares)),
        ),
        **(_join_words(generated) if LISTED.is_file() else {}),
    }  # fmt: skip


def search(number: int, row: Row) -> Recall | None:
    """Return what is found in a row's image with planted overlays, None where it is tiny."""
    image = decode_png(row["image"]["bytes"], row["sample_id"])
    if min(image.shape) < SMALLEST:
        return None
    planted = plant_overlays(image, rng(number, "plant"))
    ignore = find_overlays(planted.image)
    field = find_field(image) & (cv2.dilate(planted.touched.astype(np.uint8), NEAR) == 0)
    found = recall(planted.overlays, ignore)
    return Recall(row["dataset"], found, int((ignore & field).sum()), int(field.sum()))


def _read_listed() -> dict[tuple[str, str], str]:
    """Return the kinds of overlays that were listed by eye, by dataset and source file."""
    with LISTED.open(encoding="utf-8", newline="") as file:
        return {(x["dataset"], x["source_file"]): x["kinds"] for x in csv.DictReader(file)}


def _recall(found: Sequence[planted.Recall]) -> Figure:
    return share(sum(one.n_found for one in found), sum(one.planted for one in found))


def _join_words(generated: Path) -> Figures:
    """Return in how many listed images with overlays, and without, anything is found."""
    kinds = _read_listed()
    found: dict[bool, list[bool]] = {True: [], False: []}
    for row in load_cohort(generated / "cohort" / FILE).to_pylist():
        measured = kinds.get((row["dataset"], row["source_file"]))
        if measured is not None and row["split"] != "train":
            found[measured != "none"].append("overlay" in row["flags"])
    names = {True: "overlay_listed_recall", False: "overlay_listed_false"}
    return {names[has]: share(sum(hits), len(hits)) for has, hits in found.items() if hits}


HELD_OUT = ("validation", "test")


def measure(clean: Pixels, generated: Mapping[str, Pixels], subject: str) -> Figures:
    """Return the shares of images, and of pixels (mean, range), on real ones and by engine.

    Also what the subject has more than clean real ones.
    """
    measured: Figures = {}
    for name, images in {"real": clean, **generated}.items():
        covered = [float(find_overlays(image).mean()) for image in images]
        n, ends = len(covered), (min(covered), max(covered))
        measured[f"overlays_{name}"] = share(sum(part > 0 for part in covered), n)
        measured[f"overlays_area_{name}"] = Figure(sum(covered) / n, "share of pixels", n, ends)
    own = measured[f"overlays_{subject}"]
    excess = own.value - measured["overlays_real"].value
    return measured | {"overlays_excess": Figure(excess, "share", own.n)}


def read_images(tables: Sequence[Path], cohort: Path) -> Pixels:
    """Return the square crops (N, S, S) of held-out clean images, as published."""
    kinds = _read_listed()

    def load(row: Mapping[str, Any]) -> bool:
        kind = kinds.get((row["dataset"], row["source_file"]))
        unlisted = kind is None and row["dataset"] == CLEAN
        return has_usable_pixels(row) and (kind == "none" or unlisted)

    columns = ["image", "mask", "source_file"]
    rows = read_rows(tables, cohort, splits=HELD_OUT, columns=columns, usable=load)
    crops = []
    for row in rows:
        image, mask = decode_png(row["image"]["bytes"], row["source_file"]), row["mask"]
        lesion = decode_png(mask["bytes"], "mask") if mask else np.zeros_like(image)
        crops.append(square_crop(image, lesion, SIDE, field=find_field(image)).image)
    return np.stack(crops)
