"""Splits by patient."""

from collections import Counter

import pytest

from busgen.errors import UserError
from busgen.real.cohort import assign_split


def test_shares_are_kept():
    counts = Counter(assign_split(f"patient-{k}") for k in range(20_000))
    assert counts["train"] == pytest.approx(14_000, rel=0.03)
    assert counts["validation"] == pytest.approx(3_000, rel=0.06)
    assert counts["test"] == pytest.approx(3_000, rel=0.06)


def test_a_patient_stays_where_it_was():
    # fixed for ever: another hash would move patients between published versions
    known = [assign_split(f"breast-case{k:03d}") for k in range(1, 9)]
    assert known == [
        "train",
        "train",
        "train",
        "validation",
        "train",
        "train",
        "train",
        "validation",
    ]


def test_more_training_data_takes_from_validation_only_at_the_bound():
    wide = {"train": 0.8, "validation": 0.05, "test": 0.15}
    for k in range(2_000):
        before, after = assign_split(f"p{k}"), assign_split(f"p{k}", wide)
        assert before == after or (before, after) == ("validation", "train")


def test_all_images_of_a_patient_are_on_one_side(published):
    sides: dict[str, set[str]] = {}
    for patient in published.table["patient_id"].to_pylist():
        sides.setdefault(patient, set()).add(assign_split(patient))
    assert all(len(side) == 1 for side in sides.values())
    assert Counter(side.pop() for side in sides.values()).keys() == {"train", "validation", "test"}


@pytest.mark.parametrize("shares", [{"train": 0.5}, {"train": 1.5, "test": -0.5}])
def test_shares_must_add_up(shares):
    with pytest.raises(UserError, match="add up to 1"):
        assign_split("p", shares)
