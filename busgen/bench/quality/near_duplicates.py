"""Near-duplicates among a hundred thousand images: seconds, and how many planted ones are found.

In: clean images of different patients. Out: figures. Copies of each are planted; the other
images are descriptions drawn from a Gaussian of the clean ones' mean and covariance.
"""

from collections.abc import Sequence
from time import process_time

import numpy as np

from busgen.arrays import Floats32 as Rows, Pixels
from busgen.bench.harness import Bar, Figure, measure_time, share
from busgen.gates.calibration.fault_injection import COPIED
from busgen.gates.calibration.faults import COPIES, Pair
from busgen.io import decode_png, encode_png
from busgen.seeds import rng
from busgen.similarity.registration import Link
from busgen.similarity.search import describe, find_duplicates

N, FEW = 100_000, 2000

BARS = {"near_duplicates_100000_s": Bar("<=", 60.0), "near_duplicates_recall": Bar(">=", 0.95)}


def figures(images: Sequence[Pixels], *, quick: bool = False) -> dict[str, Figure]:
    """Return the figures; `images` (S, S) uint8 of different patients, copies at first strengths.

    `near_duplicates_crop_recall` is beside the others: what looks alike as a whole is sought.
    `describe_ms` is of one core an image: PNG to description.
    """
    n = FEW if quick else N
    whole = describe(images)
    pairs = [Pair(image, np.zeros_like(image), None, None) for image in images]
    copies = {
        kind: describe(
            COPIES[kind](pair, rng(k, f"near {kind}"), strengths[0]).image
            for k, pair in enumerate(pairs)
        )
        for kind, strengths in COPIED.items()
    }
    others = _others(whole, n - len(whole) * (1 + len(copies)))
    rows = np.concatenate([whole, *copies.values(), others])
    links: list[Link] = []
    seconds = measure_time(lambda: links.extend(find_duplicates(rows)))
    found = {(link.first, link.second) for link in links}
    size, files = len(whole), [encode_png(image) for image in images]
    one_by_one = measure_time(
        lambda: [describe([decode_png(file, "image")]) for file in files], process_time
    )
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


def _others(known: Rows, n: int) -> Rows:
    """Return (n, K, d) descriptions of no image, as wide as the known ones (m, K, d) spread."""
    flat = known.reshape(len(known), -1)
    centre = flat.mean(axis=0)
    _, spread, axes = np.linalg.svd(flat - centre, full_matrices=False)
    drawn = rng(0, "near/others").standard_normal((n, len(spread)), np.float32)
    rows = (centre + (drawn * (spread / np.sqrt(len(known)))) @ axes).reshape(n, *known.shape[1:])
    return np.asarray(rows / np.linalg.norm(rows, axis=2, keepdims=True), np.float32)
