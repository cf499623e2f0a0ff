"""The scorecard: every cell a score of this set, or said not to be measured."""

from dataclasses import replace

import pytest

from busgen.release.contract.expectations import validate
from busgen.release.files import INDEX
from busgen.report.answers.limits import NO, PARTLY, UNKNOWN, YES
from busgen.report.answers.questions import make_answers
from busgen.report.answers.scorecard import CRITERIA, make_section
from busgen.report.evidence import gather
from busgen.report.report import SCORECARD
from busgen.report.sections import previous


@pytest.fixture(scope="module")
def answers(evidence):
    contract = validate(evidence.sources.release / INDEX, evidence.provenance["plan"])
    return make_answers(evidence, contract)


def _answer(criteria, name):
    return next(row for one in criteria for row in one.answers if row.name == name)


def test_seven_criteria_each_with_answers_and_what_is_missing(evidence, answers):
    found = make_section(evidence, answers, None)
    assert [one.name for one in found] == list(CRITERIA)
    assert len(found) == 7
    for one in found:
        assert one.answers[-1].answer == UNKNOWN  # what nothing measures
        assert {row.answer for row in one.answers} <= {YES, PARTLY, NO, UNKNOWN}
    assert _answer(found, "contract") in answers
    assert _answer(found, "versions").answer == UNKNOWN
    limits = {row.name for one in found for row in one.answers if row.name.startswith("limit ")}
    assert "limit near_duplicates" in limits


def test_what_the_set_itself_shows(evidence, answers):
    found = make_section(evidence, answers, None)
    accepted = evidence.accepted_rows
    lesions = accepted[accepted["pathology"] != "normal"]
    assert _answer(found, "stated").n == str(len(lesions))
    assert _answer(found, "stated").answer == YES
    assert _answer(found, "documented").answer == YES
    assert _answer(found, "contradictions").answer == YES
    assert _answer(found, "terms").answer == PARTLY  # a set of a few findings


def test_documents_that_are_gone_are_missed(chain, evidence, answers, tmp_path):
    for path in chain.sources.release.iterdir():
        if path.is_file() and path.name != "LICENSE":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torn = replace(evidence, sources=replace(evidence.sources, release=tmp_path))
    found = _answer(make_section(torn, answers, None), "documented")
    assert found.answer == NO
    assert "LICENSE" not in found.why


def test_the_same_version_is_not_worse(chain, answers, tmp_path):
    given = chain.sources
    (tmp_path / "release").symlink_to(given.release)
    (tmp_path / "quality").symlink_to(given.quality)
    beside = gather(replace(given, previous=tmp_path))
    found = make_section(beside, answers, previous.make_section(beside))
    assert _answer(found, "versions").answer == YES


def test_families_are_not_held_to_contradictions(families):
    page = (families.folder / SCORECARD).read_text(encoding="utf-8")
    assert "families vary a term whatever goes with it" in page


def test_the_page_stands_beside_the_report_and_is_linked(chain):
    page = (chain.folder / SCORECARD).read_text(encoding="utf-8")
    for name in CRITERIA:
        assert page.count(f'<section id="{name}">') == 1
    assert f'href="{SCORECARD}"' in chain.html
    assert "Brüste &lt;b&gt;" in page
    assert page.count(">not measured<") >= len(CRITERIA)
