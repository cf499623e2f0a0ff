"""The area under the ROC curve against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from busgen.seeds import rng
from busgen.stats.roc import auc


def test_auc_is_sklearns():
    pick = rng(0, "auc")
    scores, positive = pick.integers(0, 9, 60).astype(float), pick.random(60) < 0.4
    assert auc(positive, scores) == pytest.approx(roc_auc_score(positive, scores))


def test_auc_counts_ties_half_and_is_nan_of_one_class():
    scores = np.array([0.1, 0.4, 0.4, 0.9])
    assert auc(np.array([False, False, True, True]), scores) == pytest.approx(3.5 / 4)
    assert np.isnan(auc(np.ones(4, np.bool_), scores))
