"""The benchmark of users: what it calls right, refused and misread."""

import numpy as np
import pytest

from busgen.bench.users.encodings import SHAPE, N, make_pair, save
from busgen.bench.users.layouts import Case, _lay, find_outcome, list_cases
from busgen.bench.users.words import run_words
from busgen.image_sets.source import Reading


def test_there_are_enough_cases_each_once():
    names = [case.name for case in list_cases()]
    assert len(names) == len(set(names)) >= 40
    assert sum(case.refuse for case in list_cases()) >= 8


@pytest.mark.parametrize("number", range(0, 70, 5))
def test_no_layout_is_misread(number):
    case = list_cases()[number]
    assert find_outcome(case) == ("refused" if case.refuse else "right"), case.name


def test_what_is_read_otherwise_is_misread():
    def turn(mask):
        return save(np.ascontiguousarray(mask[::-1]) * 255)

    images, masks = "images/{}.png", "masks/{}.png"
    assert find_outcome(Case("right", _lay(images, masks))) == "right"
    assert find_outcome(Case("turned", _lay(images, masks, mask=turn))) == "misread"
    assert find_outcome(Case("to refuse", _lay(images, masks), refuse=True)) == "misread"
    files = _lay("left/{}.png", "right/{}.png")
    swapped = Reading(images="right/*.png", masks="left/*.png")
    assert find_outcome(Case("swapped", files, reading=swapped)) != "right"
    assert make_pair(1)[0].shape == SHAPE
    assert len(files) == 2 * N


def test_random_words_end_in_a_plan_or_one_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_words(12) == {"good": 12, "tracebacks": 0, "other": 0}
