"""Planted faults caught, clean images refused, and what an image's scores cost.

In: what `busgen.gates.calibration.fault_injection` found; images. Out: figures. Intervals are
Wilson's 95 %.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from threadpoolctl import threadpool_limits

from busgen.bench.harness import Bar, Figure, share
from busgen.gates import image_checks, scores
from busgen.gates.calibration.fault_injection import (
    BAND,
    COPIED,
    COPY,
    CURVES,
    PLANTED,
    SWAPPED,
    Detection,
    Report,
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


def figures(proof: Report) -> dict[str, Figure]:
    """Return shares caught and refused: of what a bar is about, gate by gate too."""
    told = _gates("real_refused", proof.clean)
    seen = {*CURVES, BAND}
    for one in proof.faults:
        if one.fault in seen:
            told[f"{one.fault}_caught_at_{one.strength:g}"] = share(one.rejected, one.n)
            told[f"{one.fault}_noticed_at_{one.strength:g}"] = share(
                one.rejected + one.flagged, one.n
            )
        else:
            told |= _gates(f"{one.fault}_caught", one)
            told[f"{one.fault}_noticed"] = share(one.rejected + one.flagged, one.n)
        seen.add(one.fault)
    labels = proof.labels
    for refused, part in labels.curve:
        told[f"wrong_label_told_refusing_{refused:g}"] = share(round(part * labels.n), labels.n)
    return told | {"label_auc": Figure(labels.auc, "AUC", labels.n)}


def _gates(name: str, found: Detection) -> dict[str, Figure]:
    """Return the share rejected together, and what each gate that refuses any would alone."""
    counts = {f"{name}_by_{gate}": count for gate, count in found.gates.items() if count}
    return {key: share(count, found.n) for key, count in ({name: found.rejected} | counts).items()}


def measure_time(pairs: Sequence[Pair], known: KnownImages) -> dict[str, Figure]:
    """Return milliseconds of one core an image: all pixel scores, and the later ones alone.

    `added_ms` is of overlay, anomaly, orientation and copies together, `region_scores_ms` of
    intensity and descriptors.
    """

    def measure(pair: Pair) -> Mapping[str, float | None]:
        terms = {"echo_pattern": pair.echo_pattern, "posterior": pair.posterior}
        return score_lesion(pair.image, pair.mask, terms)

    images = [pair.image for pair in pairs]
    timed: dict[str, Callable[[], object]] = {
        "pixel_scores_ms": lambda: [scores.score_image(image) for image in images],
        "added_ms": lambda: [known.similarities(images), *map(image_checks.score_image, images)],
        "region_scores_ms": lambda: [measure(pair) for pair in pairs],
    }
    with threadpool_limits(1, "blas"):
        return {name: _time(work, len(pairs)) for name, work in timed.items()}


def _time(work: Callable[[], object], n: int) -> Figure:
    work()
    start = time.process_time()
    work()
    return Figure(1e3 * (time.process_time() - start) / n, "ms", n)
