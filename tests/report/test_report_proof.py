"""Proof in the report: rows and curves say what was caught."""

import pytest

from busgen.quality.proof import COPIED, COPY, CURVES, MISLABELLED, PLANTED, SWAPPED
from busgen.report import words
from busgen.report.proof import make_proof


def caught(fault, strength, rejected, flagged=0, n=40):
    """Return the record of one fault."""
    return {"fault": fault, "strength": strength, "n": n, "rejected": rejected,
            "flagged": flagged, "gates": {"grey_sd": rejected, "overlay": 0},
            "interval": [max(0, rejected / n - 0.1), min(1, rejected / n + 0.1)]}  # fmt: skip


def reference():
    """Return facts of a reference with some faults."""
    found = [caught("blank", s, r) for s, r in ((1.0, 40), (0.5, 20), (0.75, 30))]
    found += [caught("swapped_mask", 1.0, 30, 8)]
    found += [caught("shift_px", s, r) for s, r in ((4.0, 2), (8.0, 4), (16.0, 30))]
    labels = {"auc": 0.9, "n": 40, "curve": [[0.05, 0.6], [0.2, 0.9]]}
    return {"proof": {"clean": caught("none", 0.0, 2), "faults": found, "labels": labels}}


def test_rows_are_of_the_strength_that_is_asked_for():
    told = make_proof(reference())
    assert [row.name for row in told.rows] == ["Nothing", "Blank picture", "Swapped mask"]
    assert [(row.rejected, row.flagged, row.n) for row in told.rows] == [
        (2, 0, 40), (40, 0, 40), (30, 8, 40)]  # fmt: skip
    assert told.rows[1].checks == "Blank picture: 40"


def test_curves_rise_from_left_to_right_and_say_their_points():
    told = make_proof(reference())
    assert [chart.title for chart in told.charts] == [
        "Blank picture", "Shifted mask",
        "Wrong label: the classifier alone, AUC 0.900"]  # fmt: skip
    assert "0.5: 50 %; 0.75: 75 %; 1: 100 %" in told.charts[0].alt
    assert told.charts[1].x_label == "px"


def test_without_evidence_nothing_is_shown():
    assert make_proof({}) is None


@pytest.mark.parametrize(
    "name", ["none", *PLANTED, *CURVES, *(COPY + n for n in COPIED), SWAPPED, MISLABELLED]
)
def test_every_fault_has_words(name):
    assert name in words.FAULTS
