"""Preparing real data: words of the command line, and what is not done twice."""

from pathlib import Path

import pytest

from busgen.errors import UserError
from busgen.real.prepare import fingerprint, parse_datasets, prepare


def test_words_of_the_command_line():
    assert parse_datasets(["busi=a=b"]) == {"busi": Path("a=b")}
    for words in (["busi"], ["mammograms=x"], ["busi=x", "busi=y"], ["=x"]):
        with pytest.raises(UserError, match="NAME=PATH"):
            parse_datasets(words)


def test_unchanged_input_is_prepared_once(breast, tmp_path):
    folder, out, read = breast(), tmp_path / "out", []
    first = prepare({"breast": folder}, out, read.append)
    assert (sum(read), first["all"]["read"]) == (3, 3)
    assert prepare({"breast": folder}, out, read.append) == first
    assert sum(read) == 3
    before = fingerprint(folder)
    next(folder.rglob("case002.png")).unlink()
    assert fingerprint(folder) != before
    second = prepare({"breast": folder}, out, read.append)
    assert (sum(read), second["all"]["read"]) == (5, 2)
