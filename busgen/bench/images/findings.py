"""What engines are asked for: findings for real patients, with real or drawn masks.

In: canonical rows and their crops, the shipped prior. Out: findings and masks, one a crop. With
the crops' own masks only the image differs between real and rendered; with masks drawn from the
prior everything but class and scanner is what a user gets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from busgen import seeds
from busgen.arrays import Bools, Indices, Pixels
from busgen.errors import DataError
from busgen.images.contract import ImageEngine
from busgen.imaging.geometry import Geometry, measure
from busgen.masks.engines import load_mask_engine
from busgen.priors import request
from busgen.priors.conditions import Condition
from busgen.priors.draw import draw
from busgen.priors.findings import Finding
from busgen.priors.network import load_prior
from busgen.priors.text import lexicon
from busgen.real.cohort import PLAIN, read_rows
from busgen.real.crops import SIDE, Crops, is_undisputed, join, load_crops
from busgen.schema import scanner_of

STYLES: Mapping[str, str] = {  # device, or dataset that names none -> the nearest style
    "GE Logiq 5": "linear_7mhz",
    "GE Logiq 7": "linear_10mhz",
    "U-Systems": "linear_10mhz",
    "Toshiba Aplio 300": "linear_12mhz_compound",
    "BUSI": "linear_10mhz",
    "BrEaST": "linear_12mhz_compound",
}
LEARNED_DEVICES = frozenset({"diffusion"})  # engines that know devices, not the styles alone
STATED = ("tissue", "birads", "shape", "margin", "echo_pattern", "posterior", "halo",
          "calcification")  # fmt: skip


@dataclass(frozen=True)
class Lesions:
    """Crops with their canonical rows, images left out, in the same order."""

    crops: Crops
    rows: tuple[Mapping[str, Any], ...]

    def pick(self, chosen: Bools) -> "Lesions":
        """Return the crops that are `chosen`."""
        rows = tuple(row for row, wanted in zip(self.rows, chosen, strict=True) if wanted)
        return Lesions(self.crops.pick(chosen), rows)

    def subsample(self, n: int) -> "Lesions":
        """Return at most `n` crops, evenly spread over all of them."""
        total = len(self.crops)
        chosen = np.zeros(total, np.bool_)
        chosen[np.linspace(0, total - 1, min(n, total)).round().astype(np.intp)] = True
        return self.pick(chosen)


@dataclass(frozen=True)
class Request:
    """What images are rendered from, one for each crop they stand for.

    `findings` with the prior's scanner styles; `masks` (N, S, S) uint8 {0, 1}; `devices` that the
    crops were taken with, or their datasets, where these name none.
    """

    findings: tuple[Finding, ...]
    masks: Pixels
    devices: tuple[str, ...]

    def pick(self, chosen: Indices) -> "Request":
        """Return the `chosen` ones."""
        findings, devices = (tuple(x[k] for k in chosen) for x in (self.findings, self.devices))
        return Request(findings, self.masks[chosen], devices)


def render(engine: ImageEngine, requested: Request) -> Pixels:
    """Return the engine's images (N, S, S): of the very devices, where it has learned these."""
    findings = list(requested.findings)
    if engine.name in LEARNED_DEVICES:
        pairs = zip(findings, requested.devices, strict=True)
        findings = [replace(finding, scanner=device) for finding, device in pairs]
    return engine.render(findings, requested.masks)


def describe(
    tables: Sequence[Path], cohort: Path, folders: Mapping[str, Path], splits: Sequence[str]
) -> Lesions:
    """Return the labelled crops of `splits` with their rows.

    `folders` hold what `busgen.real.crops.save_crops` wrote, by split, of the canonical `tables`
    and the `cohort`'s file; `DataError` if the rows are not those of the crops.
    """
    rows = [
        row
        for split in splits
        for row in read_rows(tables, cohort, splits=(split,), columns=PLAIN, usable=is_undisputed)
    ]
    crops = join([load_crops(folders[split]) for split in splits])
    if [row["cluster_id"] for row in rows] != crops.groups.tolist():
        raise DataError("crops must be those of the cohort", "others", "delete the work folder")
    return Lesions(crops, tuple(rows)).pick(crops.labels != "")


def match_findings(real: Lesions, seed: int) -> Request:
    """Return findings for real crops, to be drawn inside the crops' own masks.

    Class, scanner style, box and orientation are the crop's, and so is every descriptor that its
    publisher states; the prior gives the rest, given class and orientation. Finding *k* depends on
    its crop, `seed` and *k* alone.
    """
    masks, findings = np.asarray(real.crops.masks), []
    for number, (row, mask) in enumerate(zip(real.rows, masks, strict=True)):
        shape = measure(mask, 1.0) if row["pathology"] != "normal" else None
        finding = _draw(row, shape, seed, number)
        names = ("tissue", "birads") if shape is None else STATED
        stated = {name: row[name] for name in names if row[name] is not None}
        if shape is not None:
            stated |= _box(finding, row, shape)
        if "margin" in stated:
            stated["margin"] = tuple(stated["margin"])
        findings.append(to_text(replace(finding, **stated)))
    return Request(tuple(findings), masks, _devices(real))


def draw_findings(real: Lesions, seed: int) -> Request:
    """Return findings of the same classes and scanner styles with all else drawn, masks too."""
    findings = [_draw(row, None, seed, number) for number, row in enumerate(real.rows)]
    masks = load_mask_engine("curvature", SIDE).draw(findings)
    return Request(tuple(findings), masks, _devices(real))


def _devices(real: Lesions) -> tuple[str, ...]:
    return tuple(scanner_of(row["scanner"], row["dataset"]) for row in real.rows)


def _style_for(row: Mapping[str, Any]) -> str:
    """Return the scanner style for a canonical row's device, or dataset where it names none."""
    name = scanner_of(row["scanner"], row["dataset"])
    if name not in STYLES:
        raise DataError("a device must have a scanner style", name, "add it to STYLES")
    return STYLES[name]


def to_text(finding: Finding) -> Finding:
    """Return the finding with its text written anew, in the phrasing that its seed decides."""
    phrasing = seeds.rng(finding.seed, "bench words")
    return replace(finding, text=lexicon.to_text(vars(finding), phrasing))


def _draw(row: Mapping[str, Any], shape: Geometry | None, seed: int, number: int) -> Finding:
    """Return finding `number` of the row's class and scanner style, turned as its shape is."""
    where = [("pathology", row["pathology"]), ("scanner", _style_for(row))]
    if shape is not None:
        tall = shape.height_mm > shape.width_mm
        where.append(("orientation", "not_parallel" if tall else "parallel"))
    requested = request.Request(tuple(Condition(name, "in", (term,)) for name, term in where))
    return draw(load_prior(), 1, seed, request=requested, start=number)[0]


def _box(finding: Finding, row: Mapping[str, Any], shape: Geometry) -> dict[str, Any]:
    """Return box and scale of a finding whose mask's `shape` was measured in pixels."""
    pixel_mm = finding.pixel_mm
    if row["width_mm"] is not None and row["crop_width"] is not None:
        pixel_mm = row["width_mm"] / (row["crop_width"] * SIDE)
    size = {"width_mm": shape.width_mm * pixel_mm, "height_mm": shape.height_mm * pixel_mm}
    return size | {"center_x": shape.center_x, "center_y": shape.center_y, "pixel_mm": pixel_mm}
