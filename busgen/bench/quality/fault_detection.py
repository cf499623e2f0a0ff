"""Planted faults detected, clean images refused, and what an image's scores cost.

In: what `busgen.gates.calibration.fault_injection` found; images. Out: figures. Intervals are
Wilson's 95 %.
"""

from collections.abc import Callable, Sequence
from time import process_time

from threadpoolctl import threadpool_limits

from busgen.bench import harness
from busgen.bench.harness import Bar, Figure, share
from busgen.gates import image_checks, scores
from busgen.gates.calibration import fault_injection
from busgen.gates.calibration.fault_injection import (
    COPIED,
    COPY,
    CURVES,
    PLANTED,
    SWAPPED,
    Detection,
)
from busgen.gates.calibration.faults import Pair
from busgen.gates.lesion_intensity import score_lesion
from busgen.similarity.known_images import KnownImages

BARRED = (*PLANTED, *(COPY + name for name in COPIED), SWAPPED)

BARS = {
    "real_refused": Bar("<=", 0.05),
    **{f"{name}_caught": Bar(">=", 0.95) for name in BARRED},
    "added_ms": Bar("<=", 20.0),
}


def figures(proof: fault_injection.Report) -> dict[str, Figure]:
    """Return shares detected and refused: of what a bar is about, gate by gate too."""
    measured = _gates("real_refused", proof.clean)
    seen = {*CURVES, fault_injection.BAND}
    for one in proof.faults:
        at = f"_at_{one.strength:g}" if one.fault in seen else ""
        detected = f"{one.fault}_caught{at}"
        measured |= {detected: share(one.rejected, one.n)} if at else _gates(detected, one)
        measured[f"{one.fault}_noticed{at}"] = share(one.rejected + one.flagged, one.n)
        seen.add(one.fault)
    labels = proof.labels
    for refused, part in labels.curve:
        measured[f"wrong_label_told_refusing_{refused:g}"] = share(round(part * labels.n), labels.n)
    return measured | {"label_auc": Figure(labels.auc, "AUC", labels.n)}


def _gates(name: str, found: Detection) -> dict[str, Figure]:
    """Return the share rejected together, and what each gate that refuses any would alone."""
    counts = {f"{name}_by_{gate}": count for gate, count in found.gates.items() if count}
    return {key: share(count, found.n) for key, count in ({name: found.rejected} | counts).items()}


def measure_time(pairs: Sequence[Pair], known: KnownImages) -> dict[str, Figure]:
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
            found[name] = Figure(1e3 * harness.measure_time(work, process_time) / n, "ms", n)
    return found
