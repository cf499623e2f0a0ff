"""Synthetic images beside real ones: a page of its own that holds images of patients.

In: a release and a folder of real data. Out: ``with_real.html``, which is not for sharing: the
nearest pairs of synthetic and training images, and random ones of the same class and scanner.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from busgen import io, seeds
from busgen.errors import UserError
from busgen.factory.plan import from_record
from busgen.metrics.memorization import correlate, thumbnails
from busgen.real import cohort
from busgen.real.cohort import IMAGES, find_cohort, find_tables
from busgen.real.crops import (
    SPLITS,
    Crops,
    crop_all,
    is_undisputed,
    may_show,
    require_no_output,
    require_untracked,
)
from busgen.release.files import INDEX, PROVENANCE, find_files
from busgen.report import evidence
from busgen.report.charts.images import Image, image_uri, outline_path
from busgen.report.evidence import read_pixels
from busgen.report.page import render
from busgen.report.sections.gallery import Row, make_key
from busgen.report.sections.marginals import LESIONS

PAGE = "with_real.html"
MOST = 400  # synthetic images that nearest ones are sought for
PAIRS, BESIDE = 12, 8
NOTICE = "IMAGES OF PATIENTS - NOT FOR SHARING"
OnProgress = Callable[[int], None]


def count(real: Path) -> int:
    """Return how many images of patients `write_with_real` reads; raises as it does."""
    return sum(1 for _ in _rows(real, SPLITS, ()))


def require_private(out: Path) -> None:
    """Raise `UserError` if a page in the folder `out` would be tracked by git, or shared by DVC."""
    require_untracked(out / PAGE)
    require_no_output(out / PAGE)


def write_with_real(
    release: Path, real: Path, out: Path, tick: OnProgress | None = None, place: Path | None = None
) -> Path:
    """Write the page of a release beside real patients to ``<out>/with_real.html``; return it.

    Shown are training patients of datasets whose licence lets images be shown, as square crops.
    Neither git nor DVC may track `out` (or `place`, where it ends up, if it is renamed). `tick` is
    called with the number of patients' images read since its last call. Raises `UserError` if
    `out` is tracked or no image may be shown, `DataError` if release or real data are damaged.
    """
    require_private(place or out)
    page = out / PAGE
    record = io.read_json(release / PROVENANCE)
    attempts = evidence.read_rows(release / INDEX)
    plan, accepted = from_record(record["plan"]), attempts[attempts["accepted"]]
    seed, files = plan.request.seed, find_files(release)
    order = seeds.rng(seed, "report/nearest").permutation(len(accepted))[:MOST]
    rng, lesions = seeds.rng(seed, "report/beside"), accepted[accepted["pathology"].isin(LESIONS)]
    others = lesions.iloc[rng.permutation(len(lesions))[:BESIDE]]
    training, held_out = (_crop(real, splits, tick) for splits in (SPLITS[:1], SPLITS[1:]))
    values = {
        "title": record["title"],
        "plan": plan,
        "n_training": len(training),
        "notice": NOTICE,
        **_near(files, accepted.iloc[order].to_dict("records"), training, held_out),
        "others": _pair(files, others.to_dict("records"), training, rng),
    }
    io.write_text(page, render("with_real.html", values))
    return page


def _crop(real: Path, splits: Sequence[str], tick: OnProgress | None) -> Crops:
    """Return the square crops that may be shown, telling of each that is read."""

    def pick() -> Iterator[dict[str, Any]]:
        for row in _rows(real, splits, (*IMAGES, "source_file", "scanner")):
            yield row
            if tick:
                tick(1)

    return crop_all(pick())


def _rows(real: Path, splits: Sequence[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return the rows of the datasets that may be shown; `UserError` if there is none."""
    tables = [table for table in find_tables(real) if may_show(table)]
    if not tables:
        rule = "a page with real images needs a dataset whose licence lets them be shown"
        raise UserError(rule, f"none in {real}", "read breast, bus_bra or busi")
    return cohort.read_rows(
        tables, find_cohort(real), splits=splits, columns=columns, usable=is_undisputed
    )


def _near(
    files: Sequence[Path], chosen: Sequence[Row], training: Crops, held_out: Crops
) -> dict[str, Any]:
    """Return the pairs that are nearest, and how near held-out patients are to training ones."""
    found = read_pixels(files, [make_key(row) for row in chosen])
    images = np.stack([io.decode_png(found[make_key(row)][0]) for row in chosen])
    known = thumbnails(training.images)
    alike = correlate(thumbnails(images), known)
    floor = correlate(thumbnails(held_out.images), known).max(axis=1)
    nearest = alike.max(axis=1)
    pairs = []
    for k in np.argsort(-nearest, kind="stable")[:PAIRS].tolist():
        other = int(alike[k].argmax())
        one = _synthetic(chosen[k], *found[make_key(chosen[k])])
        pairs.append((one, _real(training, other), 1 - float(nearest[k])))
    return {
        "pairs": pairs,
        "sought": len(chosen),
        "distances": (1 - np.quantile(nearest, (0.95, 0.5))).tolist(),
        "floors": (1 - np.quantile(floor, (0.95, 0.5))).tolist() if len(floor) else (),
        "n_floor": len(floor),
    }


def _pair(
    files: Sequence[Path], chosen: Sequence[Row], training: Crops, rng: np.random.Generator
) -> list[tuple[Image, Image, None]]:
    """Return synthetic lesions beside random real ones of the same class, no distance measured.

    Of the same scanner too, where a real image names it.
    """
    found = read_pixels(files, [make_key(row) for row in chosen])
    pairs = []
    for row in chosen:
        same = training.labels == row["pathology"]
        scanner = same & (training.scanners == row["scanner"])
        places = np.flatnonzero(scanner if scanner.any() else same)
        if len(places):
            real = _real(training, int(rng.choice(places)))
            pairs.append((_synthetic(row, *found[make_key(row)]), real, None))
    return pairs


def _synthetic(row: Row, image: bytes, mask: bytes) -> Image:
    name = str(row["sample_id"])
    caption = ("Synthetic", f"{row['pathology']}, {row['scanner']}", name)
    outline = outline_path(io.decode_png(mask, f"mask of {name}"))
    alt = f"Synthetic image {name}: {row['text']}"
    return Image(image_uri(io.decode_png(image, name)), alt, caption, outline, 0, 0.0)


def _real(crops: Crops, k: int) -> Image:
    label = str(crops.labels[k]) or "class not stated"
    where = f"{label}, {crops.scanners[k] or 'scanner not stated'}"
    caption = ("Patient", where, str(crops.datasets[k]))
    alt = f"Image of a patient, {where}, of {crops.datasets[k]}"
    outline = outline_path(crops.masks[k] * np.uint8(255))
    return Image(image_uri(crops.images[k]), alt, caption, outline, 0, 0.0)
