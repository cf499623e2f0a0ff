"""The verdict follows the numbers: what is not shown is not claimed."""

from dataclasses import replace

import pytest
from plans import changed

from busgen.evaluation.limits import check
from busgen.params.gates import Gate
from busgen.params.quality import Limit
from busgen.release.contract.expectations import validate
from busgen.report.answers.limits import (
    NO,
    PARTLY,
    UNKNOWN,
    YES,
    Answer,
    to_words,
    unmeasured_answers,
)
from busgen.report.answers.questions import answer_copies, answer_judges, make_answers
from busgen.report.answers.verdict import make_section
from busgen.report.words import USES
from busgen.similarity.known_images import REAL, RELEASE

SHARING = "Sharing in place of patients’ images"


@pytest.fixture(scope="module")
def contract(chain, evidence):
    return validate(chain.sources.release / "index.parquet", evidence.provenance["plan"])


@pytest.fixture(scope="module")
def answers(evidence, contract):
    return {one.name: one for one in make_answers(evidence, contract)}


def test_answers_count_what_the_index_holds(answers, evidence, contract):
    assert answers["contract"].answer == YES
    assert answers["contract"].n == f"{len(contract.checks)} checks"
    left = len(evidence.unfilled) / evidence.plan.request.n
    assert answers["filled"].answer == (YES if left <= 0.01 else PARTLY if left <= 0.05 else NO)
    assert answers["filled"].n == str(evidence.plan.request.n)


def test_what_nobody_measured_is_not_known(answers):
    for name in ("outline", "label", "copies", "utility"):  # no judges, no known images
        assert answers[name].answer == UNKNOWN


def test_a_broken_contract_is_named(evidence, contract):
    bad = contract.checks[0]._replace(success=False, column="halo", expectation="not null")
    report = replace(contract, checks=(bad, *contract.checks[1:]))
    found = make_answers(evidence, report)[0]
    assert found.answer == NO
    assert "halo must be not null" in found.why
    assert make_section([found, *make_answers(evidence, contract)[1:]]).fit == ()


def answered(**others):
    names = dict.fromkeys(name for needs in USES.values() for name in needs)
    return [Answer(name, name, others.get(name, YES), f"because {name}") for name in names]


def test_a_use_is_fit_where_all_that_it_needs_holds():
    verdict = make_section(answered())
    assert [use for use, _ in verdict.fit] == list(USES)
    assert len(verdict.unfit) == 2  # what no synthetic set is fit for


def test_a_use_is_unfit_for_the_answers_against_it():
    verdict = make_section(answered(texture=NO, utility=UNKNOWN))
    reasons = dict(verdict.unfit)
    assert reasons["Training a model, alone or added to real images"] == "because utility"
    assert list(reasons.values()).count("because texture") == 1
    assert verdict.sentence == "This set is fit for 5 of 7 uses."
    assert verdict.tally.endswith("1 no, 1 open")


def test_a_limit_that_is_exceeded_speaks_against_the_uses_that_it_concerns(evidence, contract):
    score = {"value": 0.2, "n": 40, "interval": [0.1, 0.3], "floor": 0.01, "floor_limit": 0.05}
    request = {"copies": Limit(max=1, of="floor_limit"), "kid_us64": Limit(max=1)}
    scores = evidence.scores | {"limits": check(request, {"copies": score}, {})}
    *_, found, left = make_answers(replace(evidence, scores=scores), contract)
    assert (found.answer, found.interval, found.floor) == (NO, "0.1 to 0.3", "0.01")
    assert left.answer == UNKNOWN
    assert "Kernel distance, learned features: " in left.why
    unfit = [use for use, _ in make_section([*answered(), found, left]).unfit]
    assert unfit[0] == SHARING
    assert len(unfit) == 3  # and what no synthetic set is fit for
    assert found.question == "Limit: Copies"
    assert found.why == (
        "Copies 0.2, beyond its limit: at most 0.05, the limit of real images against real ones"
    )


def test_the_lead_says_whether_the_release_keeps_its_limits():
    score = {"value": 0.2, "n": 40, "interval": [0.1, 0.3], "floor_limit": 0.05}
    request = {"copies": Limit(max=0.1), "kid_us64": Limit(max=1)}

    def said(scores):
        clause = to_words(check(request, scores, {}))
        return make_section(answered(), clause).sentence

    kept = score | {"value": 0.1}
    fit = "and is fit for 7 of 7 uses."
    assert said({"copies": score}) == f"This set fails 1 of its 2 limits {fit}"
    assert said({"copies": kept, "kid_us64": kept}) == f"This set keeps all of its 2 limits {fit}"
    assert "where they were measured (1 of 2 were not)" in said({"copies": kept})
    assert make_section(answered(), to_words(None)).sentence.startswith("This set is fit for")


def test_each_limit_that_was_not_measured_has_its_own_reason():
    request = {name: Limit(max=1) for name in ("kid_us64", "fid", "repeats", "vendi_us64")}
    reasons = dict.fromkeys(("kid_us64", "fid"), "needs real images")
    record = check(request, {}, reasons | {"repeats": "needs earlier releases"})
    assert unmeasured_answers(record) == [
        "Kernel distance, learned features, Fréchet inception distance: needs real images",
        "Repeats: needs earlier releases",
        "Vendi score, learned features: nothing that it is measured on was given",
    ]


def alike(evidence, most, *, kinds=(REAL,), action="reject", **scores):
    """Return evidence whose accepted images have similarities up to `most` to known ones."""
    rows = evidence.attempts.copy()
    rows["copy_similarity"] = 0.99  # of what the gate refused
    rows.loc[rows["accepted"], "copy_similarity"] = 0.3
    rows.loc[rows.index[rows["accepted"]][:3], "copy_similarity"] = most
    gates = evidence.plan.request.gates | {"copy_similarity": Gate(max=0.65, action=action)}
    plan = changed(evidence.plan, gates=gates, known_kinds=kinds)
    return replace(evidence, attempts=rows, plan=plan, scores=evidence.scores | scores)


@pytest.mark.parametrize("action", ["reject", "flag"])
def test_images_are_no_copies_where_none_is_beyond_the_bound(evidence, action):
    found = answer_copies(alike(evidence, 0.65, action=action))
    assert found.answer == YES
    assert found.n == str(len(evidence.accepted_rows))
    assert found.why.startswith(f"0 of {found.n} ")


@pytest.mark.parametrize("kinds", [(REAL,), (REAL, RELEASE)])
def test_accepted_copies_are_counted_and_speak_against_sharing(evidence, contract, kinds):
    one = alike(evidence, 0.99, action="flag", kinds=kinds)
    found = answer_copies(one)
    assert (found.answer, found.why[:5]) == (NO, "3 of ")
    assert "the gate only flags" in found.why
    verdict = make_section(make_answers(one, contract))
    assert SHARING in [use for use, _ in verdict.unfit]


@pytest.mark.parametrize(("kinds", "said"), [((RELEASE,), "earlier releases"), ((), "untold")])
def test_without_patients_images_copies_of_them_are_not_known(evidence, kinds, said):
    found = answer_copies(alike(evidence, 0.3, kinds=kinds))
    assert found.answer == UNKNOWN
    assert said in found.why


@pytest.mark.parametrize(("value", "answer"), [(0.02, YES), (0.05, YES), (0.06, NO)])
def test_copies_measured_beside_real_data_come_first(evidence, value, answer):
    score = {"value": value, "n": 100, "interval": [0, 0.1], "floor": 0.01, "floor_limit": 0.05}
    measured = {"beside_real": {"scores": {"copies": score}}}
    for one in (replace(evidence, scores=evidence.scores | measured),
                alike(evidence, 0.3, kinds=(RELEASE,), **measured)):  # fmt: skip
        found = answer_copies(one)
        assert (found.answer, found.n, found.floor) == (answer, "100", "1.0 %")
    let_pass = alike(evidence, 0.99, action="flag", **measured)
    assert answer_copies(let_pass).answer == NO


FIRST, KEPT = ("reject", "first_attempts"), ("flag", "accepted_rows")


@pytest.mark.parametrize(("action", "rows"), [FIRST, KEPT])
def test_of_what_a_gate_refuses_first_attempts_are_counted(evidence, action, rows):
    attempts = evidence.attempts.copy()
    attempts["label_confidence"] = attempts["accepted"].map({True: 0.9, False: 0.01})
    gates = evidence.plan.request.gates | {"label_confidence": Gate(min=0.05, action=action)}
    plan = changed(evidence.plan, gates=gates)
    found = answer_judges(replace(evidence, attempts=attempts, plan=plan), "label_confidence")
    request = getattr(evidence, rows)
    bad = int((~request["accepted"]).sum())
    assert found.n == str(len(request))
    assert f"in {bad} of {len(request)} {'first attempts' if bad else 'images'} " in found.why
    assert (bad > 0) == (action == "reject")
