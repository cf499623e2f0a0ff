"""What the page says of the data, the prior's checks and the judges: exact, ordered, honest."""

import html
import math
import re

import fault_reports
import pytest
from plans import changed

from busgen.factory.plan import resolve, to_record
from busgen.io import dumps, read_json, write_text
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.report import words
from busgen.report.charts import distributions
from busgen.report.evidence import load_shipped
from busgen.report.sections import judges as sections_judges, prior_fit, real_data
from busgen.report.sections.prior_fit import _dissent, _gain
from busgen.schema import FLAGS


def section(page: str, name: str) -> str:
    return re.search(rf'<section id="{name}">.*?</section>', page, re.S)[0]


def test_datasets_with_their_counts():
    found = real_data.make_section({"cleaning": fault_reports.cleaning(), "sources": []})
    busi = found.datasets[2]
    counts = {"published": 85, "read": 80, "left_out": 5, "redundant": 12, "conflicts": 6}
    stated = {"name": "busi", "patients": 60, "licence": "not stated", "may_ship": False}
    assert busi.items() >= (counts | stated).items()
    assert (found.read, found.across, found.most) == (280, 2, 120)


def test_reasons_stand_before_flags_the_most_frequent_first():
    found = dict(real_data.make_section({"cleaning": fault_reports.cleaning()}).rows)
    assert list(found) == [real_data.LEFT_OUT, real_data.UNUSED, real_data.FLAGGED]
    lost = [(name, counts) for name, _, counts in found[real_data.LEFT_OUT]]
    assert lost == [
        ("A mask must have its image's size <b>", (0, 0, 3)),
        ("An image must be readable", (0, 1, 2)),
    ]
    assert [name for name, *_ in found[real_data.UNUSED]] == ["Near-duplicate", "Label conflict"]
    marks = {name: counts for name, _, counts in found[real_data.FLAGGED]}
    assert marks["Burned-in marks"] == (20, 30, 70)


def test_splits_by_class():
    lots = dict(real_data.make_section({"cleaning": fault_reports.cleaning()}).groups)
    assert list(lots["breast"]) == [
        ("benign", (20, 3, 2)),
        ("malignant", (12, 1, 0)),
        ("normal", (0, 0, 1)),
        ("unknown", (0, 1, 0)),
    ]


def test_what_is_silent_tells_nothing():
    assert real_data.make_section({"cleaning": {}}) is None
    assert prior_fit.make_section(None) is None
    assert prior_fit.make_section({"prior": {"name": "x", "sha256": "y"}, "held_out": {}}) is None
    assert sections_judges.make_section(None, resolve(GenerateParams(n=1))) is None


def test_every_flag_has_words():
    assert set(words.FLAGS) == set(FLAGS)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.3, "better"), (-0.1, 0.3, "no difference shown"), (-0.3, -0.1, "worse")],
)
def test_a_gain_is_one_where_its_interval_leaves_0_out(low, high, verdict):
    gain = _gain("apart", {"value": (low + high) / 2, "interval": [low, high]})
    assert gain["verdict"] == verdict
    assert gain["factor"] == pytest.approx(math.exp((low + high) / 2))


def test_a_source_disagrees_beyond_its_floor_and_the_base_has_none():
    pairs = ((0.2, 0.15), (0.1, 0.15), (0.9, None))
    named = {"source": "busi", "node": "x"}
    _, rows = _dissent([
        named | {"pathology": str(k), "distance": distance, "floor": floor}
        for k, (distance, floor) in enumerate(pairs)
    ])  # fmt: skip
    assert [one["beyond"] for *_, (one,) in rows] == [True, False, False]


def test_checks_become_shares_sizes_pairs_and_rows():
    found = prior_fit.make_section(fault_reports.checks())
    assert [name for name, *_ in found.fields] == ["shape", "birads"]
    assert found.fields[0][1] == (40, 40)
    outside = {(one["term"], one["pathology"]) for one in found.shares if not one["within"]}
    assert outside == {("irregular", "benign"), ("irregular", "malignant")}
    area = found.sizes[0]
    assert (area.statistic, area.within) == ("box_area_fraction", True)
    assert area.real[10] == pytest.approx(math.exp(-2))
    assert found.sources == ("published", "breast", "busi")
    assert [(name, p, [one and one["distance"] for one in row]) for name, p, row in found.rows] == [
        ("shape", "benign", [0.3, 0.2, None]),
        ("log_area", "benign", [None, None, 0.1]),
    ]
    assert (found.beyond, found.count) == (1, 2)
    low, high = found.ends
    assert low < -0.09
    assert high > 0.5


def test_curves_of_sizes_span_what_is_drawn_and_real():
    area, place = distributions.plot_fit(prior_fit.make_section(fault_reports.checks()).sizes)
    assert area.title == "Lesion size in the image"
    for name in ("benign", "malignant"):  # drawn, and real beside it
        assert len(re.findall(rf"<path[^>]*stroke: var\(--{name}\)", area.svg)) == 2
    assert "benign: median drawn 13.5, real 13.5" in area.alt
    assert words.AXES["center_y"] in html.unescape(place.svg)
    assert distributions.plot_fit(()) == ()


def test_judges_by_dataset_all_then_those_not_trained_on():
    gates = {"mask_agreement": Gate(action="flag", min=0.3)}
    plan = resolve(GenerateParams(n=1, gates=gates))
    found = sections_judges.make_section(fault_reports.judges(), plan)
    assert [(one["dataset"], one["strange"]) for one in found.segmenter] == [
        ("bus_bra", False),
        ("breast", False),
        ("all", False),
        ("stu", True),
    ]
    assert found.segmenter[0]["aside"] == 0.02
    assert [one["value"] for one in found.classifier] == [0.88, 0.87]
    assert found.normals == {"value": 0.25, "n": 8}
    assert (found.calibration["value"], found.calibration["floor_95"]) == (0.031, 0.04)
    checks = {name: (action, bound) for name, action, bound in found.checks}
    assert checks[words.name_gate("mask_agreement")[0]] == ("flag", "at least 30 %")


def test_page_tells_of_data_prior_and_judges(chain):
    data, prior, judges = (section(chain.html, name) for name in ("learned", "fit", "judges"))
    assert "280 ultrasound images of 210 patients, from 3 public datasets" in data
    assert "A mask must have its image&#39;s size &lt;b&gt;" in data
    assert data.count('class="part') > 0
    assert "These checks are of another prior than this release’s" in prior
    assert "Of 6 drawn shares, 2 lie outside" in prior
    assert "1 of 2 distances are larger than chance" in prior
    assert "3.1 percentage points" in judges
    assert "In this release they were not asked" in judges


@pytest.mark.parametrize("shipped", [True, False])
def test_what_ships_stands_beside_a_release_that_was_made_with_it(tmp_path, shipped):
    generated = resolve(GenerateParams(engine="phantom", mask_engine="curvature"))
    plan = (
        generated if shipped else changed(generated, judges_sha256="0" * 64, prior_sha256="0" * 64)
    )
    write_text(tmp_path / "provenance.json", dumps({"plan": to_record(plan)}))
    judges, checks = load_shipped(tmp_path)
    assert (judges is not None, checks is not None) == (shipped, shipped)
    if judges and checks:
        assert sections_judges.make_section(read_json(judges / "scores.json"), plan) is not None
        assert (
            prior_fit.make_section(read_json(checks)).prior_sha256 == plan.resolution.prior_sha256
        )
