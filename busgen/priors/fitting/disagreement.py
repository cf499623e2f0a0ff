"""How far each source of a pooled prior is from what was pooled.

In: fitted `Prior`, its base, the training `Lesions`. Out: one record a source, node and class: the
total variation distance of its own shares (of boxes: the Kolmogorov-Smirnov distance of its own
values) to the pooled prior's, the interval over patients, and the floor: the distance below which
95 of 100 samples of that size keep when they are drawn from the pooled prior itself.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from busgen import schema
from busgen.arrays import Floats, Indices
from busgen.priors.fitting.fit import FITTED, PUBLISHED, class_shares
from busgen.priors.fitting.held_out import DIGITS, LEVEL, RESAMPLES
from busgen.priors.fitting.lesions import BOX, Lesions
from busgen.priors.network import HIDDEN, TERMS, Prior
from busgen.priors.sizes import LESIONS
from busgen.stats.ks import ks, weighted_ks
from busgen.stats.patients import ENDS, counts_of_draws

PLACES = BOX[:4]
NODES_SHOWN = tuple(name for name in FITTED if name not in {*HIDDEN, "tissue"})
LEAST = 5  # lesions below which a distance says nothing
CATEGORY = np.array([schema.BIRADS_CATEGORIES.index(term[0]) for term in TERMS["birads"]])


def compare(
    prior: Prior, base: Prior, lesions: Lesions, drawn: Lesions, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return each source's distances; `drawn` are lesions of `prior`, for their boxes.

    Returns records ``{"source", "node", "pathology", "n", "distance", "interval", "floor", "own",
    "pooled"}``: `own` and `pooled` map terms to shares, or for boxes name mean and sd. The
    assessment is compared by category. `n`, `interval` and `floor` are null of the base, which is
    no sample.
    """
    out = []
    for name in NODES_SHOWN:
        labels = schema.BIRADS_CATEGORIES if name == "birads" else TERMS[name]
        groups = CATEGORY if name == "birads" else np.arange(len(labels))
        pooled, before = (_group(class_shares(p, name), groups) for p in (prior, base))
        for p, pathology in enumerate(LESIONS):
            where = {"node": name, "pathology": pathology}
            distance = {"n": None, "distance": _single(before[p], pooled[p]), "interval": None}
            shares = {"own": _name(labels, before[p]), "pooled": _name(labels, pooled[p])}
            out.append({"source": PUBLISHED, **where, **distance, "floor": None, **shares})
            for source, mine in _stated(lesions, name, p, groups):
                record = _terms(mine, _group(mine.patterns[name], groups), pooled[p], labels, rng)
                shares = {"pooled": _name(labels, pooled[p])}
                out.append({"source": source, **where, **record, **shares})
    return out + list(_places(lesions, drawn, rng))


def _group(shares: Floats, groups: Indices) -> Floats:
    """Return (classes, groups) shares of (classes, states), null left out."""
    table = np.zeros((len(shares), groups.max() + 1))
    np.add.at(table.T, groups, shares[:, : len(groups)].T)
    return table


def _stated(lesions: Lesions, name: str, p: int, groups: Indices) -> Iterator[tuple[str, Lesions]]:
    """Yield each source that states a node: its name and its lesions that do."""
    states = _group(lesions.patterns[name], groups)[lesions.pattern] > 0
    stated = (states.sum(1) == 1) & (lesions.pathology == p)
    for source in sorted(set(lesions.dataset.tolist())):
        mine = stated & (lesions.dataset == source)
        if mine.sum() >= LEAST:
            yield source, lesions.pick(mine)


def _terms(
    lesions: Lesions,
    states: Floats,
    pooled: Floats,
    labels: tuple[str, ...],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return n, distance, interval, floor and own shares of lesions of one source and class.

    `states` (P, groups) are the groups of a node that each of their patterns holds.
    """
    known, weight = (states[lesions.pattern] > 0).astype(np.float64), lesions.weight
    own = weight @ known / weight.sum()
    drawn = counts_of_draws(lesions.patient, rng, RESAMPLES) * weight
    again = drawn @ known / drawn.sum(1, keepdims=True)
    n = max(round(float(weight.sum() ** 2 / (weight**2).sum())), 1)
    chance = rng.multinomial(n, pooled / pooled.sum(), RESAMPLES) / n
    ends = np.quantile(_tv(again, pooled), ENDS)
    return {
        "n": len(known),
        "distance": _single(own, pooled),
        "interval": [round(float(end), DIGITS) for end in ends],
        "floor": round(float(np.quantile(_tv(chance, pooled), LEVEL)), DIGITS),
        "own": _name(labels, own),
    }


def _tv(shares: Floats, pooled: Floats) -> Floats:
    """Return the total variation distance (...) of (..., terms) shares to (terms,) ones."""
    return np.asarray(np.abs(shares - pooled).sum(-1) / 2, np.float64)


def _single(shares: Floats, pooled: Floats) -> float:
    return round(float(_tv(shares, pooled)), DIGITS)


def _name(labels: tuple[str, ...], shares: Floats) -> dict[str, float]:
    named = zip(labels, shares.tolist(), strict=True)
    return {label: round(share, DIGITS) for label, share in named if share > 0}


def _places(lesions: Lesions, drawn: Lesions, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield the records of box sizes and places."""
    for column, name in enumerate(PLACES):
        for p, pathology in enumerate(LESIONS):
            pooled = drawn.boxes[drawn.pathology == p, column]
            pooled = pooled[~np.isnan(pooled)]
            for source in sorted(set(lesions.dataset.tolist())):
                mine = (lesions.dataset == source) & (lesions.pathology == p)
                own = lesions.pick(mine & ~np.isnan(lesions.boxes[:, column]))
                if len(own) >= LEAST:
                    where = {"source": source, "node": name, "pathology": pathology}
                    yield {**where, **compare_values(own, column, pooled, rng)}


def compare_values(
    lesions: Lesions, column: int, pooled: Floats, rng: np.random.Generator
) -> dict[str, Any]:
    """Return n, distance, interval, floor and moments of boxes' values against the prior's."""
    own = lesions.boxes[:, column]
    drawn = counts_of_draws(lesions.patient, rng, RESAMPLES // 5)
    chance = rng.choice(pooled, (RESAMPLES // 5, len(own)))
    ends = np.quantile(weighted_ks(own, pooled, drawn, np.ones((len(drawn), len(pooled)))), ENDS)
    floor = np.quantile([ks(row, pooled) for row in chance], LEVEL)
    moments = ({"mean": float(v.mean()), "sd": float(v.std())} for v in (own, pooled))
    rounded = [{key: round(value, DIGITS) for key, value in m.items()} for m in moments]
    return {
        "n": len(own),
        "distance": round(ks(own, pooled), DIGITS),
        "interval": [round(float(end), DIGITS) for end in ends],
        "floor": round(float(floor), DIGITS),
        "own": rounded[0],
        "pooled": rounded[1],
    }
