"""Counterfactual families: the same seed and mask, one word changed.

In: findings of lesions with their masks. Out: in which share of the pairs the measurement that
goes with the word moves as it should, and in which the rest of the image stays
(`busgen.metrics.counterfactuals`).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from busgen.bench.harness import Figures, figure_of, share
from busgen.bench.images.findings import Request, render, to_text
from busgen.bench.images.text import Measure
from busgen.images.contract import ImageEngine
from busgen.metrics.counterfactuals import RISING, Families, share_moved, share_unchanged

Words = Mapping[str, object]
Measures = Mapping[str, Measure]
PLAIN: Words = {"echo_pattern": "hypoechoic", "posterior": "none", "halo": False}
LADDERS = (  # a field, the terms that its measure rises with, the measure
    ("posterior", RISING["posterior"], "posterior"),
    ("echo_pattern", ("anechoic", "hypoechoic"), "darkness"),
    ("echo_pattern", ("hypoechoic", "isoechoic", "hyperechoic"), "echo"),
    ("halo", RISING["halo"], "rim"),
)
WORDS: Words = {"no": False, "yes": True}  # of a finding, where another
ROOM = 0.15  # of the image's height that a lesion leaves below it for posterior features


def select(request: Request, n: int) -> Request:
    """Return up to `n` lesions that leave room below them, as plain hypoechoic ones."""
    lowest = request.masks.shape[1] * (1 - ROOM)
    ends = (request.masks.any(axis=2) * np.arange(request.masks.shape[1])).max(axis=1)
    chosen = np.flatnonzero(request.masks.any(axis=(1, 2)) & (ends < lowest))
    few = np.unique(np.linspace(0, len(chosen) - 1, n).round().astype(np.intp))
    return _change_terms(request.pick(chosen[few]), PLAIN)


def _change_terms(request: Request, words: Words) -> Request:
    """Return the findings with other words: seeds, boxes and phrasings stay."""
    changed = (replace(finding, **words) for finding in request.findings)  # type: ignore[arg-type]
    return replace(request, findings=tuple(map(to_text, changed)))


def figures(engine: ImageEngine, base: Request, measures: Measures, name: str) -> Figures:
    """Return the share of pairs that move as asked, by pair of words and in all, and that stay.

    `base` holds findings with the words of `PLAIN`; `measures` go by the names of
    `text.MEASURES`; `name` ends the figures' names.
    """
    same = render(engine, base)
    measured: Figures = {}
    for field, terms, seen_by in LADDERS:
        members = [
            same if word == PLAIN[field] else render(engine, _change_terms(base, {field: word}))
            for word in (WORDS.get(term, term) for term in terms)
        ]
        families = Families(np.stack(members, axis=1), base.masks, field, terms)
        shares = share_moved(families, measures[seen_by])
        shares.pop("order")
        for pair, found in shares.items():
            measured[f"pairs_{field}_{pair.replace(' < ', '_')}_{name}"] = figure_of(found, "share")
        measured[f"pairs_{seen_by}_kept_{name}"] = figure_of(share_unchanged(families), "share")
    moved = [figure for key, figure in measured.items() if "_kept_" not in key]
    n = sum(figure.n for figure in moved)
    hits = sum(round(figure.value * figure.n) for figure in moved)
    return measured | {f"counterfactual_moved_{name}": share(hits, n)}
