"""A finding's text is a sentence of it, whatever its phrasing; of another finding it is none."""

from dataclasses import replace
from itertools import pairwise

import pytest

from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.priors.text import agreement
from busgen.priors.text.agreement import is_text_of


@pytest.fixture(scope="module")
def findings():
    return draw(load_prior(), 200, 11)


def test_a_text_agrees_however_it_is_phrased(findings, monkeypatch):
    assert all(map(is_text_of, findings))
    monkeypatch.setattr(agreement, "restate", lambda finding: "")  # as of another version's words
    assert all(map(is_text_of, findings))


@pytest.mark.parametrize(
    "text",
    ["", "hello", "=cmd|'/c calc'!A1", "oval mass\x1b[31m", "a dog", "x" * 3000, "no lesion"],
)
def test_what_is_no_sentence_of_a_lesion_does_not(findings, text):
    lesion = next(finding for finding in findings if finding.has_lesion)
    assert not is_text_of(replace(lesion, text=text))


def test_another_findings_text_does_not(findings):
    lesions = [finding for finding in findings if finding.has_lesion]
    swapped = (replace(one, text=other.text) for one, other in pairwise(lesions))
    assert not any(map(is_text_of, swapped))


def test_terms_that_are_none_are_no_reason_to_stop(findings):
    assert not is_text_of(replace(findings[0], shape="square", text="oval mass"))
