"""Realism figures of an engine: names, floors, and that poor images score worse than others."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from busgen.bench.images import benchmark, realism
from busgen.images.engines import load_image_engine
from busgen.masks.engines import load_mask_engine
from busgen.metrics.two_sample import Recipe
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.real.crops import Crops

QUICK = Recipe(folds=2, steps=20, batch=16, patch_px=32, grid=2, widths=(8, 16))
SIDE = 64


def phantoms(n, start):
    """Return `n` images of the phantom, as if a scanner and patients had made them."""
    findings = draw(load_prior(), n, 5, size_px=SIDE, start=start)
    masks = load_mask_engine("curvature", SIDE).draw(findings)
    images = load_image_engine("phantom", SIDE, threads=1).render(findings, masks)
    words = [[f.scanner, f.pathology, f.family_id] for f in findings]
    names = np.full(n, "phantom")
    return Crops(images, masks, np.zeros_like(images), names, *np.array(words).T)


@pytest.fixture(scope="module")
def real():
    """Return a standard whose real images are the phantom's."""
    return realism.make_reference(phantoms(80, 0), phantoms(80, 200))


def test_figures_of_images_of_one_kind_are_at_their_floors(real):
    found = realism.figures("twin", phantoms(80, 400), real, QUICK)
    assert found["kid_us64_twin"].value < 2 * found["kid_us64_limit"].value
    assert found["frechet_us64_twin"].value < 1.5 * found["frechet_us64_limit"].value
    assert found["copies_twin"].value <= 0.1
    assert found["speckle_within_twin"].value > 0.7
    assert all(np.isfinite(figure.value) and figure.n > 0 for figure in found.values())
    assert {name for name in found if name.replace("twin", "diffusion") in benchmark.BARS} >= {
        "two_sample_auc_twin", "kid_us64_in_limits_twin", "speckle_within_twin",
        "speckle_within_texture_twin", "copies_excess_twin",
    }  # fmt: skip


def test_figures_of_copies_that_are_blurred_tell_so(real):
    source = phantoms(80, 200)
    blurred = np.stack([cv2.GaussianBlur(one, (0, 0), 1.5) for one in source.images])
    generated = replace(source, images=blurred, groups=np.arange(80).astype(str))
    found = realism.figures("blurred", generated, real, QUICK)
    assert found["kid_us64_blurred"].interval[0] > 0
    assert found["copies_blurred"].value > 0.9
    assert found["copies_excess_blurred"].value > 0.8
    assert found["speckle_within_texture_blurred"].value < 0.5


def test_images_in_the_stead_of_real_ones_are_their_pairs(real):
    generated = realism.match_pairs(real.held_out, real.held_out.images[:, ::-1])
    assert (generated.groups == real.held_out.groups).all()
    assert not generated.ignore.any()
