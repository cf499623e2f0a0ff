"""Requests: exact conditioning, target marginals that keep the joint, refusals with reasons."""

import numpy as np
import pytest

from busgen.errors import FindingError
from busgen.priors import joint
from busgen.priors.draw import draw
from busgen.priors.network import MARGIN_SETS, NODES
from busgen.priors.plan import make_plan, marginals, tables
from busgen.priors.request import Request, parse_request


@pytest.fixture(scope="module")
def lesion_joint(prior):
    """P(pathology, shape, margin, echo, posterior, halo), multiplied out without elimination."""
    axes = ("pathology", "shape", "margin", "echo_pattern", "posterior", "halo")
    return joint.multiply(tables(prior), axes)


def test_conditioning_on_a_descendant_reaches_the_class(prior, lesion_joint):
    spiculated = np.array([*("spiculated" in terms for terms in MARGIN_SETS), False])
    for settings, part in (
        (["margin includes spiculated"], lesion_joint[:, :, spiculated]),
        (["margin excludes spiculated"], lesion_joint[:, :, ~spiculated][:, :, :-1]),
        (["posterior=shadowing|combined", "halo=yes"], lesion_joint[..., [2, 3], 1]),
        (["shape=oval", "echo_pattern=anechoic"], lesion_joint[:, 0, :, 0]),
    ):
        want = part.reshape(3, -1).sum(1)
        got = marginals(prior, [(parse_request(settings, None, None), 1)])["pathology"]
        np.testing.assert_allclose(list(got.values()), want / want.sum(), atol=1e-12)


def test_conditions_on_sizes_match_rejection(prior, findings):
    """Draws that happen to meet the condition have its conditional distribution."""
    for settings, meets in (
        (["size_mm=8..12"], lambda f: 8 <= max(f.width_mm, f.height_mm) <= 12),
        (
            ["height_mm=15..25", "width_mm=10..22"],
            lambda f: 15 <= f.height_mm <= 25 and 10 <= f.width_mm <= 22,
        ),
        (
            ["center_x=0.2..0.42", "size_mm=15..60"],
            lambda f: 0.2 <= f.center_x <= 0.42 and max(f.width_mm, f.height_mm) >= 15,
        ),
    ):
        kept = [f for f in findings if f.has_lesion and meets(f)]
        drawn = draw(prior, 3000, 8, request=parse_request(settings, None, None))
        assert all(meets(f) for f in drawn)
        for value in (
            lambda f: f.pathology == "malignant",
            lambda f: f.orientation == "not_parallel",
            lambda f: np.log(f.width_mm * f.height_mm),
            lambda f: np.log(f.width_mm / f.height_mm),
            lambda f: f.center_x,
            lambda f: f.center_y,
            lambda f: f.pixel_mm,
        ):
            a, b = (np.array([value(f) for f in fs], float) for fs in (kept, drawn))
            error = np.sqrt(a.var() / len(a) + b.var() / len(b))
            assert abs(a.mean() - b.mean()) < 4 * error


def test_exact_sizes_are_met_to_the_last_digit(prior):
    drawn = draw(prior, 300, 1, request=parse_request(["size_mm=14"], None, None))
    assert {max(f.width_mm, f.height_mm) for f in drawn} == {14.0}
    drawn = draw(prior, 300, 1, request=parse_request([], "14 x 9 mm", None))
    assert {(f.width_mm, f.height_mm) for f in drawn} == {(14.0, 9.0)}
    assert {f.orientation for f in drawn} == {"parallel"}


def test_several_targets_hold_at_once_and_keep_the_conditionals(prior):
    targets = {
        "pathology": {"benign": 0.5, "malignant": 0.5},
        "margin": {"spiculated": 0.3, "angular": 0.25},
        "scanner": {"curved_5mhz": 0.4},
        "halo": {"yes": 0.5},
    }
    request = parse_request([], None, targets)
    got = marginals(prior, [(request, 1)])
    assert got["pathology"] == pytest.approx({"benign": 0.5, "malignant": 0.5, "normal": 0})
    assert got["margin"]["spiculated"] == pytest.approx(0.3, abs=1e-8)
    assert got["margin"]["angular"] == pytest.approx(0.25, abs=1e-8)
    assert got["halo"]["yes"] == pytest.approx(0.5, abs=1e-8)
    assert got["scanner"]["curved_5mhz"] == pytest.approx(0.4, abs=1e-8)
    ratio = got["scanner"]["linear_10mhz"] / got["scanner"]["linear_7mhz"]
    assert ratio == pytest.approx(2)  # the rest keeps its proportions
    axes = ("appearance", "edge", "echo_pattern", "calcification")
    before = joint.multiply(tables(prior), axes)
    after = joint.multiply(make_plan(prior, request).factors, axes)
    kept = [t[:2, :5, :6, :4] / t[:2, :5, :6, :4].sum(-1, keepdims=True) for t in (before, after)]
    np.testing.assert_allclose(kept[0], kept[1])  # calcification given what it depends on


def test_drawn_shares_follow_the_targets(prior):
    request = parse_request([], None, {"pathology": {"normal": 0.2, "malignant": 0.5}})
    drawn = draw(prior, 4000, 2, request=request)
    shares = [np.mean([f.pathology == p for f in drawn]) for p in ("benign", "malignant", "normal")]
    np.testing.assert_allclose(shares, [0.3, 0.5, 0.2], atol=4 * np.sqrt(0.25 / 4000))
    got = marginals(prior, [(request, 1)])
    for field in ("shape", "birads", "echo_pattern"):
        values = [getattr(f, field) for f in drawn if getattr(f, field) is not None]
        for term, share in got[field].items():
            assert np.mean([v == term for v in values]) == pytest.approx(share, abs=0.035)


def test_size_matched_classes_have_one_area_distribution(prior):
    from scipy.stats import ks_2samp

    drawn = draw(prior, 6000, 2, request=parse_request([], None, {"size_matched": True}))
    area = {
        p: [f.width_mm * f.height_mm / f.pixel_mm**2 for f in drawn if f.pathology == p]
        for p in ("benign", "malignant")
    }
    assert ks_2samp(area["benign"], area["malignant"]).pvalue > 0.01
    assert make_plan(prior, Request(size_matched=True)).factors


def test_normal_is_reachable_and_has_no_lesion(prior):
    drawn = draw(prior, 50, 2, request=parse_request([], "normal breast tissue", None))
    assert {f.pathology for f in drawn} == {"normal"}
    assert {(f.shape, f.margin, f.width_mm, f.birads) for f in drawn} == {(None, None, None, "1")}
    assert marginals(prior, [(parse_request(["pathology=normal"], None, None), 1)])["shape"] == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["pathology=normal", "shape=oval"], "pathology=normal and shape=oval: normal has no"),
        (
            ["margin includes circumscribed", "margin includes spiculated"],
            "circumscribed stands al",
        ),
        (["margin=circumscribed+spiculated"], "circumscribed must stand alone"),
        (["echo_pattern=anechoic", "posterior=shadowing"], "fluid attenuates less"),
        (["orientation=not_parallel", "width_mm=14", "height_mm=9"], "means height_mm > width_mm"),
        (
            ["orientation=not_parallel", "width_mm=10", "height_mm=10"],
            "got orientation=not_parallel and width_mm=10 and height_mm=10: not_parallel means",
        ),
        (["orientation=not_parallel", "width_mm=10", "size_mm=10"], "means height_mm > width_mm"),
        (["size_mm=90"], "size_mm=90: the lesion must fit its field of view"),
        (["scanner=linear_12mhz_compound", "size_mm=55"], "must fit its field of view"),
        (["shape=oval", "shape=round"], "shape=oval and shape=round: give one of them"),
        (["pathology=malignant", "echo_pattern=anechoic"], "filled with fluid is no carcinoma"),
        (["center_x=0.01"], "must fit"),
        (["shape=square"], "shape must be one of the lexicon's terms, got 'square'"),
        (["color=red"], "a setting's field must be known, got color"),
        (["shape"], "a setting must be field=value"),
        (["shape includes oval"], "includes is for margin"),
        (["size_mm=big"], "size_mm must be a number or low..high, got big"),
        (["size_mm=20..8"], "low..high"),
        (["field_mm=33"], "field_mm must be one of the prior's, got 33"),
    ],
)
def test_impossible_requests_are_refused_with_the_reason(prior, settings, message):
    with pytest.raises(FindingError, match=message):
        make_plan(prior, parse_request(settings, None, None))


@pytest.mark.parametrize(
    ("targets", "settings", "message"),
    [
        ({"pathology": {"benign": 0.5, "malignant": 0.6}}, [], "must sum to 1"),
        ({"pathology": {"begnin": 0.5}}, [], "one of the lexicon's terms"),
        ({"color": {"red": 1}}, [], "a target's field must be known"),
        ({"halo": {"yes": 1.5}}, [], r"must be in \[0, 1\]"),
        ({"halo": 0.5}, [], "must be term -> share"),
        ({"size_matched": "yes"}, [], "must be true or false"),
        ({"margin": {"circumscribed": 0.6, "spiculated": 0.6}}, [], "hold together"),
        ({"size_matched": True}, ["size_mm=8..20"], "got size_mm=8..20: within them the classes'"),
        ({"size_matched": True}, ["center_y=0.3..0.4"], "must stand without limits"),
        ({"echo_pattern": {"anechoic": 0.5}}, ["pathology=malignant"], "hold together"),
    ],
)
def test_impossible_targets_are_refused(prior, targets, settings, message):
    with pytest.raises(FindingError, match=message):
        make_plan(prior, parse_request(settings, None, targets))


def test_exact_margins_and_sets(prior):
    request = parse_request(["margin=spiculated+indistinct", "shape=oval|irregular"], None, None)
    drawn = draw(prior, 200, 2, request=request)
    assert {f.margin for f in drawn} == {("indistinct", "spiculated")}
    assert {f.shape for f in drawn} <= {"oval", "irregular"}
    assert len(NODES) == 14
