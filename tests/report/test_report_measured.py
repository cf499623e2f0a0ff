"""What was measured beside real data and earlier releases: on the page, and beside the last one."""

from dataclasses import replace

import pytest

from busgen import io
from busgen.cli.versions import _quality
from busgen.downstream.results.headline import compare as changes_compare
from busgen.evaluation.release_statistics import find_previous
from busgen.release.contract.expectations import validate
from busgen.report.page import render
from busgen.report.report import _gather_content
from busgen.report.sections.previous import BETTER, SAME, WORSE, _measure
from busgen.report.sections.scores import make_section
from busgen.report.words import SCORES as KINDS, parse_score


def score(value, limit, bad="high", **other):
    result = {"floor": limit / 2, "floor_limit": limit, "bad": bad, "version": "abc", "n": 40}
    return result | {"value": value, "interval": [value - 0.01, value + 0.01]} | other


SCORES = {
    "copies": score(0.02, 0.05),
    "coverage_us64": score(0.5, 0.9, "low"),
    "fid": score(70.0, 30.0),
    "fid_<b>": score(70.0, 30.0),
    "kid_radiomic": score(0.01, 0.02),
    "kid_us64": score(0.5, 0.1),
    "privacy_ratio_masks": score(0.99, 0.98, "low"),
    "privacy_same_patient_us64": score(0.0, 0.01),
}
REAL = {"scores": SCORES, "skipped": {"vendi_us64": "too few"}, "notes": ["small & few"]}


@pytest.fixture(scope="module")
def page(chain, evidence):
    again = find_previous(chain.sources.release, (chain.sources.release,), 10)
    scores = evidence.scores | {"beside_real": REAL, "repeats": again}
    contract = validate(chain.sources.release / "index.parquet", evidence.provenance["plan"])
    return render("page.html", _gather_content(replace(evidence, scores=scores), contract, 1))


def test_scores_stand_by_kind_and_space_with_what_real_images_show():
    found = make_section({"beside_real": REAL})
    order = [title for title, *_ in found.kinds]
    assert order == [KINDS[parse_score(name)[0]][0] for name in (
        "kid_us64", "fid", "coverage_us64", "copies", "privacy_ratio_masks",
        "privacy_same_patient_us64")]  # fmt: skip
    assert [one["space"] for one in found.kinds[0][2]] == ["learned features", "measurements"]
    assert [one["beyond"] for one in found.scores] == [True, False, True, True, False, False, False]
    assert len(found.scores) == len(SCORES) - 1  # FID once
    assert found.remarks == ("vendi_us64: too few", "small & few")


def test_the_page_shows_them_and_nothing_where_nothing_was_measured(page, chain):
    for words in ("Distances, copies and privacy", "3 of 7 scores", "small &amp; few"):
        assert words in page
        assert words not in chain.html
    assert "fid_<b>" not in page
    assert "Beside earlier releases" in page
    assert "Beside earlier releases" not in chain.html


def test_repeats_name_no_folder_and_count_each_earlier_release(page, chain, evidence):
    folder = chain.sources.release
    found = find_previous(folder, (folder, folder), 10)
    assert len(found["earlier"]) == 2
    first = found["earlier"][0]
    assert first["identical"] == first["n"] == len(evidence.accepted_rows)
    assert found["score"]["value"] == 1
    assert str(folder) not in page
    assert "<strong>100 %</strong>" in page
    assert make_section({}) is None


@pytest.mark.parametrize(
    ("name", "other", "verdict"),
    [
        ("kid_us64", {"value": 0.1, "interval": [0.09, 0.11]}, BETTER),
        ("coverage_us64", {"value": 0.1, "interval": [0.09, 0.11]}, WORSE),
        ("copies", {"interval": [0.0, 0.1]}, SAME),
        ("copies", {"version": "another", "value": 1.0}, None),
    ],
)
def test_versions_are_compared_by_the_side_that_is_bad_in_one_space(name, other, verdict):
    old = {"beside_real": {"scores": {name: SCORES[name]}}}
    new = {"beside_real": {"scores": {name: SCORES[name] | other}}}
    assert [one.verdict for one in _measure(old, new)] == ([verdict] if verdict else [])
    result = [{"quality": one["beside_real"]["scores"], "downstream": {}} for one in (old, new)]
    kinds = {SAME: "no difference"}
    expected = [kinds.get(verdict, verdict)] if verdict else []
    assert [one["verdict"] for one in changes_compare(*result)] == expected
    assert list(_measure({}, new)) == []


def test_busgen_diff_knows_them_too(chain, tmp_path):
    scores = io.read_json(chain.sources.quality / "scores.json") | {"beside_real": REAL}
    io.write_text(tmp_path / "scores.json", io.dumps(scores))
    assert _quality(tmp_path / "scores.json").items() >= SCORES.items()
