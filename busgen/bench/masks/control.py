"""Control of masks by terms: whether a classifier of real outlines reads the terms that were asked.

In: real outlines whose readers state their terms, masks in their stead. Out: figures. The
classifier learns from BrEaST's training patients alone: neither a rule nor a mask of ours is in it.
"""

from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from busgen import schema
from busgen.arrays import Bools, Floats, Indices
from busgen.bench.harness import Figure, Figures, drop_missing, interval, mean
from busgen.bench.masks.realism import Cases, embed
from busgen.stats.patients import Score
from busgen.stats.roc import auc


def figures(learned: Cases, lots: Mapping[str, Cases]) -> Figures:
    """Return accuracy of shape and mean AUC of margin terms of each lot, read by one classifier.

    It learns from the real outlines `learned`, and reads those of `lots`, real or drawn.
    """
    known = embed(learned.masks)
    measured: dict[str, Figure | None] = {}
    shape = _model().fit(known, [terms["shape"] for terms in learned.terms])
    margins = {
        term: _model().fit(known, _has_margin(learned, term))
        for term in schema.MARGINS
        if 0 < _has_margin(learned, term).sum() < len(learned.masks)
    }
    for name, lot in lots.items():
        seen = embed(lot.masks)
        right = shape.predict(seen) == np.array([terms["shape"] for terms in lot.terms])
        measured[f"shape_read_{name}"] = mean(right.astype(float), lot.groups, "share", "shape")
        found = {term: model.predict_proba(seen)[:, 1] for term, model in margins.items()}
        measured[f"margin_auc_{name}"] = interval(_auc(lot, found), lot.groups, "AUC", "margin")
    return drop_missing(measured)


def _model() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=2000))


def _auc(lot: Cases, probabilities: Mapping[str, Floats]) -> Score:
    """Return the mean over margin terms of the AUC with which each is told."""
    truth = {term: _has_margin(lot, term) for term in probabilities}

    def score(rows: Indices) -> float:
        each = [auc(truth[term][rows], own[rows]) for term, own in probabilities.items()]
        return float(np.nanmean(each))

    return score


def _has_margin(cases: Cases, term: str) -> Bools:
    return np.array([term in (terms["margin"] or ()) for terms in cases.terms], np.bool_)
