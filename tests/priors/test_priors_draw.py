"""Drawing: seeds, exact log-probability, published numbers, class from descriptors."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from prior_density import log_prob

from busgen.errors import UserError
from busgen.priors import joint
from busgen.priors.draw import draw
from busgen.priors.findings import check, from_row, to_row
from busgen.priors.network import MARGIN_SETS, NODES
from busgen.priors.plan import node_factor, tables
from busgen.priors.request import Request, parse_request


def test_finding_k_alone_is_finding_k_in_a_batch(prior):
    batch = draw(prior, 300, 3)
    assert draw(prior, 40, 3) == batch[:40]
    assert all(draw(prior, 1, 3, start=k) == [batch[k]] for k in range(0, 300, 23))
    assert len({finding.sample_id for finding in batch}) == 300
    assert draw(prior, 3, 4)[0] != batch[0]
    assert draw(prior, 0, 3) == []


def test_conditioned_finding_k_alone_is_the_same_too(prior):
    request = parse_request(["size_mm=8..20", "center_x=0.4..0.5"], None, None)
    batch = draw(prior, 60, 3, request=request)
    assert all(draw(prior, 1, 3, request=request, start=k) == [batch[k]] for k in range(0, 60, 7))


def test_negative_counts_are_refused(prior):
    with pytest.raises(UserError, match="must not be negative"):
        draw(prior, -1, 3)


def test_every_finding_is_valid_and_survives_a_table(prior, findings):
    for finding in findings[:5000]:
        assert from_row(to_row(check(finding, 256))) == finding
    assert np.isfinite(log_prob(prior, findings[:5000])).all()


def test_lesions_keep_clear_of_skin_and_frame(findings):
    for f in findings:
        if f.has_lesion:
            side = f.pixel_mm * 256
            assert f.center_y - f.height_mm / 2 / side >= max(0.04, 2 / side) - 1e-9
            assert f.center_y + f.height_mm / 2 / side <= 0.98 + 1e-9
            assert f.center_x - f.width_mm / 2 / side >= 0.02 - 1e-9
            assert f.center_x + f.width_mm / 2 / side <= 0.98 + 1e-9


def test_discrete_probabilities_sum_to_one_over_all_findings(prior):
    """Brute force: log_prob less its density part, over every combination of the lexicon."""
    drawn = draw(prior, 200, 1)  # a round one's box is one that the other shapes have too
    first = next(f for f in drawn if f.orientation == "parallel" and f.shape == "round")
    names = ("shape", "echo_pattern", "posterior", "calcification", "birads")
    axes = [prior.terms(name) for name in names]
    total = 0.0
    for margin, halo in product(MARGIN_SETS, (False, True)):
        base = replace(first, margin=margin, halo=halo, pathology="malignant")
        batch = [replace(base, **dict(zip(names, t, strict=True))) for t in product(*axes)]
        dens = {s: _density(prior, replace(base, shape=s)) for s in axes[0]}
        logs = log_prob(prior, batch) - [dens[f.shape] for f in batch]
        total += np.exp(logs).sum()
    axes = ("pathology", "orientation", "tissue", "scanner", "field_mm")
    terms = ("malignant", "parallel", first.tissue, first.scanner, f"{first.pixel_mm * 256:g}")
    place = [prior.terms(name).index(term) for name, term in zip(axes, terms, strict=True)]
    assert total == pytest.approx(joint.multiply(tables(prior), axes)[*place], rel=1e-9)


def _density(prior, finding):
    """Return the density part: what a box at the same place adds to the terms' probability."""
    from prior_density import log_density_of, states_of

    from busgen.priors import boxes

    drawn = states_of(prior, [finding], 256)
    generated = boxes.make_boxes(prior.sizes, prior.fields_mm, {})
    index = np.ravel_multi_index(tuple(drawn[axis] for axis in boxes.AXES), generated.shape)
    values = [[finding.width_mm, finding.height_mm, finding.center_x, finding.center_y]]
    return log_density_of(generated, index, np.array(values))[0]


def test_network_sums_to_one(prior):
    assert joint.multiply([node_factor(node) for node in prior.nodes], ()) == pytest.approx(1)
    assert joint.multiply(tables(prior), ()) == pytest.approx(1)


def test_box_density_integrates_to_one(prior):
    """Monte Carlo over a uniform box of (log area, log aspect, x, y) for one discrete state."""
    base = next(f for f in draw(prior, 200, 2) if f.shape == "irregular")
    rng = np.random.default_rng(0)
    n, side = 40_000, base.pixel_mm * 256
    low, high = np.array([-4.9, 0.0, 0.1, 0.05]), np.array([-0.4, 1.5, 0.9, 0.9])
    area, aspect, x, y = (low + rng.random((n, 4)) * (high - low)).T
    generated = [
        replace(
            base,
            orientation="parallel",
            width_mm=side * np.exp((a + r) / 2),
            height_mm=side * np.exp((a - r) / 2),
            center_x=cx,
            center_y=cy,
        )
        for a, r, cx, cy in zip(area, aspect, x, y, strict=True)
    ]
    logs = log_prob(prior, generated)
    terms = logs[np.isfinite(logs)][0] - _density(prior, generated[int(np.isfinite(logs).argmax())])
    share = np.exp(logs - terms) * np.prod(high - low)
    assert share.mean() == pytest.approx(1, abs=4 * share.std() / np.sqrt(n))


def test_impossible_findings_have_no_probability(prior):
    finding = next(f for f in draw(prior, 99, 2) if f.has_lesion)
    flat = replace(finding, orientation="not_parallel", width_mm=9.0, height_mm=5.0)
    assert log_prob(prior, [flat, replace(finding, center_x=0.0)]).tolist() == [-np.inf] * 2


PUBLISHED = [  # field, term, class, share, source
    ("shape", "oval", "benign", 0.60, "BrEaST"),
    ("shape", "irregular", "malignant", 0.94, "BrEaST"),
    ("orientation", "not_parallel", "benign", 0.011, "BUS-BRA"),
    ("orientation", "not_parallel", "malignant", 0.17, "BUS-BRA"),
    ("margin", "circumscribed", "benign", 0.73, "BrEaST"),
    ("margin", "circumscribed", "malignant", 0.03, "BrEaST"),
    ("margin", "indistinct", "malignant", 0.81, "BrEaST"),
    ("margin", "spiculated", "malignant", 0.29, "BrEaST"),
    ("margin", "angular", "benign", 0.05, "BrEaST"),
    ("echo_pattern", "hypoechoic", "malignant", 0.77, "BrEaST"),
    ("echo_pattern", "anechoic", "benign", 0.10, "BrEaST"),
    ("posterior", "shadowing", "malignant", 0.33, "BrEaST"),
    ("posterior", "enhancement", "benign", 0.17, "BrEaST"),
    ("halo", True, "benign", 0.065, "BrEaST"),
    ("halo", True, "malignant", 0.46, "BrEaST"),
    ("calcification", "none", "malignant", 0.82, "BrEaST"),
    ("birads", "5", "malignant", 40 / 98, "BrEaST"),
    ("birads", "2", "benign", 30 / 154, "BrEaST"),
]


@pytest.mark.parametrize(("field", "term", "pathology", "share", "source"), PUBLISHED)
def test_published_shares_are_drawn(findings, field, term, pathology, share, source):
    values = [getattr(f, field) for f in findings if f.pathology == pathology]
    hits = [term in value if field == "margin" else value == term for value in values]
    assert np.mean(hits) == pytest.approx(share, abs=0.012), source  # published to 1 %


def test_published_dependencies_are_drawn(findings):
    benign = [f for f in findings if f.pathology == "benign"]
    spiculated = [f for f in findings if f.pathology == "malignant" and "spiculated" in f.margin]
    both = [f.shape == "irregular" and "circumscribed" in f.margin for f in benign]
    assert 0.055 < np.mean(both) < 0.147  # 14 of 154
    enhanced = [f.posterior == "enhancement" for f in benign if f.echo_pattern == "anechoic"]
    assert np.mean(enhanced) == pytest.approx(9 / 15, abs=0.05)
    assert np.mean([f.posterior == "shadowing" for f in spiculated]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([f.halo for f in spiculated]) == pytest.approx(16 / 28, abs=0.04)


def test_published_sizes_are_drawn(findings):
    """BUS-BRA; bounds of the image cut the largest, hence the room in the comparison."""
    for pathology, area, aspect in (
        ("benign", (-2.65, 0.84), (0.580, 0.267)),
        ("malignant", (-1.92, 0.75), (0.267, 0.300)),
    ):
        mine = [f for f in findings if f.pathology == pathology]
        sides = np.array([[f.width_mm, f.height_mm, f.pixel_mm * 256] for f in mine])
        logs = np.log(sides[:, 0] * sides[:, 1] / sides[:, 2] ** 2)
        ratio = np.log(sides[:, 0] / sides[:, 1])
        np.testing.assert_allclose([logs.mean(), logs.std()], area, atol=0.06)
        np.testing.assert_allclose([ratio.mean(), ratio.std()], aspect, atol=0.025)


def test_descriptors_tell_the_class_no_better_than_in_breast(findings):
    """BrEaST: AUC .903 with 252 lesions (logistic regression, crossed); 1.0 would be unreal."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    lesions = [f for f in findings if f.has_lesion]
    aucs = []
    for start in range(0, 252 * 6, 252):
        some = lesions[start : start + 252]
        x = np.array([_descriptors(f) for f in some], float)
        y = [f.pathology == "malignant" for f in some]
        model = LogisticRegression(max_iter=300)
        p = cross_val_predict(model, x, y, cv=5, method="predict_proba")[:, 1]
        aucs.append(roc_auc_score(y, p))
    assert 0.87 < np.mean(aucs) < 0.935


def _descriptors(f):
    terms = {f.shape, f.echo_pattern, f"p {f.posterior}", f"c {f.calcification}", *f.margin}
    names = [n for node in ("shape", "echo_pattern") for n in _terms(node)]
    names += [f"p {t}" for t in _terms("posterior")] + [f"c {t}" for t in _terms("calcification")]
    names += ["circumscribed", "indistinct", "angular", "microlobulated", "spiculated"]
    return [name in terms for name in names] + [f.halo]


def _terms(name):
    from busgen.priors.network import TERMS

    return TERMS[name]


def test_nodes_and_request_defaults():
    assert NODES[0] == "pathology"
    assert Request() == Request((), (), False)
