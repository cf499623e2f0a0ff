"""Combinations that nobody would believe: sourced, rare in BrEaST, never drawn."""

import pytest

from busgen import io
from busgen.errors import FindingError
from busgen.priors.contradictions import PATH, load
from busgen.priors.draw import draw
from busgen.priors.findings import to_row
from busgen.priors.network import load_prior
from busgen.priors.plan import make_plan
from busgen.priors.request import parse_request


def test_each_has_a_reason_a_source_and_few_lesions_of_breast():
    record = io.read_json(PATH)
    assert len(record["rules"]) >= 25
    assert len({str(rule) for rule in load()}) == len(record["rules"])
    for rule in record["rules"]:
        assert rule["why"]
        assert "doi" in rule["source"] or "BI-RADS Atlas" in rule["source"]
        assert rule["breast"] <= 0.02 * record["n"], rule


def test_breast_holds_as_many_as_is_said(published):
    lesions = [row for row in published.table.to_pylist() if row["pathology"] != "normal"]
    record = io.read_json(PATH)
    assert len(lesions) == record["n"]
    for rule, stated in zip(load(), record["rules"], strict=True):
        assert sum(map(rule.matches, lesions)) == stated["breast"], rule


@pytest.mark.parametrize("which", ["published", "pooled"])
def test_no_draw_holds_one(which, findings):
    drawn = findings if which == "published" else draw(load_prior(), 20_000, 5)
    rows = [to_row(finding) for finding in drawn]
    held = [str(rule) for rule in load() if any(map(rule.matches, rows))]
    assert held == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (["birads=2", "margin includes spiculated"], "one suspicious feature .*Stavros 1995"),
        (["birads=5", "shape=oval"], "no classic sign of malignancy"),
        (["halo=yes", "margin=circumscribed"], "a rind blurs the margin"),
        (["margin=angular+spiculated", "shape=oval", "birads=4b"], "a mass with spicules"),
    ],
)
def test_a_request_for_one_is_refused_with_its_reason(prior, settings, why):
    with pytest.raises(FindingError, match=why):
        make_plan(prior, parse_request(settings, None, None))
