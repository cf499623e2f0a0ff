"""Engines by name: shapes, determinism, errors."""

import numpy as np
import pytest

from busgen.errors import UserError
from busgen.images.engines import ENGINES, UNTAUGHT, load_image_engine
from busgen.images.phantom.beams import STYLES
from busgen.schema import SCANNERS


@pytest.fixture
def batch(sample, normal):
    pairs = [sample(seed=i, scanner=scanner) for i, scanner in enumerate(SCANNERS)]
    pairs.append(normal(seed=9))
    findings, masks = zip(*pairs, strict=True)
    return list(findings), np.stack(masks)


def test_images_are_8_bit_grey(batch):
    images = load_image_engine("phantom").render(*batch)
    assert images.shape == (5, 256, 256)
    assert images.dtype == np.uint8
    assert (images.std((1, 2)) > 10).all()


def test_threads_and_batch_do_not_matter(batch):
    findings, masks = batch
    together = load_image_engine("phantom", threads=3).render(findings, masks)
    alone = load_image_engine("phantom", threads=1)
    for k in range(len(findings)):
        assert np.array_equal(alone.render(findings[k : k + 1], masks[k : k + 1])[0], together[k])


def test_seeds_differ(sample):
    engine = load_image_engine("phantom")
    (one, mask), (two, _) = sample(seed=1), sample(seed=2)
    images = engine.render([one, two], np.stack([mask, mask]))
    assert (images[0] != images[1]).mean() > 0.9


@pytest.mark.parametrize("size_px", [32, 64, 100])
def test_small_images(sample, size_px):
    pairs = [sample(size_px, scanner=s, pixel_mm=38.4 / size_px) for s in SCANNERS]
    findings, masks = zip(*pairs, strict=True)
    images = load_image_engine("phantom", size_px).render(findings, np.stack(masks))
    assert images.shape == (4, size_px, size_px)


def test_no_findings_no_images():
    engine = load_image_engine("phantom", 64)
    assert engine.render([], np.zeros((0, 64, 64), np.uint8)).shape == (0, 64, 64)


def test_unknown_engine_lists_the_known():
    with pytest.raises(UserError, match="phantom"):
        load_image_engine("photoshop")


def test_masks_must_fit(sample):
    finding, mask = sample(64)
    with pytest.raises(UserError, match="masks must be uint8 of shape"):
        load_image_engine("phantom", 128).render([finding], mask[None])


def test_unknown_scanner_is_named(sample):
    finding, mask = sample(scanner="toaster")
    with pytest.raises(UserError, match="toaster"):
        load_image_engine("phantom").render([finding], mask[None])


def test_every_scanner_of_the_schema_has_a_style():
    assert set(STYLES) == set(SCANNERS)


def test_hash_is_stable():
    assert len(load_image_engine("phantom").sha256) == 64
    assert load_image_engine("phantom").sha256 == load_image_engine("phantom").sha256
    assert list(ENGINES) == ["phantom", "diffusion", "stable_diffusion"]
    assert set(ENGINES) > UNTAUGHT == {"phantom"}
