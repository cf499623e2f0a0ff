"""A fitted prior: recovers a known one, stays with its base, helps on held-out real lesions."""

import copy

import numpy as np
import pyarrow as pa
import pytest

from busgen.errors import UserError
from busgen.priors.draw import draw, log_prob
from busgen.priors.findings import to_row
from busgen.priors.fit import fit_prior, table_log_prob
from busgen.priors.network import make_prior


def _table(findings):
    return pa.Table.from_pylist([to_row(finding) for finding in findings])


@pytest.fixture(scope="module")
def other(prior):
    record = copy.deepcopy(prior.record)
    record["discrete"]["shape"]["table"]["benign"] = {"oval": 0.3, "round": 0.3, "irregular": 0.4}
    record["discrete"]["halo"]["table"]["malignant"]["spiculated"] = {"no": 0.2, "yes": 0.8}
    record["sizes"]["log_area_fraction"]["table"]["benign"]["mean"] = -2.2
    record["sizes"]["center_y"]["table"]["malignant"]["sd"] = 0.05
    return make_prior(record)


def test_parameters_are_recovered_as_n_grows(prior, other):
    fitted = fit_prior(_table(draw(other, 6000, 3)), base=prior, strength=1, name="f", source="s")
    shape, halo = fitted.node("shape").table[0, :3], fitted.node("halo").table[1, 1, 1]
    np.testing.assert_allclose(shape, [0.3, 0.3, 0.4], atol=0.03)
    assert halo == pytest.approx(0.8, abs=0.05)
    assert fitted.sizes.area[0, 0] == pytest.approx(-2.2, abs=0.06)
    assert fitted.sizes.center[1, 1, 2] == pytest.approx(0.05, abs=0.006)
    held_out = draw(other, 2000, 4)
    assert log_prob(fitted, held_out).mean() > log_prob(prior, held_out).mean()


def test_endless_strength_gives_the_base(prior, other):
    fitted = fit_prior(_table(draw(other, 300, 3)), base=prior, strength=1e9, name="f", source="s")
    for node, base in zip(fitted.nodes, prior.nodes, strict=True):
        np.testing.assert_allclose(node.table, base.table, atol=2e-6)
    np.testing.assert_allclose(fitted.sizes.area, prior.sizes.area, atol=5e-3)
    np.testing.assert_allclose(fitted.sizes.aspect, prior.sizes.aspect, atol=5e-3)


def test_missing_values_are_skipped_factor_by_factor(prior):
    row = to_row(draw(prior, 1, 1)[0]) | {
        "pathology": "benign",
        "shape": "round",
        "margin": None,
        "width_mm": None,
    }
    fitted = fit_prior(pa.Table.from_pylist([row]), base=prior, strength=1, name="f", source="s")
    assert fitted.node("shape").table[0, 1] > prior.node("shape").table[0, 1]
    np.testing.assert_allclose(fitted.node("outline").table, prior.node("outline").table, atol=1e-6)
    np.testing.assert_array_equal(fitted.sizes.area, prior.sizes.area)


def test_negative_strength_is_refused(prior):
    with pytest.raises(UserError, match="strength must be finite and >= 0, got -1"):
        fit_prior(_table(draw(prior, 2, 1)), base=prior, strength=-1, name="f", source="s")


def test_breast_fit_beats_the_base_on_held_out_lesions(prior, real_data):
    from busgen.real.readers import read_dataset

    table = read_dataset("breast", real_data / "BrEaST").table
    odd = np.arange(table.num_rows) % 2 == 1
    fitted = fit_prior(table.filter(odd), base=prior, strength=20, name="b", source="BrEaST")
    # a flat prior knows no published number; the half that was fitted must tell about the other
    flat = copy.deepcopy(prior.record)
    even = {"oval": 0.34, "round": 0.33, "irregular": 0.33}
    flat["discrete"]["shape"]["table"] = {"benign": dict(even), "malignant": dict(even)}
    base = make_prior(flat)
    learned = fit_prior(table.filter(odd), base=base, strength=20, name="l", source="BrEaST")
    rest = table.filter(~odd)
    before, after, best = (table_log_prob(p, rest) for p in (base, learned, prior))
    possible = np.isfinite(best)
    assert possible.mean() > 0.97
    assert after[possible].mean() > before[possible].mean() + 0.05
    whole = fit_prior(table, base=prior, strength=20, name="w", source="BrEaST")
    known = np.isfinite(table_log_prob(prior, table))
    gain = table_log_prob(whole, table)[known] - table_log_prob(prior, table)[known]
    assert gain.mean() > 0
    assert fitted.sizes.area[1, 0] > fitted.sizes.area[0, 0]  # malignant lesions are larger
