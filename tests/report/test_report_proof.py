"""Proof in the report: rows and curves say what was detected."""

import fault_reports
import pytest

from busgen.gates.calibration.fault_injection import (
    COPIED,
    COPY,
    CURVES,
    MISLABELLED,
    PLANTED,
    SWAPPED,
)
from busgen.report import words
from busgen.report.sections.fault_detection import make_section
from busgen.report.words import FAULTS


def test_rows_are_of_the_strength_that_is_asked_for():
    found = make_section({"proof": fault_reports.proof()})
    assert [row["name"] for row in found.rows] == ["Nothing", "Blank image", "Swapped mask"]
    assert [(row["rejected"], row["flagged"], row["n"]) for row in found.rows] == [
        (2, 0, 40), (40, 0, 40), (30, 8, 40)]  # fmt: skip
    assert found.rows[1]["checks"] == "Blank image: 40"


def test_a_row_names_the_checks_that_refuse_most():
    record = fault_reports.proof()
    record["clean"]["gates"] = {
        "overlay": 1, "orientation_check": 2, "sharpness": 3, "saturated": 4, "grey_sd": 5,
        "contrast": 0, "anomaly": 1}  # fmt: skip
    names = [
        words.name_gate(name)[0]
        for name in ("grey_sd", "saturated", "sharpness", "orientation_check")
    ]
    shown = "; ".join(f"{name}: {n}" for name, n in zip(names, (5, 4, 3, 2), strict=True))
    assert make_section({"proof": record}).rows[0]["checks"] == f"{shown}; 2 more"


def test_curves_rise_from_left_to_right_and_say_their_points():
    found = make_section({"proof": fault_reports.proof()})
    assert [chart.title for chart in found.charts] == [
        "Blank image", "Shifted mask",
        "Wrong label: the classifier alone, AUC 0.900"]  # fmt: skip
    assert "0.5: 50 %; 0.75: 75 %; 1: 100 %" in found.charts[0].alt
    assert ">px</text>" in found.charts[1].svg


def test_without_evidence_nothing_is_shown():
    assert make_section({}) is None


@pytest.mark.parametrize(
    "name", ["none", *PLANTED, *CURVES, *(COPY + n for n in COPIED), SWAPPED, MISLABELLED]
)
def test_every_fault_has_words(name):
    assert name in FAULTS


def test_the_page_shows_the_table(chain):
    page = (chain.folder / "index.html").read_text(encoding="utf-8")
    assert "Do the checks work?" in page
    assert "Swapped mask" in page
    assert "the classifier alone, AUC 0.900" in page
