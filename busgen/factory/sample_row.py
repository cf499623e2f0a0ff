"""One sample's row: its finding, what was measured on it, its own verdict, its pixels as PNG.

In: a finding, its mask and image, the scores of judges. Out: a row of `SHARD_SCHEMA`.
"""

from math import isnan
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from busgen import NOT_FOR_CLINICAL_USE, io, schema
from busgen.gates.scores import UNSEEN, score_pair, verdict
from busgen.imaging.geometry import measure, to_columns
from busgen.params.gates import Gate
from busgen.priors import findings
from busgen.priors.findings import Finding
from busgen.similarity.search import hash_image

LATER = {  # known of the whole set, or of its plan
    *("duplicate_distance", "duplicate_of", "split", "code_version", "prior_sha256"),
    *("mask_engine", "mask_engine_sha256", "engine", "engine_sha256"),
}
SHARD_SCHEMA = pa.schema(f for f in schema.arrow_schema("release") if f.name not in LATER)


def to_row(
    finding: Finding,
    mask: NDArray[np.uint8],
    image: NDArray[np.uint8],
    judged: dict[str, float | None],
    *,
    gates: dict[str, Gate],
    attempt: int,
) -> dict[str, Any]:
    """Return one row: finding, measures, scores (with those in `judged`), own verdict, pixels.

    Whether it repeats another sample is not known here: `verdicts.judge` decides that.
    """
    geometry = measure(mask, finding.pixel_mm)
    scores = score_pair(finding, mask, image, geometry) | judged
    accepted, reason, flags = verdict(scores, gates, taught=finding.scanner not in UNSEEN)
    known = {k: None if v is None or isnan(v) else v for k, v in scores.items()}
    return {
        **findings.to_row(finding),
        **to_columns(geometry),
        **known,
        "image_dhash": hash_image(image),
        "image_sha256": io.sha256_array(image),
        "attempt": attempt,
        "accepted": accepted,
        "reason": reason,
        "flags": flags,
        "image": _to_png(image, f"images/{finding.sample_id}.png", finding),
        "mask": _to_png(mask * 255, f"masks/{finding.sample_id}.png"),  # a family shares it
    }


def _to_png(pixels: NDArray[np.uint8], path: str, finding: Finding | None = None) -> dict[str, Any]:
    """Return a PNG that says itself what it is, wherever it is copied to; an image, its scale."""
    text, pixel_mm = {"Software": "busgen", "Comment": NOT_FOR_CLINICAL_USE}, None
    if finding:
        pixel_mm = finding.pixel_mm
        scale = f"{len(pixels) * pixel_mm:.4g} mm deep, a pixel is {pixel_mm:.4g} mm"
        text |= {"Title": finding.sample_id, "Description": scale}
    return {"bytes": io.encode_png(pixels, text, pixel_mm), "path": path}
