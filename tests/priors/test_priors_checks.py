"""Evidence beside a fitted prior: what is alike is found alike, what differs is found to differ."""

import copy

import numpy as np
import pytest
from scipy.stats.contingency import association

from busgen import io
from busgen.params.priors import PriorsParams
from busgen.priors.draw import draw
from busgen.priors.fitting.checks import fit_and_check
from busgen.priors.fitting.em import infer
from busgen.priors.fitting.held_out import _log_kernels, _strip_terms, compare, log_density
from busgen.priors.fitting.predictive import _cramers_v, check, draw_lesions
from busgen.priors.network import POOLED, make_prior


@pytest.fixture(scope="module")
def odd(prior):
    record = copy.deepcopy(prior.record)
    record["discrete"]["shape"]["table"]["probably_benign"] = {
        "oval": 0.2,
        "round": 0.1,
        "irregular": 0.7,
    }
    record["sizes"]["center_y"]["table"]["benign"]["mean"] = 0.5
    return make_prior(record)


def test_the_true_prior_is_likelier_held_out(prior, odd):
    found = compare(
        {"true": prior, "odd": odd}, draw_lesions(prior, 600, 1), np.random.default_rng(0)
    )["all"]
    low, high = found["gain"]["odd"]["interval"]
    assert 0 < low < found["gain"]["odd"]["value"] < high
    assert found["nats"]["true"] - found["nats"]["odd"] == pytest.approx(
        found["gain"]["odd"]["value"], abs=1e-4
    )


def test_a_prior_meets_its_own_predictive_checks(prior, odd):
    rng = np.random.default_rng(0)
    drawn, real = draw_lesions(prior, 1500, 1), draw_lesions(prior, 300, 2)
    good, bad = check(drawn, real, rng), check(draw_lesions(odd, 1500, 1), real, rng)
    within = [np.mean([term["within"] for term in one["terms"]]) for one in (good, bad)]
    assert within[0] > max(0.8, within[1])  # terms of a node miss together
    shapes = [t for t in bad["terms"] if t["node"] == "shape" and t["pathology"] == "benign"]
    assert not any(t["within"] for t in shapes if t["term"] != "round")
    assert all(box["distance"] < 1.3 * box["floor"] for box in good["boxes"])
    y = next(b for b in bad["boxes"] if b["node"] == "y" and b["pathology"] == "benign")
    assert y["distance"] > 3 * y["floor"]
    assert np.mean([pair["within"] for pair in good["pairs"]]) > 0.85
    assert good["auc"]["real"] == pytest.approx(good["auc"]["drawn"], abs=0.04)


def test_checks_name_the_source_that_differs(prior, odd, as_rows):
    first = as_rows(draw(prior, 250, 1)) + as_rows(draw(prior, 80, 2), split="validation")
    second = as_rows(draw(odd, 250, 3), "busi")
    for row in second:
        row["cluster_id"] = f"busi-{row['cluster_id']}"
    found, record = fit_and_check(
        first + second,
        prior,
        PriorsParams(weights={"published": 5.0}, inferred=True),
        name="pooled",
    )
    assert record["prior"] == {"name": "pooled", "sha256": found.sha256}
    assert set(record["held_out"]) == {"validation"}
    result = {(r["source"], r["node"], r["pathology"]): r for r in record["disagreement"]}
    assert (
        result["busi", "shape", "benign"]["distance"] > result["busi", "shape", "benign"]["floor"]
    )
    assert result["busi", "y", "benign"]["distance"] > result["busi", "y", "benign"]["floor"]
    assert result["busi", "halo", "malignant"]["distance"] < 0.15
    assert result["published", "shape", "benign"]["floor"] is None
    assert record["fit"]["sources"]["busi"]["lesions"] > 220
    io.dumps(record)  # no NaN, nothing that JSON cannot hold


def test_kernels_are_close_to_the_density_that_was_drawn_from(prior):
    train, held_out = draw_lesions(prior, 2000, 1), draw_lesions(prior, 300, 2)
    held_out = held_out.pick(held_out.has_box)
    kernel = log_density(train, held_out, prior.sizes)
    true = infer(prior, _strip_terms(held_out), count=False).total
    assert -0.05 < (true - kernel).mean() < 0.35


def test_kernels_integrate_to_one():
    points, weights = np.array([[0.0], [1.0]]), np.array([0.3, 0.7])
    grid = np.linspace(-0.5, 1.5, 4001)[:, None]
    density = np.exp(_log_kernels(grid, points, weights, np.array([0.4]), (-0.5, 1.5)))
    mass = np.trapezoid(density, grid[:, 0])
    assert mass == pytest.approx(1, abs=1e-6)


def test_closed_forms():
    same = np.array([[0, 0], [1, 1]] * 5)
    assert _cramers_v(same) == pytest.approx(1.0)
    assert _cramers_v(np.array([[0, 0], [1, 0]])) == 0.0
    pair = np.random.default_rng(0).integers(0, 3, (50, 2))
    table = [[((pair == (i, j)).all(1)).sum() for j in range(3)] for i in range(3)]
    assert _cramers_v(pair) == pytest.approx(association(table, method="cramer"))


def test_shipped_checks_belong_to_the_shipped_prior_and_speak_for_it():
    from busgen.priors.network import load_prior

    checks = io.read_json(POOLED.with_suffix(".checks.json"))
    assert checks["prior"] == {"name": "pooled", "sha256": load_prior().sha256}
    for split in ("validation", "test"):
        gains = checks["held_out"][split]["all"]["gain"]
        for name in ("published", "by_class", "apart"):
            assert gains[name]["interval"][0] > 0, (split, name)


def test_lesions_survive_a_drawn_sample(prior):
    drawn = draw_lesions(prior, 200, 1)
    assert len(drawn) == 200
    assert not drawn.outside.any()
