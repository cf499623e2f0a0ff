"""The verdict follows the numbers: what is not shown is not claimed."""

from dataclasses import replace

import pytest

from busgen.params import Limit
from busgen.quality.limits import judge
from busgen.release.contract import validate_index
from busgen.report.answers import NO, PARTLY, UNKNOWN, YES, Answer, make_answers
from busgen.report.verdict import USES, make_verdict


@pytest.fixture(scope="module")
def contract(chain, evidence):
    return validate_index(chain.sources.release / "index.parquet", evidence.provenance["plan"])


@pytest.fixture(scope="module")
def answers(evidence, contract):
    return {one.name: one for one in make_answers(evidence, contract)}


def test_answers_count_what_the_index_holds(answers, evidence, contract):
    assert answers["contract"].answer == YES
    assert answers["contract"].n == f"{len(contract.checks)} checks"
    left = len(evidence.unfilled) / evidence.plan.n
    assert answers["filled"].answer == (YES if left <= 0.01 else PARTLY if left <= 0.05 else NO)
    assert answers["filled"].n == str(evidence.plan.n)


def test_what_nobody_measured_is_not_known(answers):
    for name in ("outline", "label", "copies", "utility"):  # no judges, no known pictures
        assert answers[name].answer == UNKNOWN


def test_a_broken_contract_is_named(evidence, contract):
    bad = replace(contract.checks[0], success=False, column="halo", expectation="not null")
    report = replace(contract, checks=(bad, *contract.checks[1:]))
    found = make_answers(evidence, report)[0]
    assert found.answer == NO
    assert "halo must be not null" in found.why
    assert make_verdict([found, *make_answers(evidence, contract)[1:]]).fit == ()


def answered(**others):
    names = dict.fromkeys(name for _, needs in USES for name in needs)
    return [Answer(name, name, others.get(name, YES), f"because {name}") for name in names]


def test_a_use_is_fit_where_all_that_it_needs_holds():
    verdict = make_verdict(answered())
    assert [use.name for use in verdict.fit] == [name for name, _ in USES]
    assert len(verdict.unfit) == 2  # what no synthetic set is fit for


def test_a_use_is_unfit_for_the_answers_against_it():
    verdict = make_verdict(answered(texture=NO, utility=UNKNOWN))
    reasons = {use.name: use.reason for use in verdict.unfit}
    assert reasons["Training a model, alone or added to real images"] == "because utility"
    assert list(reasons.values()).count("because texture") == 1
    assert "1 with no, 1 are open" in verdict.sentence


def test_a_limit_that_is_exceeded_speaks_against_the_uses_that_it_concerns(evidence, contract):
    score = {"value": 0.2, "n": 40, "interval": [0.1, 0.3], "floor": 0.01, "floor_limit": 0.05}
    asked = {"copies": Limit(max=1, of="floor_limit"), "kid_us64": Limit(max=1)}
    scores = evidence.scores | {"limits": judge(asked, {"copies": score}, {})}
    *_, found, left = make_answers(replace(evidence, scores=scores), contract)
    assert (found.answer, found.interval, found.floor) == (NO, "0.1 to 0.3", "0.01")
    assert left.answer == UNKNOWN
    assert "kid_us64" in left.why
    unfit = [use.name for use in make_verdict([*answered(), found, left]).unfit]
    assert unfit[0] == "Sharing in place of patients’ pictures"
    assert len(unfit) == 3  # and what no synthetic set is fit for
