"""Counterfactual pairs: the same seed and mask, one word changed.

In: findings of lesions with their masks. Out: in which share of the pairs the measurement that
goes with the word moves as it should, and how much stays of what has nothing to do with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.bench.harness import Figure, share
from busgen.bench.images_matched import Asked, worded
from busgen.bench.images_terms import CONTRASTS, Contrast, Measure
from busgen.images.engines import ImageEngine
from busgen.priors.findings import Finding

PLAIN: Mapping[str, object] = {"echo_pattern": "hypoechoic", "posterior": "none", "halo": False}
REACH_PX = 16  # around a lesion: its halo and edge may change with a word
ROOM = 0.15  # of the picture's height that a lesion leaves below it for posterior features


@dataclass(frozen=True)
class Change:
    """One word that replaces a plain finding's, and where its measure should go: 1 or -1."""

    contrast: Contrast
    word: object
    sign: int


CHANGES = tuple(
    Change(c, c.high, 1) if PLAIN[c.field] == c.low else Change(c, c.low, -1) for c in CONTRASTS
)


def plain(asked: Asked, n: int) -> Asked:
    """Return up to `n` lesions that leave room below them, as plain hypoechoic ones."""
    lowest = asked.masks.shape[1] * (1 - ROOM)
    rows = np.arange(asked.masks.shape[1])
    ends = (asked.masks.any(axis=2) * rows).max(axis=1)
    chosen = np.flatnonzero(asked.masks.any(axis=(1, 2)) & (ends < lowest))[:n]
    findings = tuple(changed(asked.findings[k], PLAIN) for k in chosen)
    return Asked(findings, asked.masks[chosen])


def changed(finding: Finding, words: Mapping[str, object]) -> Finding:
    """Return the finding with other words: seed, box and phrasing stay."""
    fields: dict[str, object] = {**vars(finding), **words}
    return worded(replace(finding, **fields))  # type: ignore[arg-type]


def figures(
    engine: ImageEngine, base: Asked, measures: Mapping[str, Measure], name: str
) -> dict[str, Figure]:
    """Return the share of pairs that move as asked, by word and in all, and what is kept.

    `counterfactual_kept_NAME` is the median correlation of the two pictures of a pair away from
    the lesion and from what lies below it; its interval holds the middle half of the pairs. A pair
    whose measure has no value, for want of room, does not count.
    """
    before = engine.render(base.findings, base.masks)
    told, moved, kept = {}, [], []
    for change in CHANGES:
        findings = [changed(f, {change.contrast.field: change.word}) for f in base.findings]
        after = engine.render(findings, base.masks)
        right = moves(before, after, base.masks, measures[change.contrast.measure], change.sign)
        moved += right
        kept += [likeness(*three) for three in zip(before, after, base.masks, strict=True)]
        if right:
            told[f"counterfactual_{change.contrast.name}_{name}"] = share(sum(right), len(right))
    known = np.array([value for value in kept if not np.isnan(value)])
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
    return told | {
        f"counterfactual_moved_{name}": share(sum(moved), len(moved)),
        f"counterfactual_kept_{name}": Figure(middle, "correlation", len(known), (low, high)),
    }


def moves(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    measure: Measure,
    sign: int,
) -> list[bool]:
    """Return whether the measure moves by `sign` in each pair where it has a value."""
    steps = [
        measure(two, mask) - measure(one, mask)
        for one, two, mask in zip(before, after, masks, strict=True)
    ]
    return [sign * step > 0 for step in steps if not np.isnan(step)]


def likeness(before: NDArray[np.uint8], after: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Return the correlation of two pictures (S, S) beside a lesion; NaN where one is even."""
    kernel = np.ones((2 * REACH_PX + 1,) * 2, np.uint8)
    near = cv2.dilate(mask, kernel) > 0
    away = ~np.logical_or.accumulate(near, axis=0)
    one, two = before[away].astype(np.float64), after[away].astype(np.float64)
    if away.sum() < 2 or one.std() == 0 or two.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, two)[0, 1])
