"""Numbers behind the page: intervals, shares, funnel, verdicts, outlines, axes."""

import re
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from busgen.factory.plan import resolve
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.params.load import load_params
from busgen.params.release import ReleaseParams
from busgen.report import words
from busgen.report.charts.images import make_image, outline_path
from busgen.report.charts.plots import COLOURS, Axes, Curve, plot
from busgen.report.sections import funnel, marginals, provenance, realism
from busgen.report.sections.gallery import select

PLAIN = ReleaseParams().model_dump(mode="json")


def test_marginals_count_what_the_index_holds(evidence):
    found = {one.field: one for one in marginals.make_section(evidence)}
    assert list(found) == list(words.FIELDS)
    lesions = evidence.accepted_rows[evidence.accepted_rows["pathology"] != "normal"]
    pathology = {share.term: share for share in found["pathology"].shares}
    assert pathology["benign"].requested == pytest.approx(0.45)
    assert sum(share.count for share in pathology.values()) == len(evidence.accepted_rows)
    assert found["shape"].total == len(lesions)
    spiculated = next(s for s in found["margin"].shares if s.term == "spiculated")
    assert spiculated.count == sum("spiculated" in terms for terms in lesions["margin"])
    halo = next(s for s in found["halo"].shares if s.term == "yes")
    assert halo.count == lesions["halo"].sum()


def test_share_within_its_interval():
    assert marginals.Share("oval", 0.5, 0.5, 5, 0.5, 0.4, 0.6).within
    assert not marginals.Share("oval", 0.7, 0.5, 5, 0.5, 0.4, 0.6).within


def test_bend_names_the_share_that_the_gates_moved_most():
    still = marginals.Share("oval", 0.5, 0.50, 50, 0.50, 0.4, 0.6)
    moved = marginals.Share("none", 0.7, 0.70, 50, 0.50, 0.4, 0.6)
    found = (marginals.Marginal("shape", 100, (still,)), marginals.Marginal("halo", 100, (moved,)))
    summary = marginals.summarise(found)
    assert (summary.shares, summary.outside) == (2, 1)
    assert summary.shift == pytest.approx(-0.2)
    assert summary.shifted == "Echogenic halo: none"


def test_funnel_adds_up(evidence):
    requested, attempts, passed, accepted, unfilled = (
        count for *_, count in funnel.make_section(evidence)
    )
    assert requested == evidence.plan.request.n == accepted + unfilled
    assert attempts == len(evidence.attempts)
    assert passed == accepted
    gates = funnel.make_gates(evidence)
    assert attempts - accepted == sum(gate.rejected for gate in gates) > 0
    assert sum(count for _, count in funnel.count(evidence)) == accepted
    rates = funnel.make_rows(evidence)
    assert sum(rate.attempts for rate in rates) == attempts
    assert sum(rate.unfilled for rate in rates) == unfilled


def test_flags_are_counted_and_gates_that_are_off_say_so(evidence):
    gates = {gate.name: gate for gate in funnel.make_gates(evidence)}
    below = (evidence.attempts["sharpness"] < 0.4).sum()
    assert gates["sharpness"].flagged == below > 0
    assert gates["sharpness"].rejected == 0
    assert gates["saturated"].action == "off"


def test_bounds_in_words():
    assert funnel.format_interval("contrast", Gate(min=20.0)) == "at least 20 grey levels"
    assert funnel.format_interval("saturated", Gate(max=0.03)) == "at most 3 %"
    assert (
        funnel.format_interval("grey_sd", Gate(min=1, max=2))
        == "at least 1 and at most 2 grey levels"
    )
    assert funnel.format_interval("grey_sd", Gate()) == "none"


@pytest.mark.parametrize(
    ("value", "low", "verdict"),
    [
        (0.14, 0.08, realism.CLOSE),
        (0.20, 0.15, realism.DIFFERS),  # interval above the floor
        (0.25, 0.10, realism.DIFFERS),  # interval reaches it, but few real pairs are so far apart
        (0.45, 0.30, realism.STRONG),
    ],
)
def test_verdicts(value, low, verdict):
    record = {"value": value, "interval": [low, value + 0.1], "floor": 0.14}
    assert realism._score("ks_grey_mean.benign", record)["verdict"] == verdict


def test_floor_factor_is_that_of_the_limiting_distribution():
    from scipy.stats import kstwobign

    assert kstwobign.ppf(0.95) / kstwobign.mean() == pytest.approx(realism.KEPT_BY_95, abs=5e-4)


def test_groups_stand_worst_first_with_quantiles_of_both_sides(evidence):
    groups = realism.make_section(evidence)
    worst = [group.statistics[0].worst for group in groups]
    assert worst == sorted(worst, reverse=True)
    for group in groups:
        distances = [one.worst for one in group.statistics]
        assert distances == sorted(distances, reverse=True)
        for one in group.statistics:
            for strip in one.strips:
                for values in (strip.synthetic, strip.real):
                    assert (np.diff(values) >= 0).all()
                    assert one.low < values[0]
                    assert values[-1] < one.high
    shown = sum(realism.count(groups).values())
    assert shown == len(evidence.scores["scores"]) > 0


def test_outline_runs_around_the_mask():
    mask = np.zeros((100, 100), np.uint8)
    mask[20:41, 30:61] = 255
    corners = outline_path(mask)[1:-1].split("L")
    assert sorted(corners) == ["305 205", "305 405", "605 205", "605 405"]
    assert outline_path(np.zeros((8, 8), np.uint8)) == ""


def test_image_is_lossless_and_its_scale_bar_has_the_right_length():
    import base64

    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    png = cv2.imencode(".png", image)[1].tobytes()
    picture = make_image(png, png, 0.5, "alt", ())
    assert picture.bar_mm == 5  # the image is 32 mm wide
    assert picture.bar_percent == pytest.approx(15.625)
    webp = np.frombuffer(base64.b64decode(picture.uri.split(",")[1]), np.uint8)
    back = cv2.imdecode(webp, cv2.IMREAD_GRAYSCALE)
    assert (back == image).all()


def test_spread_takes_equal_steps(evidence):
    rows = evidence.accepted_rows
    chosen = [row["sample_id"] for row in select(rows, 3)]
    places = [rows["sample_id"].tolist().index(name) / len(rows) for name in chosen]
    assert places == pytest.approx([1 / 6, 1 / 2, 5 / 6], abs=0.05)
    assert len(select(rows.head(2), 5)) == 2


def test_a_chart_has_words_the_pages_colours_and_the_same_bytes():
    x = np.array([0.0, 1.0, 2.0])
    curves = [Curve("benign", "solid", x, x, high=x + 1), Curve("malignant", "dashed", x, 2 * x)]
    one, again = (plot("T", 'alt "<é"', Axes("x < 1", "y", y=(0, 5)), curves) for _ in range(2))
    assert one.svg == again.svg
    root = ElementTree.fromstring(one.svg)
    assert root.get("aria-label") == 'alt "<é"'
    assert root.get("role") == "img"
    assert "x < 1" in "".join(root.itertext())
    assert {"var(--benign)", "var(--malignant)"} <= set(re.findall(r"var\(--\w+\)", one.svg))
    assert not {colour for colour in COLOURS.values() if colour in one.svg}


def test_command_of_a_plain_plan_needs_no_file():
    params = GenerateParams(
        n=3, where=("pathology=malignant",), targets={"margin": {"spiculated": 0.3}}
    )
    plan = resolve(params)
    assert provenance.to_command(plan, PLAIN) == (
        "busgen generate --n 3 --seed 7 --size 256 --set pathology=malignant "
        "--target margin.spiculated=0.3 --engine diffusion --mask-engine semantic_curvature "
        "--out DIR"
    )
    again = resolve(GenerateParams.model_validate(provenance._to_params(plan)))
    assert again.sha256 == plan.sha256


def test_command_of_a_plan_with_other_gates_names_the_file(evidence):
    assert "--params params.yaml" in provenance.to_command(evidence.plan, PLAIN)
    again = resolve(GenerateParams.model_validate(provenance._to_params(evidence.plan)))
    assert again.sha256 == evidence.plan.sha256


def test_title_and_splits_are_made_again_too(tmp_path):
    release = ReleaseParams(title="Brüste", splits={"train": 0.8, "test": 0.2})
    plan, stated = resolve(GenerateParams(n=3)), release.model_dump(mode="json")
    assert "--params params.yaml" in provenance.to_command(plan, stated)
    path = tmp_path / "params.yaml"
    path.write_text(provenance.to_yaml(plan, stated), encoding="utf-8")
    again = load_params(path)
    assert again.release == release
    assert resolve(again.generate).sha256 == plan.sha256


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-3.094, "−3.09"), (1234.5, "1 234"), (0.0384, "0.0384"), (None, "–")],
)
def test_numbers_as_words(value, text):
    assert words.format_number(value) == text


def test_every_statistic_and_gate_has_words():
    from busgen.imaging.statistics import GROUPS
    from busgen.params.gates import DEFAULT_GATES

    assert set(words.GATES) == set(DEFAULT_GATES)
    for names in GROUPS.values():
        for name in names:
            assert words.name_statistic(name)[1] != "measured on image and mask", name
