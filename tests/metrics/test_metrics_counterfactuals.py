"""Families with known answers: what moves, what stays, and with what certainty."""

import numpy as np
import pytest
from released_families import read_families

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.images.phantom.engine import render
from busgen.io import dumps, write_text
from busgen.masks.engines import load_mask_engine
from busgen.metrics.counterfactuals import (
    RISING,
    Families,
    share_moved,
    share_unchanged,
    unchanged_region,
)
from busgen.priors.draw import draw, make_members
from busgen.priors.network import TERMS, load_prior
from busgen.seeds import rng
from busgen.stats.proportions import wilson_interval

SIDE = 100
POSTERIOR = ("none", "enhancement", "shadowing")


def box(rows=(30, 50), cols=(30, 60)):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[slice(*rows), slice(*cols)] = 1
    return mask


def below(image, mask):
    """Return the mean level of the rows below the lesion."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(image[rows[-1] + 1 :, cols[0] : cols[-1]].mean())


def inside(image, mask):
    return float(image[mask > 0].mean())


def posterior_families(n, *, wrong=0, elsewhere=0):
    """Return families whose band is 20 darker or brighter; in `wrong` of them the sign is turned.

    `elsewhere` is what shadowing adds to every pixel.
    """
    images = np.stack([rng(k, "rest").integers(60, 180, (SIDE, SIDE)) for k in range(n)])
    images = np.repeat(images[:, None], 3, axis=1)
    for k in range(n):
        sign = -1 if k < wrong else 1
        images[k, 1, 52:, 30:60] += 20 * sign
        images[k, 2, 52:, 30:60] -= 20 * sign
        images[k, 2] += elsewhere
    return Families(images.astype(np.uint8), np.stack([box()] * n), "posterior", POSTERIOR)


def test_shares_are_those_that_were_planted():
    found = share_moved(posterior_families(10, wrong=3), below)
    assert set(found) == {"shadowing < none", "none < enhancement", "order"}
    for score in found.values():
        assert (score["value"], score["n"]) == (0.7, 10)
        assert score["interval"] == pytest.approx(wilson_interval(7, 10), abs=1e-4)


def test_equal_levels_do_not_count_as_moved_and_unmeasured_families_do_not_count():
    families = posterior_families(4)
    flat = share_moved(families, lambda image, mask: 1.0)
    assert flat["order"]["value"] == 0

    def blind(image, mask):
        return float("nan") if image[0, 0] == families.images[0, 0, 0, 0] else below(image, mask)

    assert share_moved(families, blind)["order"]["n"] < 4


def test_only_terms_with_a_place_in_the_order_are_compared():
    families = posterior_families(3)
    pair = Families(families.images[:, :2], families.masks, "posterior", POSTERIOR[:2])
    assert set(share_moved(pair, below)) == {"none < enhancement", "order"}
    for field, terms in (("posterior", ("none", "combined")), ("tissue", schema.TISSUES[:2])):
        other = Families(families.images[:, :2], families.masks, field, terms)
        with pytest.raises(UserError, match=f"two terms in an order.*got {field}"):
            share_moved(other, below)


def test_the_order_holds_every_ordered_term_of_the_lexicon():
    for field, order in RISING.items():
        assert set(order) <= set(TERMS[field])


def test_the_rest_stays_where_only_the_band_changed():
    found = share_unchanged(posterior_families(12))
    assert (found["value"], found["n"], found["grey"]) == (1.0, 12, 0.0)
    assert found["interval"] == pytest.approx(wilson_interval(12, 12), abs=1e-4)
    assert 30 < found["independent"] < 50  # two uniform variables of width 120: a third of it


def test_the_rest_does_not_stay_where_all_pixels_changed():
    assert share_unchanged(posterior_families(6, elsewhere=50))["value"] == 0
    little = share_unchanged(posterior_families(6, elsewhere=6))
    assert little["value"] == 1
    assert little["grey"] == pytest.approx(4.0)  # two pairs of three differ by 6


@pytest.mark.parametrize(
    ("field", "changed", "kept"),
    [
        ("posterior", [(60, 45), (99, 45), (40, 45)], [(20, 45), (60, 10), (60, 90), (10, 10)]),
        ("echo_pattern", [(40, 45), (28, 45), (40, 62)], [(60, 45), (99, 45), (10, 10)]),
        ("halo", [(28, 45), (40, 63)], [(40, 45), (70, 45), (10, 10)]),
        ("calcification", [(40, 45), (40, 70), (90, 45)], [(5, 45), (40, 90)]),
        ("tissue", [(10, 10), (60, 45), (29, 45)], [(40, 45), (33, 33)]),
    ],
)
def test_where_each_field_may_show(field, changed, kept):
    rest = unchanged_region(box(), field)
    assert not any(rest[place] for place in changed)
    assert all(rest[place] for place in kept)


def test_shapes_and_numbers_that_do_not_fit_are_named():
    families = posterior_families(1)
    with pytest.raises(UserError, match="two or more"):
        share_unchanged(families)
    with pytest.raises(UserError, match=r"images must be \(F, T, H, W\).*got \(1, 3, 100, 100\)"):
        Families(families.images, families.masks, "posterior", ("none", "shadowing"))


def test_a_lesion_that_fills_the_image_leaves_no_rest():
    families = posterior_families(2)
    full = Families(families.images, np.ones_like(families.masks), "posterior", POSTERIOR)
    with pytest.raises(UserError, match="leave something of the image"):
        share_unchanged(full)


def test_a_release_without_families_is_named(tmp_path):
    write_text(tmp_path / "provenance.json", dumps({"plan": {"vary": None}}))
    with pytest.raises(DataError, match="must have been made with --vary"):
        read_families(tmp_path)


def phantoms(field, terms, n=10):
    """Return families that the phantom draws."""
    prior, engine = load_prior(), load_mask_engine("curvature", 256)
    drawn = [f for f in draw(prior, n, 29) if f.has_lesion]
    masks = engine.draw(drawn)
    images = [
        np.stack([render(member, mask) for member in make_members(finding, field, terms)])
        for finding, mask in zip(drawn, masks, strict=True)
    ]
    return Families(np.stack(images), masks, field, terms)


def test_the_phantoms_posterior_features_move_the_band_and_keep_the_rest():
    families = phantoms("posterior", POSTERIOR)
    assert share_moved(families, below)["order"]["value"] >= 0.9
    kept = share_unchanged(families)
    assert kept["value"] >= 0.9
    assert kept["grey"] < 0.1 * kept["independent"]


def test_the_phantoms_echo_pattern_moves_the_inside_and_keeps_the_rest():
    families = phantoms("echo_pattern", ("anechoic", "hypoechoic", "hyperechoic"))
    assert share_moved(families, inside)["order"]["value"] >= 0.9
    assert share_unchanged(families)["value"] >= 0.9
