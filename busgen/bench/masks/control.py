"""Control of masks by terms: whether a classifier of real outlines reads the terms that were asked.

In: real outlines whose readers state their terms, masks in their stead. Out: figures. The
classifier learns from BrEaST's training patients alone: neither a rule nor a mask of ours is in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen import schema
from busgen.bench.harness import Figure
from busgen.bench.images.scores import drop_missing, interval
from busgen.bench.masks.features import embed
from busgen.stats.patients import Score
from busgen.stats.roc import auc

Masks = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cases:
    """Masks (N, S, S), the terms that each has, and what a bootstrap keeps together, (N,)."""

    masks: Masks
    terms: Sequence[Mapping[str, Any]]
    groups: NDArray[np.str_]

    def names(self, field: str) -> NDArray[np.str_]:
        """Return the one term of `field` of each."""
        return np.array([terms[field] for terms in self.terms])

    def has_margin(self, term: str) -> NDArray[np.bool_]:
        """Return whose margin has the term."""
        return np.array([term in (terms["margin"] or ()) for terms in self.terms], np.bool_)


def figures(learned: Cases, lots: Mapping[str, Cases]) -> dict[str, Figure]:
    """Return accuracy of shape and mean AUC of margin terms of each lot, read by one classifier.

    Parameters
    ----------
    learned
        Real outlines that the classifier learns from.
    lots
        Name -> real or drawn outlines of the same terms that it reads.
    """
    seen = {name: embed(lot.masks) for name, lot in lots.items()}
    known = embed(learned.masks)
    told: dict[str, Figure | None] = {}
    shape = _model().fit(known, learned.names("shape"))
    margins = {
        term: _model().fit(known, learned.has_margin(term))
        for term in schema.MARGINS
        if 0 < learned.has_margin(term).sum() < len(learned.masks)
    }
    for name, lot in lots.items():
        right = shape.predict(seen[name]) == lot.names("shape")
        told[f"shape_read_{name}"] = interval(_mean(right), lot.groups, "share", "shape")
        probabilities = {
            term: model.predict_proba(seen[name])[:, 1] for term, model in margins.items()
        }
        told[f"margin_auc_{name}"] = interval(_auc(lot, probabilities), lot.groups, "AUC", "margin")
    return drop_missing(told)


def _model() -> Any:  # noqa: ANN401 - scikit-learn has no types
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=2000))


def _mean(right: NDArray[np.bool_]) -> Score:
    return lambda rows: float(right[rows].mean())


def _auc(lot: Cases, probabilities: Mapping[str, Floats]) -> Score:
    """Return the mean over margin terms of the AUC with which each is told."""
    truth = {term: lot.has_margin(term) for term in probabilities}

    def score(rows: NDArray[np.intp]) -> float:
        each = [auc(truth[term][rows], own[rows]) for term, own in probabilities.items()]
        return float(np.nanmean(each))

    return score
