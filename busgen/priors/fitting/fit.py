"""Fits the clinical prior to real lesions of several datasets and to published tables, pooled.

In: `Lesions` of training patients, a base prior, weights. Out: a `Prior` with the base's structure,
by expectation-maximisation (`busgen.priors.fitting.em`): what a dataset does not state is summed
out, never filled in. Kept from the base: scanner and field of view, since real tables name devices
and not styles, and the share of each pathology, since a dataset's mix of cases is its collector's
choice and no property of lesions (ask for another with a target). Coarser structures too, to
compare a network with: every descriptor by itself, given the class or not.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from busgen import schema
from busgen.arrays import Floats
from busgen.errors import UserError
from busgen.params.priors import PriorsParams
from busgen.priors import network
from busgen.priors.fitting import assessment
from busgen.priors.fitting.em import DIGITS, LEARNT, fit_aspects, fit_places, infer
from busgen.priors.fitting.lesions import Lesions
from busgen.priors.joint import eliminate
from busgen.priors.network import TERMS, Prior, make_prior
from busgen.priors.plan import node_factor
from busgen.priors.sizes import LESIONS

PUBLISHED = "published"
FITTED = tuple(name for name in LEARNT if name not in ("pathology", "appearance"))
ROUNDS, TOLERANCE = 60, 1e-5  # nats a lesion
_KEPT = ("pathology", "appearance", "birads", "tissue", "scanner", "field_mm")  # as the base has
_EVEN = 1e-3  # what a descriptor's term has at least: independence knows no excluded pairs


class Fit(NamedTuple):
    """A fitted prior, and the log-likelihood (nats a lesion) of its data before each round."""

    prior: Prior
    trace: tuple[float, ...]


def fit_prior(
    lesions: Lesions, base: Prior, pooling: PriorsParams, *, name: str, source: str
) -> Fit:
    """Return `base` updated by `lesions`; what the base gives no probability stays impossible.

    `lesions`: training patients of all datasets; `base`: prior that gives structure, pseudo-lesions
    and what the lesions do not tell; `pooling`: weights of the sources, the base among them;
    `name`, `source`: name of the new prior, and the population for its tables' `source`. Raises
    `UserError` if a weight's source is unknown or no lesion is left.
    """
    known = (PUBLISHED, *dict.fromkeys([*schema.DATASETS, *lesions.dataset.tolist()]))
    if unknown := [source for source in pooling.weights if source not in known]:
        rule = "priors.weights must name sources that are there"
        raise UserError(rule, unknown[0], f"choose from {', '.join(known)}")
    lesions = lesions.weigh(pooling.weights)
    if not (lesions.pathology < 2).any():
        raise UserError("weights must leave a lesion", dict(pooling.weights), "raise one")
    apart = fit_independent(lesions, base)
    sizes = [(base, pooling.weights.get(PUBLISHED, 0.0)), (apart, pooling.backoff)]
    pseudo = _pseudo_counts(base, apart, pooling)
    found = _run(lesions, base, pseudo, sizes, inferred=pooling.inferred)
    record = copy.deepcopy(found.prior.record)
    strength = pooling.weights.get(PUBLISHED, 0.0)
    record["discrete"]["birads"] |= assessment.fit(lesions, found.prior, base, strength)
    datasets = sorted({*base.record["datasets"], *lesions.dataset.tolist()})
    record |= {"name": name, "datasets": datasets, "about": f"{source}; base: {base.name}"}
    for node in (*FITTED, "birads"):
        record["discrete"][node]["source"] = f"{source}; before: {base.node(node).source}"
    for density in ("log_area_fraction", "log_aspect", "center_x", "center_y"):
        before = base.record["sizes"][density]["source"]
        record["sizes"][density]["source"] = f"{source}; before: {before}"
    return Fit(make_prior(record), found.trace)


def fit_independent(lesions: Lesions, base: Prior, *, classes: bool = True) -> Prior:
    """Return the independent descriptors likeliest for `lesions`, of either class or of both."""
    start = make_independent(base, classes=classes)
    counts = {node: start.node(node).table for node in FITTED}
    if not classes:  # each lesion counts half in either class: what is fitted ignores the class
        kept, n = lesions.pick(lesions.pathology < len(LESIONS)), len(LESIONS)
        both = kept.pick(np.tile(np.arange(len(kept)), n))
        pathology = np.repeat(np.arange(n), len(kept))
        lesions = replace(both, pathology=pathology, weight=both.weight / n)
    return _run(lesions, start, counts, [(start, 1.0)], apart=True).prior


def _run(
    lesions: Lesions,
    start: Prior,
    pseudo: Mapping[str, Floats],
    sizes: Sequence[tuple[Prior, float]],
    *,
    apart: bool = False,
    inferred: bool = True,
) -> Fit:
    """Return the likeliest prior of `start`'s structure for `lesions` and what is beside them.

    `pseudo`: pseudo-counts of every table; `sizes`: priors whose sizes count, by weight; `apart`:
    aspects do not depend on shape; `inferred` as in `Pooling`.
    """
    record = copy.deepcopy(start.record)
    record["sizes"] = fit_places(record["sizes"], lesions, sizes[0][1])
    prior, trace = make_prior(record), list[float]()
    aspects = [(other.record["sizes"], weight) for other, weight in sizes]
    for _ in range(ROUNDS):
        seen = infer(prior, lesions, inferred=inferred)
        possible = np.isfinite(seen.total)
        gained = lesions.weight[possible] @ seen.total[possible]
        trace.append(float(gained / lesions.weight.sum()))
        if len(trace) > 1 and abs(trace[-1] - trace[-2]) < TOLERANCE:
            break
        for node in FITTED:
            before = start.node(node).table  # kept where a row has neither count nor pseudo-count
            table = np.where(before > 0, seen.counts[node] + pseudo[node], 0.0)
            total = table.sum(-1, keepdims=True)
            shares = np.where(total > 0, table / np.where(total > 0, total, 1.0), before)
            _write(record, start, node, shares)
        shapes = np.full_like(seen.shapes, 1 / 3) if apart else seen.shapes
        record["sizes"] = fit_aspects(record["sizes"], lesions, shapes, aspects)
        prior = make_prior(record)
    return Fit(prior, tuple(trace))


def _pseudo_counts(base: Prior, apart: Prior, pooling: PriorsParams) -> dict[str, Floats]:
    """Return the base's tables by its weight, and the class's own shares by `backoff`."""
    strength = pooling.weights.get(PUBLISHED, 0.0)
    counts = {}
    for name in FITTED:
        node = base.node(name)
        counts[name] = strength * node.table
        if node.given[:1] in (("pathology",), ("appearance",)):
            between = (1,) * (node.table.ndim - 2)
            shares = class_shares(apart, name)
            shares = shares.reshape(len(shares), *between, -1)
            counts[name] = counts[name] + np.where(node.table > 0, pooling.backoff * shares, 0.0)
    return counts


def _write(record: dict[str, Any], base: Prior, name: str, table: Floats) -> None:
    """Write a node's table into the record, in the layout that it has there."""
    node, entry = base.node(name), record["discrete"][name]

    def write(part: dict[str, Any], parents: Sequence[str], index: tuple[int, ...]) -> None:
        if len(index) == len(node.given) or not isinstance(next(iter(part.values())), dict):
            index += (-1,) * (len(node.given) - len(index))
            shares = dict(zip(base.terms(name), table[index].tolist(), strict=False))
            part.clear()
            part.update(_round(shares))
            return
        for term, rest in part.items():
            state = base.terms(parents[0]).index(term)
            write(rest, parents[1:], (*index, state))

    write(entry["table"], node.given, ())


def _round(shares: Mapping[str, float]) -> dict[str, float]:
    """Return shares with `DIGITS` digits that sum to 1, without zeros."""
    kept = {term: max(round(share, DIGITS), 1e-6) for term, share in shares.items() if share > 0}
    most = max(kept, key=lambda term: kept[term])
    kept[most] = round(kept[most] + 1 - sum(kept.values()), DIGITS)
    return kept


def class_shares(prior: Prior, name: str) -> Floats:
    """Return P(state | pathology) (3, states) of a node, the null state of a lesion's included."""
    order = tuple(
        n
        for n in dict.fromkeys(("pathology", name, *network.NODES))
        if n in {name, *network.TABLES}
    )
    conditionals, _ = eliminate([node_factor(prior.node(n)) for n in order], order)
    table = conditionals[name].table
    return np.broadcast_to(table, (len(schema.PATHOLOGIES), table.shape[-1]))


def make_independent(base: Prior, *, classes: bool = True) -> Prior:
    """Return the prior in which nothing depends on anything but pathology, or not even on that.

    A margin is one descriptor; the outline is part of it. Aspects depend on orientation, which
    they decide, and on no shape.
    """
    record = copy.deepcopy(base.record)
    for name in network.NODES:
        if name in {*_KEPT, "margin"}:
            continue
        shares = _shares(base, name, classes)
        rows = zip(schema.PATHOLOGIES, shares.tolist(), strict=True)
        given = LESIONS if name in network.LESION_NODES else schema.PATHOLOGIES
        table = {p: _floor(TERMS[name], row) for p, row in rows if p in given}
        record["discrete"][name] |= {"given": ["pathology"], "table": table}
    certain = zip(LESIONS, TERMS["appearance"], strict=True)
    record["discrete"]["appearance"]["table"] = {p: {term: 1.0} for p, term in certain}
    margin = _shares(base, "margin", classes)[:, :-1]
    for look, row in zip(TERMS["appearance"], margin, strict=False):
        for number, term in enumerate(network.EDGES):
            own = np.where(np.array(network.EDGE_OF) == number, row, 0.0)
            record["discrete"]["margin"]["table"][look][term] = _floor(
                TERMS["margin"], own.tolist()
            )
    for rows in record["sizes"]["log_aspect"]["table"].values():
        for shape in rows:
            rows[shape] = copy.deepcopy(rows["irregular"])
    return make_prior(record)


def _shares(base: Prior, name: str, classes: bool) -> Floats:
    """Return P(state | pathology), of lesions the mean over the classes where they do not count."""
    shares = class_shares(base, name).copy()
    if not classes:
        shares[:2] = np.average(shares[:2], 0, base.node("pathology").table[:2])
    return shares


def _floor(terms: tuple[str, ...], shares: list[float]) -> dict[str, Any]:
    """Return a row in which every term that has any probability has at least `_EVEN`."""
    kept = {t: max(s, _EVEN) for t, s in zip(terms, shares, strict=False) if s > 0}
    return {term: share / sum(kept.values()) for term, share in kept.items()}
