"""Counterfactual families: the same seed and mask, one word changed.

In: findings of lesions with their masks. Out: in which share of the pairs the measurement that
goes with the word moves as it should, and in which the rest of the image stays
(`busgen.metrics.counterfactuals`).
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.bench.harness import Figure
from busgen.bench.images.matched import Request, render, to_text
from busgen.bench.images.text.terms import Measure
from busgen.images.contract import ImageEngine
from busgen.metrics.counterfactuals import RISING, Families, share_moved, share_unchanged
from busgen.priors.findings import Finding
from busgen.stats.proportions import wilson_interval

Words = Mapping[str, object]
PLAIN: Words = MappingProxyType({"echo_pattern": "hypoechoic", "posterior": "none", "halo": False})
LADDERS = (  # a field, the terms that its measure rises with, the measure
    ("posterior", RISING["posterior"], "posterior"),
    ("echo_pattern", ("anechoic", "hypoechoic"), "darkness"),
    ("echo_pattern", ("hypoechoic", "isoechoic", "hyperechoic"), "echo"),
    ("halo", RISING["halo"], "rim"),
)
WORDS: Words = MappingProxyType({"no": False, "yes": True})  # of a finding, where another
ROOM = 0.15  # of the image's height that a lesion leaves below it for posterior features


def select(asked: Request, n: int) -> Request:
    """Return up to `n` lesions that leave room below them, as plain hypoechoic ones."""
    lowest = asked.masks.shape[1] * (1 - ROOM)
    ends = (asked.masks.any(axis=2) * np.arange(asked.masks.shape[1])).max(axis=1)
    chosen = np.flatnonzero(asked.masks.any(axis=(1, 2)) & (ends < lowest))
    few = np.unique(np.linspace(0, len(chosen) - 1, n).round().astype(np.intp))
    return change_terms(asked.pick(chosen[few]), PLAIN)


def change_terms(asked: Request, words: Words) -> Request:
    """Return the findings with other words: seeds, boxes and phrasings stay."""
    return replace(asked, findings=tuple(_changed(finding, words) for finding in asked.findings))


def _changed(finding: Finding, words: Words) -> Finding:
    fields: dict[str, object] = {**vars(finding), **words}
    return to_text(Finding(**fields))  # type: ignore[arg-type]


def figures(
    engine: ImageEngine, base: Request, measures: Mapping[str, Measure], name: str
) -> dict[str, Figure]:
    """Return the share of pairs that move as asked, by pair of words and in all, and that stay.

    Parameters
    ----------
    base
        Findings with the words of `PLAIN`.
    measures
        Measures by the names of `images_terms.MEASURES`.
    name
        Of the engine, the end of its figures' names.
    """
    same = render(engine, base)
    told: dict[str, Figure] = {}
    for field, terms, seen_by in LADDERS:
        families = _families(engine, base, same, field, terms)
        shares = share_moved(families, measures[seen_by])
        shares.pop("order")
        pairs = {pair.replace(" < ", "_"): found for pair, found in shares.items()}
        told |= {f"pairs_{field}_{pair}_{name}": _figure(found) for pair, found in pairs.items()}
        told[f"pairs_{seen_by}_kept_{name}"] = _figure(share_unchanged(families))
    moved = [figure for key, figure in told.items() if "_kept_" not in key]
    n = sum(figure.n for figure in moved)
    hits = sum(round(figure.value * figure.n) for figure in moved)
    value = hits / max(n, 1)
    return told | {
        f"counterfactual_moved_{name}": Figure(value, "share", n, wilson_interval(hits, n))
    }


def _families(
    engine: ImageEngine, base: Request, same: NDArray[np.uint8], field: str, terms: tuple[str, ...]
) -> Families:
    """Return families of one field with each of the terms; `same` are the images of `base`."""
    words = [WORDS.get(term, term) for term in terms]
    members = [
        same if word == PLAIN[field] else render(engine, change_terms(base, {field: word}))
        for word in words
    ]
    return Families(np.stack(members, axis=1), base.masks, field, terms)


def _figure(found: Mapping[str, Any]) -> Figure:
    low, high = found["interval"]
    return Figure(found["value"], "share", found["n"], (low, high))
