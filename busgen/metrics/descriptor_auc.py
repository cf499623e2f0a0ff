"""How well the class can be told from the descriptors alone.

In: canonical or released rows. Out: an AUC. In real data it is about .9 (BrEaST); a synthetic
set near 1.0 is unrealistically easy.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from busgen import schema
from busgen.arrays import Floats
from busgen.seeds import rng
from busgen.stats.patients import interval
from busgen.stats.roc import auc, auc_score

# no orientation: it is measured on masks, BrEaST's readers do not state it
TERMS = ("shape", "echo_pattern", "posterior", "calcification")
FOLDS = 5
RESAMPLES = 500


def _measure(table: pa.Table) -> Floats:
    """Return (rows, terms) zeros and ones: each term of each descriptor; unknown is all zeros."""
    single = [
        [value == term for value in table[name].to_pylist()]
        for name in TERMS
        for term in schema.BY_NAME[name].values or ()
    ]
    margins = [set(value or ()) for value in table["margin"].to_pylist()]
    multiple = [[term in value for value in margins] for term in schema.MARGINS]
    halo = [[bool(value) for value in table["halo"].to_pylist()]]
    return np.array([*single, *multiple, *halo], np.float64).T


def descriptor_auc(table: pa.Table, by: str) -> dict[str, Any] | None:
    """Return the cross-validated AUC of malignant against benign from the descriptors.

    Logistic regression (C = 1), 5 stratified folds, scored on the pooled out-of-fold probabilities.
    `table` rows with the descriptors, `pathology` and the column `by`; `by` column of what rows
    stem from: `patient_id` of real ones, `family_id` of released ones. The interval's 95 %
    bootstrap draws these, not lesions: those of one patient, and all members of a family, are
    described alike. Returns ``value, n, interval``; None with fewer than 10 lesions of
    either class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    lesions = table.filter(pa.array([p != "normal" for p in table["pathology"].to_pylist()]))
    malignant = np.array([p == "malignant" for p in lesions["pathology"].to_pylist()], bool)
    if min(malignant.sum(), (~malignant).sum()) < 2 * FOLDS:
        return None
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    model = LogisticRegression(max_iter=1000)
    terms, method = _measure(lesions), "predict_proba"
    score = cross_val_predict(model, terms, malignant, cv=folds, method=method)[:, 1]
    groups = np.array(lesions[by].to_pylist())
    ends = interval(auc_score(malignant, score), groups, rng(0, "descriptor_auc"), RESAMPLES)
    return {"value": auc(malignant, score), "n": int(score.size), "interval": ends}
