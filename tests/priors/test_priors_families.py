"""Counterfactual families: one word changes, and nothing that makes the mask."""

from dataclasses import replace

import numpy as np
import pytest

from busgen import schema
from busgen.errors import FindingError
from busgen.masks.engines import load_mask_engine
from busgen.priors.draw import draw, make_members, select_terms
from busgen.priors.findings import FIELDS, check
from busgen.priors.network import TERMS
from busgen.priors.request import parse_request
from busgen.priors.text.parse import read_text

ANY = parse_request((), None, None)


@pytest.fixture(scope="module")
def drawn(prior):
    return draw(prior, 60, 11)


@pytest.mark.parametrize("field", schema.SHARING)
def test_members_differ_in_one_field_its_words_and_their_ids(drawn, field):
    for finding in drawn:
        family = make_members(finding, field, TERMS[field])
        if getattr(finding, field) is None:
            assert family == [finding]
            continue
        assert [m.sample_id for m in family] == [f"{finding.sample_id}-{t}" for t in TERMS[field]]
        for member in family:
            changed = {n for n in FIELDS if getattr(member, n) != getattr(finding, n)}
            assert changed <= {field, "sample_id", "text"}
            assert check(member, 256) == member
        own = [m for m in family if getattr(m, field) == getattr(finding, field)]
        assert [replace(m, sample_id=finding.sample_id) for m in own] == [finding]


@pytest.mark.parametrize("field", schema.SHARING)
def test_text_says_the_term_and_everything_else_as_before(drawn, field):
    for finding in drawn:
        if getattr(finding, field) is None:
            continue
        read = [
            {c.field: c for c in read_text(m.text).conditions}
            for m in make_members(finding, field, TERMS[field])
        ]
        assert [phrases.pop(field).terms for phrases in read] == [(term,) for term in TERMS[field]]
        assert all(phrases == read[0] for phrases in read)


def test_texts_of_a_family_share_all_words_around_those_that_change(drawn):
    for finding in (f for f in drawn if f.has_lesion):
        texts = [m.text.lower().split() for m in make_members(finding, "echo_pattern", ("anechoic",
                 "hypoechoic", "isoechoic"))]  # fmt: skip
        assert len({len(words) for words in texts}) == 1
        columns = [set(words) for words in zip(*texts, strict=True)]
        assert sum(len(column) > 1 for column in columns) == 1


def test_phrasing_is_the_generator_that_wrote_the_text(drawn):
    assert all(make_members(f, "tissue", (f.tissue,))[0].text == f.text for f in drawn)


@pytest.mark.parametrize("field", schema.SHARING)
def test_no_mask_depends_on_what_varies(drawn, field):
    engine = load_mask_engine("curvature", 256)
    for finding in (f for f in drawn[:12] if f.has_lesion):
        masks = engine.draw(make_members(finding, field, TERMS[field]))
        assert masks.any()
        assert (masks == masks[0]).all()


def test_margins_are_varied_one_term_at_a_time(drawn):
    for finding in drawn:
        family = make_members(finding, "margin", schema.MARGINS)
        if not finding.has_lesion:
            assert family == [finding]
            continue
        assert [m.margin for m in family] == [(term,) for term in schema.MARGINS]
        assert [check(m, 256) for m in family] == family
        assert len({m.text for m in family}) == len(schema.MARGINS)
        assert len({(m.seed, m.shape, m.width_mm, m.posterior) for m in family}) == 1


def test_conditions_on_margins_choose_their_terms():
    assert select_terms("margin", ANY) == schema.MARGINS
    request = parse_request(("margin=circumscribed|spiculated",), None, None)
    assert select_terms("margin", request) == ("circumscribed", "spiculated")


def test_a_family_may_leave_the_prior(drawn):
    malignant = next(f for f in drawn if f.pathology == "malignant")
    terms = [m.echo_pattern for m in make_members(malignant, "echo_pattern", TERMS["echo_pattern"])]
    assert terms == list(schema.ECHO_PATTERNS)


def test_conditions_on_the_field_choose_the_terms():
    request = parse_request(("posterior=shadowing|none", "shape=oval"), None, None)
    assert select_terms("posterior", request) == ("none", "shadowing")
    assert select_terms("posterior", ANY) == schema.POSTERIORS
    assert select_terms("halo", ANY) == ("no", "yes")
    assert select_terms("tissue", parse_request(("pathology=normal",), None, None)) == (
        schema.TISSUES
    )


@pytest.mark.parametrize(
    ("field", "asked", "message"),
    [
        ("shape", {}, "vary must be a field that may vary, got shape: one of tissue"),
        ("margin", {"where": ("margin=spiculated",)}, "leave margin two terms to vary"),
        ("margin", {"where": ("pathology=normal",)}, "must have lesions to vary among"),
        ("margin", {"targets": {"margin": {"spiculated": 0.5}}}, "each has every term once"),
        ("pathology", {}, "got pathology"),
        ("posterior", {"text": "oval mass with posterior shadowing"}, "got posterior=shadowing"),
        ("posterior", {"where": ("posterior=none",)}, "leave posterior two terms to vary"),
        ("halo", {"where": ("halo=yes", "halo=no")}, "got halo=nothing"),
        ("posterior", {"targets": {"posterior": {"none": 0.5}}}, "each has every term once"),
        ("halo", {"where": ("pathology=normal",)}, "must have lesions to vary among"),
    ],
)
def test_what_cannot_vary_is_refused(field, asked, message):
    request = parse_request(asked.get("where", ()), asked.get("text"), asked.get("targets"))
    with pytest.raises(FindingError, match=message):
        select_terms(field, request)


def test_findings_drawn_are_those_drawn_without_families(prior, drawn):
    alone = draw(prior, 1, 11, start=40)[0]
    assert make_members(alone, "posterior", TERMS["posterior"]) == make_members(
        drawn[40], "posterior", TERMS["posterior"]
    )
    assert np.unique([m.seed for m in make_members(alone, "halo", ("no", "yes"))]).tolist() == [
        alone.seed
    ]
