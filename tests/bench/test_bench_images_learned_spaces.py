"""Distances in learned spaces: at their floors for images of one kind, beyond for blurred ones."""

import cv2
import numpy as np
import pytest

from busgen.bench.harness import COMPARE
from busgen.bench.images import benchmark, realism
from busgen.evaluation.held_out_features import hospital_distance
from busgen.images.engines import load_image_engine
from busgen.masks.engines import load_mask_engine
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.real.crops import SIDE, Crops

N = 16


def phantoms(n, start):
    """Return `n` images of the phantom, half of them as if of each of two hospitals."""
    findings = draw(load_prior(), n, 5, size_px=SIDE, start=start)
    masks = load_mask_engine("curvature", SIDE).draw(findings)
    images = load_image_engine("phantom", SIDE, threads=1).render(findings, masks)
    names = np.where(np.arange(n) % 2, "bus_bra", "busi")
    groups = np.array([finding.family_id for finding in findings])
    return Crops(images, masks, np.zeros_like(images), names, names, names, groups)


@pytest.fixture(scope="module")
def real():
    """Return a standard whose real images are the phantom's, half of them test patients'."""
    crops = phantoms(2 * N, 0)
    return realism.encode(crops, np.arange(2 * N) < N)


def test_images_of_one_kind_lie_within_limits_and_blurred_ones_beyond(real):
    own = phantoms(2 * N, 500).images
    blurred = np.stack([cv2.GaussianBlur(one, (0, 0), 2) for one in own])
    twin = realism.distances("twin", own, real)
    worse = realism.distances("twin", blurred, real)
    for part in ("test", "validation"):
        assert twin[f"kid_us64_in_limits_{part}_twin"].value < 2
        assert worse[f"kid_us64_in_limits_{part}_twin"].value > 2
        share = f"kid_lite1_share_{part}_twin"
        assert worse[share].value > twin[share].value + 0.5
    assert twin["coverage_us64_share_twin"].value > 0.8
    assert worse["coverage_us64_share_twin"].value < twin["coverage_us64_share_twin"].value


def test_the_round_trip_is_measured_by_hospital_and_has_every_bar(real):
    found = realism.measure(real)
    assert {"round_trip_lite1_bus_bra", "round_trip_lite1_busi_validation"} <= set(found)
    name = benchmark.SUBJECT
    same = realism.distances(name, real.crops.images, real)
    assert found["round_trip_lite1_busi"].value > same[f"kid_lite1_share_test_{name}"].value
    kinds = ("kid_lite1", "coverage", "recall", "round_trip")
    bars = {key: bar for key, bar in benchmark.BARS.items() if key.startswith(kinds)}
    assert len(bars) == 6
    assert set(bars) <= {*found, *same}
    assert {bar.op for bar in bars.values()} <= set(COMPARE)


def test_the_distance_between_hospitals_ships_for_both_spaces():
    assert 0.1 < hospital_distance("us64") < 1
    assert 0.1 < hospital_distance("lite1") < 1
