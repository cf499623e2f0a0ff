"""Exact quotas: as many as asked for, the rest without them, what cannot be refused."""

from collections import Counter

import numpy as np
import pytest

from busgen.errors import FindingError
from busgen.priors.draw import draw, shuffle, strata
from busgen.priors.plan import marginals
from busgen.priors.request import Request, parse_request

COUNTS = {"pathology.malignant": 30, "pathology.benign,shape.oval": 40, "pathology.normal": 5}


def test_each_stratum_and_the_rest_have_their_findings(prior):
    groups = strata(prior, Request(), COUNTS, 100)
    assert [count for _, count in groups] == [40, 30, 5, 25]
    drawn = [draw(prior, 200, 3, request=request) for request, _ in groups]
    assert {(f.pathology, f.shape) for f in drawn[0]} == {("benign", "oval")}
    assert {f.pathology for f in drawn[1]} == {"malignant"}
    rest = {(f.pathology, f.shape) for f in drawn[3]}
    assert rest == {("benign", "round"), ("benign", "irregular")}


def test_what_is_requested_is_the_mixture_of_strata(prior):
    found = marginals(prior, strata(prior, Request(), COUNTS, 100))
    assert found["pathology"] == pytest.approx({"benign": 0.65, "malignant": 0.3, "normal": 0.05})
    assert found["shape"]["oval"] > 40 / 95  # among lesions: some malignant ones are oval too


def test_conditions_hold_in_every_stratum(prior):
    request = parse_request(["margin includes spiculated"], None, None)
    for own, _ in strata(prior, request, {"pathology.malignant": 3}, 8):
        assert all("spiculated" in f.margin for f in draw(prior, 50, 1, request=own))


def test_the_order_follows_from_the_seed():
    first, again, other = (shuffle((30, 50, 20), seed) for seed in (7, 7, 8))
    assert Counter(first.tolist()) == {0: 30, 1: 50, 2: 20}
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"pathology.malignant": 60, "pathology.benign": 50}, "at most n .* got 110 of 100"),
        ({"pathology.malignant": 10, "shape.oval": 10}, "exclude each other, got .* shape.oval"),
        ({"margin.indistinct": 10, "margin.angular": 10}, "exclude each other"),
        ({"birads.2,margin.spiculated": 1}, "one suspicious feature"),
        ({"pathology.cancer": 1}, "pathology must be one of the lexicon's terms"),
        ({"malignant": 1}, "must be of field.term, got 'malignant'"),
        (
            {"pathology.benign": 1, "pathology.malignant": 1, "pathology.normal": 1},
            "leave no other",
        ),
    ],
)
def test_counts_that_cannot_be_are_refused(prior, counts, message):
    with pytest.raises(FindingError, match=message):
        strata(prior, Request(), counts, 100)
