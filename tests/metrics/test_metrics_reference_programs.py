"""Our scores beside those of torchmetrics, MONAI, SciPy and scikit-learn: within 1e-4."""

import pytest


@pytest.fixture(scope="module")
def compared():
    pytest.importorskip("torchmetrics.image.fid")
    pytest.importorskip("monai.metrics")
    from busgen.bench.quality.reference_programs import compare_values

    return compare_values()


@pytest.mark.parametrize(
    "name",
    [
        "frechet_torchmetrics",
        "frechet_monai",
        "kid_torchmetrics",
        "mmd_monai",
        "auc_torchmetrics",
        "ks_scipy",
        "vendi_closed_form",
        "precision_neighbours",
        "recall_neighbours",
        "density_neighbours",
        "coverage_neighbours",
    ],
)
def test_scores_are_those_of_other_programs(compared, name):
    ours, theirs = compared[name]
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert theirs not in (0, 1) or name == "coverage_neighbours"
