"""Lesions drawn into the images of a user's own patients: not a release, and never shared.

In: a folder of canonical images, as `busgen real` writes it, and a request. Out: a folder of
images, masks and a table. Each shows a host's image but for a new lesion and what lies around it;
a host's own lesion is drawn over. Hosts are healthy, or their lesion is of the class that is asked,
so that nothing of another class is seen beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE, io, seeds
from busgen.arrays import Pixels
from busgen.errors import FindingError, UserError
from busgen.folders import require_replaceable, write_folder
from busgen.images.diffusion.engine import Engine
from busgen.images.engines import load_image_engine
from busgen.imaging.decode import bounding_box
from busgen.masks.engines import load_mask_engine
from busgen.priors.conditions import Condition
from busgen.priors.draw import draw
from busgen.priors.findings import Finding, check, to_row
from busgen.priors.network import load_prior
from busgen.priors.request import Request, parse_request
from busgen.real.cohort import IMAGES, find_cohort, find_tables, read_rows
from busgen.real.crops import SIDE, crop, is_undisputed, require_no_output, require_untracked
from busgen.schema import scanner_of
from busgen.training_loop import OnProgress

KIND = "augmented images"
AT_ONCE = 32  # images in memory
ATTEMPTS = 20  # findings a sample, until one fits its host
MARGIN = 0.25  # of a lesion's larger side: what is drawn anew around it, ...
BELOW = 1.0  # ... and of its height below it, where shadow or enhancement lie
HOST = (*IMAGES, "sample_id", "source_file", "dataset", "scanner", "pathology", "pixel_mm")
ABOUT = (
    "# Augmented images\n\n"
    "**These are images of real patients, with lesions drawn into them. They are not a synthetic "
    "dataset and no release: keep them where the patients' images may be kept, and share neither "
    "them nor copies.** {notice}.\n\n"
    "`metadata.parquet` names image, mask ({{0, 255}}), the drawn finding, and the host: its "
    "sample, dataset and patient. Train on them only together with patients of the same split.\n"
)


@dataclass(frozen=True)
class _Host:
    """A host's crop (S, S), its own lesion's mask (S, S) {0, 1}, and what is known of it."""

    image: Pixels
    mask: Pixels
    row: dict[str, Any]


def augment(  # noqa: PLR0913 - what is asked for, as on the command line
    real: Path,
    out: Path,
    n: int,
    settings: Sequence[str] = (),
    text: str | None = None,
    seed: int = 7,
    split: str = "train",
    device: str = "auto",
    tick: OnProgress = lambda _: None,
) -> int:
    """Write `n` augmented images of the `split` of canonical data in `real` to `out`.

    `settings` and `text` as `busgen generate` takes them; returns how many were written. Raises
    `UserError` if `out` lies where git or DVC would share it, no host fits, or the request is
    impossible.
    """
    require_replaceable(out, KIND)
    require_untracked(out / "metadata.parquet")
    require_no_output(out / "metadata.parquet")
    if n < 1:
        raise UserError("n must be at least 1", n, "give e.g. --n 100")
    request = parse_request(settings, text, None)
    hosts = _find_hosts(real, split)
    for condition in request.where:
        if condition.field == "pathology" and not {*condition.terms} & {*hosts}:
            rule = f"what is drawn must be a lesion of a class that has hosts: {', '.join(hosts)}"
            raise UserError(rule, condition, "ask for another, or name another --split")
    lesions = Condition("pathology", "in", tuple(hosts))
    request = replace(request, where=(*request.where, lesions))
    engine = load_image_engine("diffusion", SIDE, device)
    assert isinstance(engine, Engine)
    masks = load_mask_engine("semantic_curvature", SIDE)
    written: list[dict[str, Any]] = []
    with write_folder(out, KIND) as partial:
        for kind in ("images", "masks"):
            (partial / kind).mkdir()
        for start in range(0, n, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, n))
            pairs = list(_pair(hosts, request, seed, numbers))
            findings = [finding for finding, _ in pairs]
            shapes = masks.draw(findings)
            own = [host for _, host in pairs]
            around = zip(shapes, (host.mask for host in own), strict=True)
            regions = np.stack([find_region(shape, theirs) for shape, theirs in around])
            given = np.stack([host.image for host in own])
            images = engine.draw_into(findings, shapes, given, regions)
            for pair, image, shape in zip(pairs, images, shapes, strict=True):
                written.append(_write(partial, *pair, image, shape))
            tick(len(numbers))
        pq.write_table(pa.Table.from_pylist(written), partial / "metadata.parquet")
        io.write_text(partial / "README.md", ABOUT.format(notice=NOT_FOR_CLINICAL_USE))
        io.write_text(partial / ".gitignore", "*\n")
    return len(written)


def _find_hosts(real: Path, split: str) -> dict[str, list[dict[str, Any]]]:
    """Return the canonical rows of hosts, by the class of lesion that may be drawn into each.

    A class that has no host is left out.
    """
    tables, cohort = find_tables(real), find_cohort(real)
    rows = read_rows(tables, cohort, splits=(split,), columns=HOST, usable=is_undisputed)
    hosts: dict[str, list[dict[str, Any]]] = {"benign": [], "malignant": []}
    for row in rows:
        for label, own in hosts.items():
            if row["pathology"] in (label, "normal"):
                own.append(row)
    if not any(hosts.values()):
        rule = f"{real} must hold images of known class of the split {split}"
        raise UserError(rule, "none", "name another --split")
    return {label: own for label, own in hosts.items() if own}


def _pair(
    hosts: dict[str, list[dict[str, Any]]], request: Request, seed: int, numbers: range
) -> Iterator[tuple[Finding, _Host]]:
    """Yield the finding and the host of each number; raise `UserError` where none fit."""
    prior = load_prior()
    opened: dict[str, _Host] = {}
    for number in numbers:
        for attempt in range(ATTEMPTS):
            own = seeds.sample_seed(seed, number, attempt)
            (finding,) = draw(prior, 1, own, request=request, size_px=SIDE)
            usable = hosts[finding.pathology]
            row = usable[int(seeds.rng(own, "host").integers(len(usable)))]
            host = opened.setdefault(row["sample_id"], _open(row))
            name = f"{seed}-{number:07d}"
            placed = replace(finding, sample_id=name, family_id=name)
            try:
                yield place(placed, host), host
                break
            except FindingError:
                continue
        else:
            rule = "a host must have room for the lesion that is asked for"
            raise UserError(rule, f"none in {ATTEMPTS} attempts", "ask for other sizes or classes")


def _open(row: dict[str, Any]) -> _Host:
    image, mask, _ = crop(row)
    kept = {k: v for k, v in row.items() if k not in IMAGES}
    return _Host(image, mask, kept)


def place(finding: Finding, host: _Host) -> Finding:
    """Return a finding as its host shows it: where the host's own lesion was, by its scanner.

    Raises `FindingError` if its box does not fit into the image.
    """
    scanner = scanner_of(host.row["scanner"], host.row["dataset"])
    moved = replace(finding, scanner=scanner)
    box = bounding_box(host.mask)
    if box is not None:
        side = finding.pixel_mm * SIDE
        half = (finding.width_mm or 0) / side / 2, (finding.height_mm or 0) / side / 2
        at = (box.col + box.width / 2) / SIDE, (box.row + box.height / 2) / SIDE
        x, y = (float(np.clip(c, h, max(1 - h, h))) for c, h in zip(at, half, strict=True))
        moved = replace(moved, center_x=x, center_y=y)
    return check(moved, SIDE)


def find_region(mask: Pixels, own: Pixels) -> Pixels:
    """Return what is drawn anew (S, S) {0, 1}: lesion, what is around and below it, the host's."""
    region = np.zeros_like(mask)
    for shape in (mask, own):
        box = bounding_box(shape)
        if box is None:
            continue
        width = 2 * round(MARGIN * max(box.height, box.width)) + 1
        region |= cv2.dilate(shape, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
        bottom = box.row + box.height
        columns = slice(box.col, box.col + box.width)
        region[bottom : bottom + round(BELOW * box.height), columns] = 1
    return region


def _write(
    folder: Path, finding: Finding, host: _Host, image: Pixels, mask: Pixels
) -> dict[str, Any]:
    """Write one pair; return its row of the table."""
    name = f"{finding.sample_id}.png"
    words = "a patient's image with a lesion drawn into it: not to be shared"
    text = {"Software": "busgen", "Comment": f"{NOT_FOR_CLINICAL_USE}; {words}"}
    (folder / "images" / name).write_bytes(io.encode_png(image, text))
    (folder / "masks" / name).write_bytes(io.encode_png(mask * np.uint8(255), text))
    files = {"file_name": f"images/{name}", "mask_file_name": f"masks/{name}"}
    told = {"host": "sample_id", "dataset": "dataset", "patient": "cluster_id", "split": "split"}
    return files | to_row(finding) | {key: host.row[name] for key, name in told.items()}
