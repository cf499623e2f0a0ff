"""Scanners by what they are: a prior's generic ones shared among those that an engine has."""

import copy

import numpy as np
import pytest
from prior_density import log_prob

from busgen.errors import DataError, FindingError
from busgen.images.diffusion.scanners import LIKE, STYLES
from busgen.images.engines import engine_prior
from busgen.priors.draw import draw
from busgen.priors.network import NODES, make_prior
from busgen.priors.plan import marginals
from busgen.priors.request import Request, _setting, parse_request
from busgen.priors.scanners import with_scanners
from busgen.schema import DEVICES, SCANNERS, scanner_of

SHARES = {  # of the published prior: .2, .4, .3 and .1 of the generic ones
    "GE Logiq 5": 0.2 + 0.1 * 0.5,
    "GE Logiq 7": 0.4 * 0.5,
    "Toshiba Aplio 300": 0.4 * 0.15,
    "U-Systems": 0,
    "BrEaST": 0.3 * 0.7 + 0.1 * 0.5,
    "BUSI": 0.4 * 0.35 + 0.3 * 0.3,
}


@pytest.fixture(scope="module")
def devices(prior):
    return engine_prior("diffusion", prior)


def test_each_engine_has_its_own(prior, devices):
    assert engine_prior("phantom", prior) is prior
    assert set(prior.terms("scanner")) == set(SCANNERS)
    assert devices.terms("scanner") == DEVICES == STYLES
    assert set(LIKE) == set(SCANNERS)


def test_proportions_are_those_of_the_generic_ones(devices):
    got = marginals(devices, [(Request(), 1)])["scanner"]
    assert got == pytest.approx(SHARES, abs=1e-8)
    drawn = [finding.scanner for finding in draw(devices, 4000, 3)]
    for name, share in SHARES.items():
        assert np.mean([scanner == name for scanner in drawn]) == pytest.approx(share, abs=0.02)


def test_fields_of_view_are_mixed_and_all_else_stays(prior, devices):
    table = devices.record["discrete"]["field_mm"]["table"]
    old = prior.record["discrete"]["field_mm"]["table"]
    weights = {"linear_7mhz": 0.2 / 0.25, "curved_5mhz": 0.05 / 0.25}
    for field, share in table["GE Logiq 5"].items():
        want = sum(w * old[name].get(field, 0) for name, w in weights.items())
        assert share == pytest.approx(want)
    assert table["GE Logiq 7"] == pytest.approx(old["linear_10mhz"])
    for name in set(NODES) - {"scanner", "field_mm"}:
        assert devices.record["discrete"][name] == prior.record["discrete"][name]
    assert np.isfinite(log_prob(devices, draw(devices, 50, 1))).all()


@pytest.mark.parametrize(
    "written", ["GE Logiq 7", "ge logiq 7", "GE_Logiq-7", "u-systems", "breast"]
)
def test_a_scanner_is_asked_for_by_its_name(devices, written):
    request = parse_request([f"scanner={written}"], None, None)
    (name,) = request.where[0].terms
    assert name in DEVICES
    assert {finding.scanner for finding in draw(devices, 20, 4, request=request)} == {name}


def test_targets_may_name_scanners(devices):
    targets = {"scanner": {"U-Systems": 0.25, "BUSI": 0.5}}
    got = marginals(devices, [(parse_request([], None, targets), 1)])["scanner"]
    assert (got["U-Systems"], got["BUSI"]) == pytest.approx((0.25, 0.5), abs=1e-6)


def test_a_scanner_that_the_engine_does_not_have_is_refused_with_those_it_has(prior, devices):
    with pytest.raises(FindingError, match="the engine's, got GE Logiq 7: linear_7mhz, linear"):
        draw(prior, 1, 0, request=Request((_setting("scanner=GE Logiq 7"),)))
    with pytest.raises(FindingError, match="got curved_5mhz: GE Logiq 5, GE Logiq 7, Toshiba"):
        draw(devices, 1, 0, request=Request((_setting("scanner=curved_5mhz"),)))
    with pytest.raises(FindingError, match=r"one of linear_7mhz.*U-Systems"):
        _setting("scanner=abacus")


def test_a_prior_that_cannot_be_shared_is_refused(prior):
    with pytest.raises(DataError, match="scanners must be known"):
        with_scanners(prior, {"linear_7mhz": {"GE Logiq 5": 1.0}})
    record = copy.deepcopy(prior.record)
    record["discrete"]["scanner"]["table"] = {"abacus": 1.0}
    with pytest.raises(DataError, match="scanner must be known"):
        make_prior(record)


def test_real_scanners_have_the_names_that_findings_have():
    assert scanner_of("GE Logiq 7 @10-14MHz", "bus_bra") == "GE Logiq 7"
    assert scanner_of("GE Logiq 7", "bus_bra") == "GE Logiq 7"
    assert [scanner_of(None, name) for name in ("breast", "busi", "stu")] == [
        "BrEaST",
        "BUSI",
        "stu",
    ]
