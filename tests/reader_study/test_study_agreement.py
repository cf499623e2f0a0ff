"""Agreement between readers and with what was asked for, on tiny tables."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from busgen.reader_study.records import DESCRIBED, Answers, Key
from busgen.reader_study.scores import (
    _score_descriptors,
    _score_readers,
    _score_requests,
    share,
)
from busgen.stats.proportions import wilson_interval

NOTHING = dict.fromkeys(DESCRIBED)


def test_fleiss_kappa_of_the_textbook_example():
    # 14 raters, 10 subjects, 5 categories: .210 (en.wikipedia.org/wiki/Fleiss'_kappa)
    counts = np.array(
        [
            [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
        ]
    )  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)
    with np.errstate(invalid="ignore"):
        assert np.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]])))
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])) == 1


def test_kappas_of_calls_and_of_ratings():
    ratings = np.array([[1, 2, 6, 5, 4, 3], [1, 3, 5, 6, 3, 3], [6, 5, 1, 2, 3, 4]], float)
    found = _score_readers(["a", "b", "c"], ratings)
    pairs = {tuple(one["readers"]): one["value"] for one in found["weighted_kappa_ratings"]}
    assert set(pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    expected = cohen_kappa_score(*ratings[:2].astype(int), labels=range(1, 7), weights="quadratic")
    assert pairs["a", "b"] == pytest.approx(expected, abs=1e-4)
    assert pairs["a", "c"] == -1
    low, high = found["weighted_kappa_ratings"][0]["interval"]
    assert low <= pairs["a", "b"] <= high
    assert found["fleiss_kappa_calls"]["n"] == 6
    assert _score_readers(["a"], ratings[:1]) is None


def test_a_kappa_that_cannot_be_is_null():
    found = _score_readers(["a", "b"], np.full((2, 12), 5.0))
    assert found["fleiss_kappa_calls"] == {"value": None, "n": 12, "interval": None}
    assert found["weighted_kappa_ratings"][0]["value"] is None


def test_a_share_counts_images_and_its_interval_treats_readers_as_one():
    found = share([[True, True], [True, False], [False, False], [True, True]])
    assert (found["value"], found["n"], found["readings"]) == (0.625, 4, 8)
    assert found["interval"] == [round(end, 4) for end in wilson_interval(2.5, 4)]


def key_of(**images) -> Key:
    result = {
        name: {"kind": kind, "pathology": "benign", "said": NOTHING | phrases}
        for name, (kind, phrases) in images.items()
    }
    return Key("s", result)


def answers_of(reader: str, **images) -> Answers:
    return Answers(
        reader, {n: {"rating": r, "said": phrases} for n, (r, phrases) in images.items()}
    )


def test_confusion_by_descriptor_takes_each_margin_term_by_itself():
    key = key_of(
        a=("synthetic", {"margin": ["indistinct", "angular"]}),
        b=("synthetic", {"margin": ["angular"]}),
        c=("real", {}),
    )
    answers = [
        answers_of("x", a=(6, {}), b=(1, {}), c=(4, {})),
        answers_of("y", a=(4, {}), b=(5, {}), c=(3, {})),
    ]
    rows = _score_descriptors(answers, key)
    found = {(one["kind"], one["field"], one["term"]): (one["value"], one["n"]) for one in rows}
    assert found == {
        ("real", "pathology", "benign"): (0.5, 1),
        ("synthetic", "pathology", "benign"): (0.75, 2),
        ("synthetic", "margin", "angular"): (0.75, 2),
        ("synthetic", "margin", "indistinct"): (1.0, 1),
    }


def test_readers_are_held_to_what_was_asked_only_where_both_say_something():
    key = key_of(
        a=("synthetic", {"birads": "4a", "margin": ["indistinct", "angular"], "halo": "absent"}),
        b=("real", {"birads": "3"}),
    )
    phrases = {"birads": "4c", "margin": ["angular", "indistinct"], "shape": "oval"}
    answers = [
        answers_of("x", a=(6, phrases), b=(1, {"birads": "3"})),
        answers_of("y", a=(1, {}), b=(1, {"birads": "5"})),
    ]
    found = {(o["kind"], o["field"]): (o["value"], o["n"]) for o in _score_requests(answers, key)}
    assert found == {
        ("real", "birads"): (0.5, 1),
        ("real", "birads_category"): (0.5, 1),
        ("synthetic", "birads"): (0.0, 1),
        ("synthetic", "birads_category"): (1.0, 1),
        ("synthetic", "margin"): (1.0, 1),
    }
