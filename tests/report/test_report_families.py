"""Families in the report: side by side, with the changed words in bold; only where there are."""

import re

import pytest
from plans import changed

from busgen import schema
from busgen.report.evidence import gather
from busgen.report.sections import funnel, marginals
from busgen.report.sections.families import _split_common, make_section as families_make_section
from busgen.report.sections.provenance import to_command


@pytest.fixture(scope="module")
def told(families):
    return gather(families.sources)


def test_rows_are_families_and_columns_terms_in_the_lexicons_order(told):
    found = families_make_section(told, 3)
    assert found.field == "posterior"
    lesions = told.accepted_rows[told.accepted_rows["pathology"] != "normal"]
    assert found.count == lesions["family_id"].nunique()
    assert len(found.examples) == min(3, found.count)
    for family in found.examples:
        assert tuple(member.term for member in family.members) == schema.POSTERIORS
        texts = lesions[lesions["family_id"] == family.name].set_index("posterior")["text"]
        for member in family.members:
            assert " ".join(filter(None, member.saying)) == texts[member.term]
            assert member.saying[1]
            assert member.region.startswith("M")
        assert len({member.image.outline for member in family.members}) == 1
        assert len({member.image.uri for member in family.members}) == 4


def test_the_page_shows_them_with_the_changed_words_in_bold(families, told):
    page = families.html
    shown = families_make_section(told, 2).examples
    assert page.count('<div class="family">') == len(shown)
    for family in shown:
        assert f"<small>{family.name}</small>" in page
        for member in family.members:
            assert f"<strong>{member.saying[1]}</strong>" in page
    assert 'href="#families"' in page
    assert "what varies: posterior features" in page


def test_families_of_margins_show_an_outline_each(margins):
    told = gather(margins.sources)
    found = families_make_section(told, 2)
    assert found.field == "margin"
    for family in found.examples:
        assert tuple(member.term for member in family.members) == schema.MARGINS
        assert len({member.image.outline for member in family.members}) > 1
        assert all(member.saying[1] for member in family.members)
    assert "what varies: margin" in margins.html


def test_a_release_without_families_has_no_such_section(chain):
    assert "Counterfactual families" not in chain.html
    assert "#families" not in chain.html


def test_a_family_counts_once_and_what_varies_has_no_share(told):
    found = {marginal.field: marginal for marginal in marginals.make_section(told)}
    assert "posterior" not in found
    assert found["pathology"].total == told.accepted_rows["family_id"].nunique()
    share = {s.term: s.count for s in found["pathology"].shares}
    once = told.accepted_rows.drop_duplicates("family_id")["pathology"].value_counts()
    assert {term: count for term, count in share.items() if count} == once.to_dict()


def test_the_funnel_says_how_many_families_and_who_passed_alone(told):
    (_, request, _), _, (*_, passed), (_, about, accepted), _ = funnel.make_section(told)
    assert request.startswith("6 drawn once from the prior, each with every term of posterior")
    lost = (told.attempts["reason"] == "family").sum()
    assert passed == accepted + lost
    assert about.endswith("as did the whole family")


def test_the_command_makes_the_same_families(told):
    assert "--vary posterior" in to_command(told.plan, told.provenance["release"])
    alone = changed(told.plan, vary=None)
    assert "--vary" not in to_command(alone, told.provenance["release"])


def test_a_sentence_is_parted_at_the_words_that_differ():
    assert _split_common(["an oval mass.", "an oval, round mass.", "an mass."]) == [
        ("an", "oval", "mass."),
        ("an", "oval, round", "mass."),
        ("an", "", "mass."),
    ]
    assert _split_common(["one two", "three two"]) == [("", "one", "two"), ("", "three", "two")]


def test_images_of_families_have_words(families):
    alts = re.findall(
        r'alt="Member of a family, synthetic B-mode image (\S+): [^"]+"', families.html
    )
    assert len(alts) == len(set(alts)) > 0
