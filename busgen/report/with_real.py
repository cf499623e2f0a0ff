"""Synthetic images beside real ones: a page of its own that holds images of patients.

In: a release and a folder of real data. Out: ``with_real.html``, which is not for sharing: the
nearest pairs of synthetic and training images, and random ones of the same class and scanner.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from busgen import io, seeds
from busgen.errors import UserError
from busgen.factory.plan import Plan, from_record
from busgen.metrics.memorization import correlate, thumbnails
from busgen.real import cohort
from busgen.real.cohort import IMAGES, find_cohort, find_tables
from busgen.real.crops import SPLITS, Crops, crop_all, is_undisputed
from busgen.real.display import may_show, require_no_output, require_untracked
from busgen.release.files import INDEX, PROVENANCE, find_files
from busgen.report import evidence
from busgen.report.charts.images import Image, image_uri, outline_path
from busgen.report.evidence import Key, read_pixels
from busgen.report.page import render
from busgen.report.sections.gallery import Row, make_key
from busgen.report.sections.marginals import LESIONS

PAGE = "with_real.html"
MOST = 400  # synthetic images that nearest ones are sought for
PAIRS, BESIDE = 12, 8
NOTICE = "IMAGES OF PATIENTS - NOT FOR SHARING"
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Pair:
    """A synthetic image beside a real one, and 1 - their correlation where it was measured."""

    synthetic: Image
    real: Image
    distance: float | None


@dataclass(frozen=True, eq=False)
class _Release:
    """A release: its folder, its plan, its accepted rows."""

    folder: Path
    plan: Plan
    accepted: pd.DataFrame

    def read_pixels(self, keys: list[Key]) -> dict[Key, tuple[bytes, bytes]]:
        """Return the PNG bytes of images and masks."""
        return read_pixels(find_files(self.folder), keys)


def count(real: Path) -> int:
    """Return how many images of patients `write_with_real` reads; raises as it does."""
    return sum(1 for _ in _rows(real, SPLITS, ()))


def require_private(out: Path) -> None:
    """Raise `UserError` if a page in the folder `out` would be tracked by git, or shared by DVC."""
    require_untracked(out / PAGE)
    require_no_output(out / PAGE)


def write_with_real(
    release: Path, real: Path, out: Path, tick: Tick | None = None, place: Path | None = None
) -> Path:
    """Write the page of a release beside real patients to ``<out>/with_real.html``; return it.

    Shown are training patients of datasets whose licence lets images be shown, as square crops.

    Parameters
    ----------
    release
        Release folder.
    real
        What ``busgen real ... --out`` wrote.
    out
        Folder to write to, where neither git nor DVC track it.
    tick
        Called with the number of patients' images read since its last call.
    place
        Where `out` ends up, if it is renamed: that is where nothing may track the page.

    Raises
    ------
    UserError
        If `out` is tracked, or no image may be shown.
    DataError
        If release or real data are damaged.
    """
    require_private(place or out)
    page = out / PAGE
    record = io.read_json(release / PROVENANCE)
    attempts = evidence.read_rows(release / INDEX)
    made = _Release(release, from_record(record["plan"]), attempts[attempts["accepted"]])
    training, held_out = (_crop(real, splits, tick) for splits in (SPLITS[:1], SPLITS[1:]))
    values = {
        "title": record["title"],
        "plan": made.plan,
        "n_training": len(training),
        "notice": NOTICE,
        **_near(made, training, held_out),
        "others": _ring(made, training),
    }
    io.write_text(page, render("with_real.html", values))
    return page


def _crop(real: Path, splits: Sequence[str], tick: Tick | None) -> Crops:
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


def _near(made: _Release, training: Crops, held_out: Crops) -> dict[str, Any]:
    """Return the pairs that are nearest, and how near held-out patients are to training ones."""
    rows = made.accepted
    order = seeds.rng(made.plan.request.seed, "report/nearest").permutation(len(rows))[:MOST]
    chosen = rows.iloc[order].to_dict("records")
    found = made.read_pixels([make_key(row) for row in chosen])
    images = np.stack([io.decode_png(found[make_key(row)][0]) for row in chosen])
    known = thumbnails(training.images)
    alike = correlate(thumbnails(images), known)
    floor = correlate(thumbnails(held_out.images), known).max(axis=1)
    nearest = alike.max(axis=1)
    pairs = []
    for k in np.argsort(-nearest, kind="stable")[:PAIRS].tolist():
        other = int(alike[k].argmax())
        one = _synthetic(chosen[k], *found[make_key(chosen[k])])
        pairs.append(Pair(one, _real(training, other), 1 - float(nearest[k])))
    return {
        "pairs": pairs,
        "sought": len(chosen),
        "distances": (1 - np.quantile(nearest, (0.95, 0.5))).tolist(),
        "floors": (1 - np.quantile(floor, (0.95, 0.5))).tolist() if len(floor) else (),
        "n_floor": len(floor),
    }


def _ring(made: _Release, training: Crops) -> tuple[Pair, ...]:
    """Return random synthetic lesions beside random real ones of the same class.

    Of the same scanner too, where a real image names it.
    """
    rng = seeds.rng(made.plan.request.seed, "report/beside")
    rows = made.accepted[made.accepted["pathology"].isin(LESIONS)]
    chosen = rows.iloc[rng.permutation(len(rows))[:BESIDE]].to_dict("records")
    found = made.read_pixels([make_key(row) for row in chosen])
    pairs = []
    for row in chosen:
        same = training.labels == row["pathology"]
        scanner = same & (training.scanners == row["scanner"])
        places = np.flatnonzero(scanner if scanner.any() else same)
        if len(places):
            real = _real(training, int(rng.choice(places)))
            pairs.append(Pair(_synthetic(row, *found[make_key(row)]), real, None))
    return tuple(pairs)


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
