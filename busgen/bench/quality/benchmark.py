"""Benchmark of gates, scores and report: what they catch, what they agree with, what they cost.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout; what is read from
them is kept in data/work/bench-quality. Out: figures. Faults are planted into clean square crops of
test patients, copies are of training patients' crops; the bounds are those that ship, which came
from validation patients. Caught is rejected, by all gates together. Intervals are Wilson's 95 %.
Times are of copies of the default engine's images, two cores.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from busgen.arrays import Floats32, Pixels
from busgen.bench.harness import Figure, Figures, measure_time, read_bars, share
from busgen.bench.quality import reference_programs, speed as quality_speed
from busgen.bench.real.reading import read_tables
from busgen.code import ROOT
from busgen.gates import image_checks, scores
from busgen.gates.calibration import fault_injection as faults
from busgen.gates.calibration.faults import Pair
from busgen.gates.calibration.real_samples import read_pairs, read_training
from busgen.gates.lesion_intensity import score_lesion
from busgen.io import decode_png, encode_png
from busgen.judges.judges import load_judges
from busgen.params.gates import DEFAULT_GATES
from busgen.seeds import rng
from busgen.similarity.known_images import KnownImages, make_known, save_known
from busgen.similarity.registration import Link
from busgen.similarity.search import describe, find_duplicates

WORK = ROOT / "data" / "work" / "bench-quality"
FEW = 8  # images in a rehearsal
TIMED = 64
ROWS, FEW_ROWS = 100_000, 2000  # among which near-duplicates are sought

BARS = read_bars("quality")


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; takes some twenty minutes, and three more to read the datasets once.

    `quick` takes the first images alone: a rehearsal, no result.
    """
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        known, rows = Path(scratch) / "known.safetensors", Path(scratch) / "rows"
        tables, cohort = read_tables(WORK / "real", Path(scratch))
        training, textures = read_training(tables, cohort)
        save_known(textures, known)
        rows.mkdir()
        speed = quality_speed.figures(WORK / "real", known, rows, quick=quick)
    few = slice(FEW) if quick else slice(None)
    test = list(read_pairs(tables, cohort, "test"))[few]
    gates = faults.Gates(load_judges(device="cpu"), make_known(textures), DEFAULT_GATES)
    return {
        **_count_faults(faults.inject_faults(gates, test, training)),
        **_time_scores(test[:TIMED], gates.known),
        **reference_programs.figures(),
        **speed,
        **_find_planted([pair.image for pair in test], quick=quick),
    }


def _count_faults(proof: Mapping[str, Any]) -> Figures:
    """Return shares detected and refused: of what a bar is about, gate by gate too."""
    measured = _gates("real_refused", proof["clean"])
    seen = {*faults.CURVES, faults.BAND}
    for one in proof["faults"]:
        name, rejected, n = one["fault"], one["rejected"], one["n"]
        at = f"_at_{one['strength']:g}" if name in seen else ""
        detected = f"{name}_caught{at}"
        measured |= {detected: share(rejected, n)} if at else _gates(detected, one)
        measured[f"{name}_noticed{at}"] = share(rejected + one["flagged"], n)
        seen.add(name)
    labels, n = proof["labels"], proof["labels"]["n"]
    for refused, part in labels["curve"]:
        measured[f"wrong_label_told_refusing_{refused:g}"] = share(round(part * n), n)
    return measured | {"label_auc": Figure(labels["auc"], "AUC", n)}


def _gates(name: str, found: Mapping[str, Any]) -> Figures:
    """Return the share rejected together, and what each gate that refuses any would alone."""
    counts = {f"{name}_by_{gate}": count for gate, count in found["gates"].items() if count}
    counts = {name: found["rejected"]} | counts
    return {key: share(count, found["n"]) for key, count in counts.items()}


def _time_scores(pairs: Sequence[Pair], known: KnownImages) -> Figures:
    """Return milliseconds of one core an image: all pixel scores, and the later ones alone.

    `added_ms` is of overlay, anomaly, orientation and copies together, `region_scores_ms` of
    intensity and descriptors.
    """
    images, n = [pair.image for pair in pairs], len(pairs)
    terms = [{"echo_pattern": p.echo_pattern, "posterior": p.posterior} for p in pairs]
    timed: dict[str, Callable[[], object]] = {
        "pixel_scores_ms": lambda: [scores.score_image(image) for image in images],
        "added_ms": lambda: [known.similarities(images), *map(image_checks.score_image, images)],
        "region_scores_ms": lambda: [
            score_lesion(p.image, p.mask, own) for p, own in zip(pairs, terms, strict=True)
        ],
    }
    found = {}
    with threadpool_limits(1, "blas"):
        for name, work in timed.items():
            work()
            found[name] = Figure(1e3 * measure_time(work, process_time) / n, "ms", n)
    return found


def _find_planted(images: Sequence[Pixels], *, quick: bool = False) -> Figures:
    """Return how near-duplicates are found among many: seconds, and the share of planted ones.

    `images` (S, S) uint8 are clean and of different patients; copies of each are planted, at first
    strengths; the others are descriptions drawn from a Gaussian of their mean and covariance.
    `near_duplicates_crop_recall` is beside the others: what looks alike as a whole is sought.
    `describe_ms` is of one core an image: PNG to description.
    """
    n = FEW_ROWS if quick else ROWS
    whole = describe(images)
    pairs = [Pair(image, np.zeros_like(image), None, None) for image in images]
    copies = {
        kind: describe(
            plant(pair, rng(k, f"near {kind}"), strengths[0]).image for k, pair in enumerate(pairs)
        )
        for kind, (plant, strengths) in faults.COPIED.items()
    }
    others = _others(whole, n - len(whole) * (1 + len(copies)))
    rows = np.concatenate([whole, *copies.values(), others])
    links: list[Link] = []
    seconds = measure_time(lambda: links.extend(find_duplicates(rows)))
    found = {(link.first, link.second) for link in links}
    size, files = len(whole), [encode_png(image) for image in images]
    decoded = ([decode_png(file, "image")] for file in files)
    one_by_one = measure_time(lambda: list(map(describe, decoded)), process_time)
    hits = {
        kind: sum((k, size * place + k) in found for k in range(size))
        for place, kind in enumerate(copies, 1)
    }
    planted = size * (1 + len(copies))
    false = sum(b >= planted or a % size != b % size for a, b in found)
    return {
        "near_duplicates_100000_s": Figure(seconds, "s", len(rows)),
        "near_duplicates_recall": share(sum(hits.values()), size * len(hits)),
        **{f"near_duplicates_{kind}_recall": share(k, size) for kind, k in hits.items()},
        "near_duplicates_false": Figure(false, "pairs", len(rows)),
        "describe_ms": Figure(1e3 * one_by_one / size, "ms", size),
    }


def _others(known: Floats32, n: int) -> Floats32:
    """Return (n, K, d) descriptions of no image, as wide as the known ones (m, K, d) spread."""
    flat = known.reshape(len(known), -1)
    centre = flat.mean(axis=0)
    _, spread, axes = np.linalg.svd(flat - centre, full_matrices=False)
    drawn = rng(0, "near/others").standard_normal((n, len(spread)), np.float32)
    rows = (centre + (drawn * (spread / np.sqrt(len(known)))) @ axes).reshape(n, *known.shape[1:])
    return np.asarray(rows / np.linalg.norm(rows, axis=2, keepdims=True), np.float32)
