"""Coordinates of held-out patients: written and read, and what a release is scored against."""

from dataclasses import replace

import numpy as np
import pytest

from busgen import extras
from busgen.errors import DataError
from busgen.evaluation import held_out_features
from busgen.evaluation.held_out_features import FILE, load_held_out, save_held_out
from busgen.evaluation.reference import REFERENCE
from busgen.metrics.distribution import squared_mmd
from busgen.metrics.spaces import lite1
from busgen.stats.bootstrap import Sample


@pytest.fixture(scope="module")
def shipped():
    """Return the coordinates that ship."""
    return load_held_out(REFERENCE / FILE)


def test_what_ships_is_of_today_s_spaces(shipped):
    spaces, skipped = held_out_features._usable(shipped)
    assert [space.name for space in spaces] == ["us64", "lite1"]
    assert not skipped


def test_halves_of_the_patients_are_alike(shipped):
    own = np.isin(shipped.patients, np.unique(shipped.patients)[::2])
    for points in shipped.points.values():
        halves = [Sample(points[rows], shipped.patients[rows]) for rows in (own, ~own)]
        moved = Sample(halves[0].points + 0.5, halves[0].groups)
        assert abs(squared_mmd(*halves)) < 0.2 * squared_mmd(moved, halves[1])


def test_written_and_read_they_are_the_same_to_16_bits(shipped, tmp_path):
    save_held_out(shipped, tmp_path / "é.safetensors")
    again = load_held_out(tmp_path / "é.safetensors")
    assert again.patients.tolist() == shipped.patients.tolist()
    for name, points in shipped.points.items():
        np.testing.assert_array_equal(again.points[name], points)
        np.testing.assert_array_equal(again.probes[name], shipped.probes[name])


def test_a_space_of_another_version_or_without_its_network_is_left_out(shipped, monkeypatch):
    other = replace(shipped, probes=shipped.probes | {"us64": shipped.probes["us64"] + 1})
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    lite1._network.cache_clear()
    spaces, skipped = held_out_features._usable(other)
    assert not spaces
    assert "another version of us64" in skipped["kid_us64"]
    assert "busgen[features]" in skipped["kid_lite1"]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"no")
    with pytest.raises(DataError, match=FILE):
        load_held_out(tmp_path / FILE)
