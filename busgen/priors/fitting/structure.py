"""Coarser structures of a prior: every descriptor by itself, given the class or not.

In: `Prior`. Out: its shares by class, and priors to compare a network with.
"""

import copy
from typing import Any

import numpy as np

from busgen import schema
from busgen.arrays import Floats
from busgen.priors.joint import eliminate
from busgen.priors.network import (
    EDGE_OF,
    EDGES,
    HIDDEN,
    LESION_NODES,
    NODES,
    TABLES,
    TERMS,
    Prior,
    make_prior,
)
from busgen.priors.plan import node_factor
from busgen.priors.sizes import LESIONS

_EVEN = 1e-3  # what a descriptor's term has at least: independence knows no excluded pairs


def class_shares(prior: Prior, name: str) -> Floats:
    """Return P(state | pathology) (3, states) of a node, the null state of a lesion's included."""
    order = tuple(n for n in dict.fromkeys(("pathology", name, *NODES)) if n in {name, *TABLES})
    conditionals, _ = eliminate([node_factor(prior.node(n)) for n in order], order)
    table = conditionals[name].table
    return np.broadcast_to(table, (len(schema.PATHOLOGIES), table.shape[-1]))


def make_independent(base: Prior, *, classes: bool = True) -> Prior:
    """Return the prior in which nothing depends on anything but pathology, or not even on that.

    A margin is one descriptor; the outline is part of it. Aspects depend on orientation, which
    they decide, and on no shape.
    """
    record = copy.deepcopy(base.record)
    for name in NODES:
        if name in {*HIDDEN, "pathology", "margin", "birads", "tissue", "scanner", "field_mm"}:
            continue
        shares = _shares(base, name, classes)
        rows = zip(schema.PATHOLOGIES, shares.tolist(), strict=True)
        given = LESIONS if name in LESION_NODES else schema.PATHOLOGIES
        table = {p: _row(TERMS[name], row) for p, row in rows if p in given}
        record["discrete"][name] |= {"given": ["pathology"], "table": table}
    certain = zip(LESIONS, TERMS["appearance"], strict=True)
    record["discrete"]["appearance"]["table"] = {p: {term: 1.0} for p, term in certain}
    edge = _shares(base, "edge", classes).tolist()
    table = {p: _row(TERMS["edge"], edge[i]) for i, p in enumerate(LESIONS)}
    record["discrete"]["edge"] |= {"given": ["pathology"], "table": table}
    margin = _shares(base, "margin", classes)[:, :-1]
    for look, row in zip(TERMS["appearance"], margin, strict=False):
        for number, term in enumerate(EDGES):
            own = np.where(np.array(EDGE_OF) == number, row, 0.0)
            record["discrete"]["margin"]["table"][look][term] = _row(TERMS["margin"], own.tolist())
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


def _row(terms: tuple[str, ...], shares: list[float]) -> dict[str, Any]:
    """Return a row in which every term that has any probability has at least `_EVEN`."""
    kept = {t: max(s, _EVEN) for t, s in zip(terms, shares, strict=False) if s > 0}
    return {term: share / sum(kept.values()) for term, share in kept.items()}
