"""A fitted prior: recovers a known one through missing values, pools by weight, keeps its base."""

import copy

import numpy as np
import pytest
from prior_density import log_prob

from busgen.errors import DataError, UserError
from busgen.params.priors import PriorsParams
from busgen.priors.draw import draw
from busgen.priors.fitting.assessment import SMOOTHING, _assessed_shares, _count, _states
from busgen.priors.fitting.em import infer
from busgen.priors.fitting.fit import class_shares, fit_prior, make_independent
from busgen.priors.fitting.lesions import CENTRED, HEIGHT, TOLD, WIDTH, X, make_lesions
from busgen.priors.network import make_prior
from busgen.priors.plan import node_factor


def pooling_of(weights=None, **changes) -> PriorsParams:
    return PriorsParams(**{"weights": weights or {}, "inferred": True} | changes)


WEAK = pooling_of({"published": 1.0}, backoff=0.0)


@pytest.fixture(scope="module")
def other(prior):
    record = copy.deepcopy(prior.record)
    record["discrete"]["shape"]["table"]["probably_benign"] = {
        "oval": 0.3,
        "round": 0.3,
        "irregular": 0.4,
    }
    record["discrete"]["halo"]["table"]["suspicious"]["spiculated"] = {"no": 0.2, "yes": 0.8}
    record["sizes"]["log_area_fraction"]["table"]["benign"]["mean"] = -2.2
    record["sizes"]["center_y"]["table"]["malignant"]["sd"] = 0.05
    return make_prior(record)


def _half_missing(rows):
    """Return the rows with every descriptor forgotten with probability 1/2, boxes kept."""
    rng = np.random.default_rng(0)
    names = ("shape", "margin", "echo_pattern", "posterior", "halo", "calcification", "birads")
    for row in rows:
        row |= {name: None for name, lost in zip(names, rng.random(7) < 0.5, strict=True) if lost}
        row["birads_category"] = None if rng.random() < 0.5 else row["birads_category"]
    return rows


@pytest.fixture(scope="module")
def half(prior, other, as_rows):
    lesions = make_lesions(_half_missing(as_rows(draw(other, 1500, 3))), prior)
    return fit_prior(lesions, prior, WEAK, name="half", source="s")


def test_a_known_network_is_recovered_from_half_of_its_terms(half, prior, other):
    shape, halo = half.prior.node("shape").table[0, :3], half.prior.node("halo").table[1, 2, 1]
    np.testing.assert_allclose(shape, [0.3, 0.3, 0.4], atol=0.06)
    assert halo == pytest.approx(0.8, abs=0.12)
    assert half.prior.sizes.area[0, 0] == pytest.approx(-2.2, abs=0.1)
    assert half.prior.sizes.center[1, 1, 2] == pytest.approx(0.05, abs=0.008)
    for name in ("edge", "posterior", "calcification", "echo_pattern"):
        found, wanted = (class_shares(one, name)[:2] for one in (half.prior, other))
        np.testing.assert_allclose(found, wanted, atol=0.06, err_msg=name)
    held_out = draw(other, 1000, 4)
    assert log_prob(half.prior, held_out).mean() > log_prob(prior, held_out).mean()


def test_likelihood_never_falls(half):
    assert len(half.trace) > 3
    assert (np.diff(half.trace) > -1e-5).all()


def test_unless_inferred_a_row_counts_only_where_it_states_a_term(prior, as_rows):
    rows = as_rows([f for f in draw(prior, 40, 1) if f.has_lesion])
    lesions = make_lesions([rows[0] | {"shape": None, "halo": None}, *rows[1:]], prior)
    counts = infer(prior, lesions, inferred=False).counts
    assert counts["shape"].sum() == pytest.approx(len(rows) - 1)
    assert counts["halo"].sum() == pytest.approx(len(rows) - 1)
    assert counts["edge"].sum() == pytest.approx(len(rows))
    assert infer(prior, lesions).counts["shape"].sum() == pytest.approx(len(rows))


def test_missing_terms_are_summed_out(prior, as_rows):
    """The likelihood of a row without echo pattern is the sum over all of them."""
    row = as_rows(draw(prior, 1, 1), crop_width=None)[0]
    rows = [row | {"echo_pattern": term} for term in prior.terms("echo_pattern")]
    whole = infer(prior, make_lesions(rows, prior), count=False).terms
    missing = infer(prior, make_lesions([row | {"echo_pattern": None}], prior), count=False).terms
    assert np.exp(missing[0]) == pytest.approx(np.exp(whole).sum(), rel=1e-12)


def test_undivided_4_counts_as_those_do_that_divide_it(prior, as_rows):
    benign = [f for f in draw(prior, 60, 1) if f.pathology == "benign"]
    whole = as_rows(benign[:3], birads="4a") + as_rows(benign[3:4], birads="4b")
    undivided = as_rows(benign[4:8], birads=None, birads_category="4")
    lesions = make_lesions([*whole, *undivided], prior)
    seen, categories = _states(lesions)
    found = _count(lesions, (seen >= 0).all(1) & (categories >= 0), categories)[0]
    assert found[2:5].sum() == pytest.approx(8 + 3 * SMOOTHING)
    assert found[2] > found[3] > found[4]
    assert found[[0, 1, 5]] == pytest.approx(SMOOTHING)


def test_whole_rows_have_their_exact_probability(prior, as_rows):
    """Given pathology, against `log_prob`, which knows scanner, field and skin besides."""
    drawn = [f for f in draw(prior, 60, 2) if f.has_lesion and abs(f.center_x - 0.5) > CENTRED]
    found = infer(prior, make_lesions(as_rows(drawn), prior), count=False)
    seen = [node_factor(node) for node in prior.nodes if node.name != "birads"]
    for finding, total in zip(drawn, found.total, strict=True):
        p = prior.terms("pathology").index(finding.pathology)
        s = prior.terms("scanner").index(finding.scanner)
        field = prior.terms("field_mm").index(f"{finding.pixel_mm * 256:g}")
        known = prior.node("pathology").table[p] * prior.node("scanner").table[s]
        known *= prior.node("field_mm").table[s, field]
        wanted = log_prob(prior, [finding], seen)[0] - np.log(known)
        assert total == pytest.approx(wanted, abs=0.1)  # 2 mm of skin: a little less room


def test_endless_weight_gives_the_base(prior, other, as_rows):
    lesions = make_lesions(as_rows(draw(other, 200, 3)), prior)
    strong = pooling_of({"published": 1e9}, backoff=0.0)
    fitted = fit_prior(lesions, prior, strong, name="f", source="s").prior
    for node, base in zip(fitted.nodes, prior.nodes, strict=True):
        if node.name != "birads":
            np.testing.assert_allclose(node.table, base.table, atol=3e-6)
    assert (
        fitted.record["discrete"]["birads"]["points"]
        == prior.record["discrete"]["birads"]["points"]
    )
    np.testing.assert_allclose(_assessed_shares(fitted), _assessed_shares(prior), atol=0.01)
    np.testing.assert_allclose(fitted.sizes.aspect, prior.sizes.aspect, atol=0.02)


def test_a_weight_of_0_leaves_a_source_out(prior, other, as_rows):
    first, second = as_rows(draw(prior, 150, 1)), as_rows(draw(other, 150, 2), "busi")
    for row in second:
        row["cluster_id"] = f"busi-{row['cluster_id']}"
    pooling = pooling_of({"published": 1.0, "busi": 0.0}, backoff=1.0)
    both = fit_prior(make_lesions(first + second, prior), prior, pooling, name="f", source="s")
    alone = fit_prior(make_lesions(first, prior), prior, pooling, name="f", source="s")
    assert both.prior.sha256 == alone.prior.sha256
    with pytest.raises(UserError, match="weights must leave a lesion"):
        fit_prior(make_lesions(second, prior), prior, pooling, name="f", source="s")


def test_a_dataset_of_ones_own_is_weighed_and_an_unknown_source_refused(prior, other, as_rows):
    lesions = make_lesions(as_rows(draw(other, 150, 2), "my_hospital"), prior)
    light, heavy = (
        fit_prior(lesions, prior, pooling_of({"published": 20.0, "my_hospital": w}),
                  name="f", source="s").prior.sha256
        for w in (0.1, 1.0)
    )  # fmt: skip
    assert light != heavy
    with pytest.raises(UserError, match=r"priors\.weights must name .*got imagenet: choose"):
        fit_prior(lesions, prior, pooling_of({"imagenet": 1.0}), name="f", source="s")


def test_views_of_one_patient_share_one_lesion(prior, as_rows):
    rows = as_rows(draw(prior, 3, 1), cluster_id="one")
    np.testing.assert_allclose(make_lesions(rows, prior).weight, 1 / 3)


def test_boxes_that_tell_nothing_are_left_out_and_counted(prior, as_rows):
    row = next(r for r in as_rows(draw(prior, 9, 1)) if r["orientation"] == "parallel")
    row |= {"crop_width": 0.3, "crop_height": 0.2, "crop_center_y": 0.4, "crop_center_x": 0.6}
    rows = [row, row | {"crop_center_x": 0.5}, row | {"crop_center_y": 0.11}]
    lesions = make_lesions([r | {"shape": None} for r in rows], prior)
    assert lesions.has_box.tolist() == [True, True, False]
    assert lesions.outside.tolist() == [False, False, True]  # it would touch the skin
    assert np.isnan(lesions.boxes[:, X]).tolist() == [False, True, True]  # put there by cropping
    assert lesions.boxes[0, [WIDTH, HEIGHT]].tolist() == [0.3, 0.2]


def test_rows_without_class_and_strange_terms(prior, as_rows):
    row = as_rows(draw(prior, 1, 1))[0]
    with pytest.raises(DataError, match="must have labelled rows, got 0"):
        make_lesions([row | {"pathology": None}], prior)
    with pytest.raises(DataError, match="shape must be one of the lexicon's terms, got square"):
        make_lesions([row | {"shape": "square"}], prior)


def test_normal_images_have_no_lesion_fields(prior, as_rows):
    row = as_rows([f for f in draw(prior, 300, 1) if not f.has_lesion][:1])[0]
    lesions = make_lesions([row], prior)
    assert not lesions.has_box.any()
    assert all(lesions.patterns[n][0, -1] == 1 for n in TOLD if n not in ("birads", "tissue"))


def test_independent_descriptors_keep_shares_and_lose_dependence(prior):
    apart = make_independent(prior)
    for name in ("shape", "margin", "echo_pattern", "posterior"):
        np.testing.assert_allclose(class_shares(apart, name), class_shares(prior, name), atol=0.005)
        assert apart.node(name).given[-1] in ("pathology", "edge")
    classless = class_shares(make_independent(prior, classes=False), "echo_pattern")
    np.testing.assert_allclose(classless[0], classless[1])
