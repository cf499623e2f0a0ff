"""Limits: what is beyond one fails, what was not measured never passes; refusal has numbers."""

from pathlib import Path

import pytest

from busgen.errors import UserError
from busgen.evaluation.limits import check, names, require_release, to_words
from busgen.params.quality import DEFAULT_LIMITS, Limit, QualityParams

SCORES = {
    "ks_texture.pooled": {"value": 0.37, "n": 588, "interval": [0.33, 0.41], "floor": 0.07},
    "kid_us64": {"value": 0.012, "n": 300, "interval": [0.01, 0.014], "floor": 0.0,
                 "floor_limit": 0.005},
    "coverage_us64": {"value": 0.8, "n": 300, "interval": [0.7, 0.9], "floor": 0.9,
                      "floor_limit": 0.75},
}  # fmt: skip


def verdicts(limits, scores=SCORES):
    found = check(limits, scores, {})
    return {row["name"]: row["verdict"] for row in found["rows"]}, found["verdict"]


def test_a_limit_in_the_scores_unit_is_kept_or_not():
    assert verdicts({"ks_texture.pooled": Limit(max=0.3)})[1] == "failing"
    assert verdicts({"ks_texture.pooled": Limit(max=0.37)})[1] == "passing"


def test_a_limit_in_floor_limits_follows_what_real_images_keep():
    of = {"of": "floor_limit"}
    assert verdicts({"kid_us64": Limit(max=2, **of)})[1] == "failing"  # .012 > .01
    assert verdicts({"kid_us64": Limit(max=2.5, **of)})[1] == "passing"
    assert verdicts({"coverage_us64": Limit(min=1, **of)})[1] == "passing"
    assert verdicts({"coverage_us64": Limit(min=1.2, **of)})[1] == "failing"  # .8 < .9


def test_what_was_not_measured_never_passes():
    found = check({"copies": Limit(max=1)}, SCORES, {"copies": "needs real images"})
    assert found["verdict"] == "not all measured"
    assert found["rows"][0]["verdict"] == "not measured"
    assert found["rows"][0]["reason"] == "needs real images"
    both = {"copies": Limit(max=1), "ks_texture.pooled": Limit(max=0.3)}
    assert verdicts(both)[1] == "failing"


def test_a_number_that_is_none_fails():
    result, verdict = verdicts({"fid": Limit(max=9)}, {"fid": {"value": float("nan"), "n": 3}})
    assert (result["fid"], verdict) == ("fails", "failing")


def test_a_limit_that_is_off_is_not_asked():
    assert verdicts({"ks_texture.pooled": Limit(max=0.3, action="off")}) == ({}, "passing")


def test_only_a_limit_that_refuses_does(tmp_path):
    require_release(check({"ks_texture.pooled": Limit(max=0.3)}, SCORES, {}), tmp_path)
    limits = {
        "ks_texture.pooled": Limit(max=0.3, action="refuse"),
        "kid_us64": Limit(max=2, of="floor_limit"),
        "copies": Limit(max=0, action="refuse"),
    }
    result = check(limits, SCORES, {})
    assert result["refused"]
    with pytest.raises(UserError) as error:
        require_release(result, Path("data/refused/scores.json"))
    phrases = str(error.value)
    assert (
        "ks_texture.pooled 0.37 (<= 0.3); kid_us64 0.012 (<= 2 x limit of real (0.01))" in phrases
    )
    assert "see data/refused/scores.json" in phrases
    assert "copies" not in phrases
    open_alone = check({"copies": Limit(max=0, action="refuse")}, SCORES, {})
    require_release(open_alone, tmp_path)  # not measured is told, and refuses nothing


def test_limits_are_named_by_their_verdict():
    result = check(DEFAULT_LIMITS, SCORES, {})
    assert set(names(result, "fails")) == {"kid_us64", "ks_texture.pooled"}
    assert names(result, "passes") == ["coverage_us64"]


def test_both_ends_are_told_in_words():
    row = check({"fid": Limit(min=1, max=2)}, {}, {})["rows"][0]
    assert to_words(row) == ">= 1, <= 2"
    row = check({"fid": Limit(max=2, of="floor_limit")}, {}, {})["rows"][0]
    assert to_words(row) == "<= 2 x limit of real"


def test_one_limit_changed_leaves_the_others():
    found = QualityParams(limits={"fid": {"action": "refuse", "max": 30}}).limits
    assert found["fid"] == Limit(action="refuse", max=30)
    assert {k: v for k, v in found.items() if k != "fid"} == {
        k: v for k, v in DEFAULT_LIMITS.items() if k != "fid"
    }
