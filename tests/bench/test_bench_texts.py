"""The benchmark of texts: its halves, what is right, wrong and invented, and that its bars hold."""

import pytest

from busgen.bench import harness
from busgen.bench.harness import reaches
from busgen.bench.texts.benchmark import (
    BARS,
    Reading,
    _is_named,
    _meaning_of,
    _read_half,
    figures,
    measure,
    outcomes,
    parse,
)
from busgen.priors.request import _setting


def meaning(setting):
    return _meaning_of([_setting(setting)])


def test_halves_hold_200_texts_each_once():
    halves = [_read_half(half) for half in ("development", "held_out")]
    texts = [description.text for half in halves for description in half]
    assert len(texts) == len(set(texts)) == 200
    assert [len(half) for half in halves] == [99, 101]


@pytest.mark.parametrize(
    ("stated", "read", "outcome"),
    [
        ("shape=oval", "shape=oval", "right"),
        ("posterior=none|enhancement", "posterior=none", "right"),
        ("birads=4a", "birads=4a|4b", "vague"),
        ("shape=oval", "shape=round", "wrong"),
        ("margin excludes circumscribed", "margin=spiculated+angular", "right"),
        ("margin=spiculated", "margin=spiculated+angular", "wrong"),
        ("size_mm=14", "size_mm=15", "wrong"),
    ],
)
def test_a_field_is_right_where_all_that_is_read_is_stated(stated, read, outcome):
    assert list(outcomes(meaning(stated), meaning(read)).values()) == [outcome]


def test_what_is_not_read_is_missed_and_what_is_not_stated_invented():
    assert outcomes(meaning("shape=oval"), meaning("halo=no")) == {
        "shape": "missed",
        "halo": "invented",
    }
    assert meaning("pathology=benign|malignant") == {}


def test_figures_count_texts_fields_and_names():
    texts = _read_half("development")[:20]
    stated = {description.text: Reading(description.states) for description in texts}
    exact = figures(texts, stated.__getitem__, "x")
    assert exact["exact_x"].value == exact["precision_x"].value == exact["recall_x"].value == 1
    assert exact["misread_x"].value == 0
    wrong = figures(texts, lambda _: Reading((_setting("halo=no"),)), "x")
    assert wrong["exact_x"].value == 0
    assert wrong["misread_x"].value > 0.9
    assert _is_named("3 o'clock", "no mass 3 o ' clock")
    assert not _is_named("3 o'clock", "2 o'clock")


def test_the_parser_refuses_what_it_does_not_know_and_names_it():
    reading = parse("oval fluffy mass")
    assert reading.refused
    assert "fluffy" in reading.named
    assert not parse("oval mass").refused


def test_all_bars_hold():
    found = measure()
    assert all(reaches(found[name], bar) for name, bar in BARS.items())
    assert "texts" in harness.NAMES
