"""The benchmark of the default release: scores of a run beside the limits that bounded them."""

import pytest

from busgen.bench import harness
from busgen.bench.release import benchmark
from busgen.errors import UserError
from busgen.evaluation.limits import check
from busgen.io import dumps, write_text
from busgen.params.quality import DEFAULT_LIMITS


def test_bars_are_the_limits():
    for name, bar in benchmark.BARS.items():
        limit = DEFAULT_LIMITS[name]
        expected = ("<=", limit.max) if limit.min is None else (">=", limit.min)
        assert (bar.op, bar.bound) == expected


def test_a_score_is_given_in_limits_of_real_images(tmp_path, monkeypatch):
    scores = {
        "kid_us64": {"value": 0.03, "n": 90, "interval": [0.02, 0.05], "floor_limit": 0.01},
        "coverage_us64": {"value": 0.8, "n": 90, "interval": [0.7, 0.9], "floor_limit": 0.8},
        "ks_grey.pooled": {"value": 0.2, "n": 80, "interval": [0.1, 0.3]},
        "near_duplicates": {"value": 0.0, "n": 100},
    }
    counts = {"strata": [{"attempts": 6, "accepted": 5}, {"attempts": 4, "accepted": 4}]}
    record = {"limits": check(DEFAULT_LIMITS, scores, {}), "realised": counts}
    monkeypatch.setattr(benchmark, "SCORES", tmp_path / "scores.json")
    with pytest.raises(UserError, match="run `busgen run`"):
        benchmark.measure()
    write_text(benchmark.SCORES, dumps(record))
    found = harness.run("release")
    figures = found["figures"]
    assert figures["kid_us64"]["value"] == pytest.approx(3)
    assert figures["kid_us64"]["interval"] == pytest.approx((2, 5))
    assert figures["coverage_us64"]["value"] == pytest.approx(1)
    assert figures["ks_grey.pooled"]["value"] == 0.2
    assert figures["near_duplicates"]["interval"] is None
    assert figures["acceptance"]["value"] == 0.9
    bars = found["bars"]
    assert (bars["kid_us64"]["holds"], bars["coverage_us64"]["holds"]) == (False, True)
    assert not bars["kid_lite1"]["holds"]  # not measured
