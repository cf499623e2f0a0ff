"""Our scores beside those of torchmetrics and MONAI, given the same features: within 1e-4."""

import warnings

import numpy as np
import pytest
import torch

from busgen.quality.distribution import frechet_distance, gaussian, mmd2
from busgen.quality.draws import Sample
from busgen.seeds import rng

D = 6


class Pixels(torch.nn.Module):
    """Features of pictures (N, 3, 1, D): their first channel."""

    def forward(self, images):
        """Return them (N, D)."""
        return images[:, 0, 0].float()


def samples():
    """Return two samples of whole numbers from 0 to 255, as pictures have them."""
    pick = rng(0, "references")
    made = [pick.integers(low, high, (40, D)).astype(float) for low, high in ((0, 200), (30, 255))]
    return [Sample(points, np.arange(40).astype(str)) for points in made]


def pictures(sample):
    """Return the points as pictures (N, 3, 1, D)."""
    points = torch.from_numpy(sample.points).to(torch.uint8)
    return points[:, None, None].repeat(1, 3, 1, 1)


def test_frechet_distance_is_that_of_torchmetrics_and_monai():
    fid = pytest.importorskip("torchmetrics.image.fid")
    monai = pytest.importorskip("monai.metrics")
    a, b = samples()
    ours = frechet_distance(a.points, b.points)
    theirs = fid.FrechetInceptionDistance(Pixels(), input_img_size=(3, 1, D))
    theirs.update(pictures(a), real=False)
    theirs.update(pictures(b), real=True)
    assert float(theirs.compute()) == pytest.approx(ours, rel=1e-4)
    told = monai.FIDMetric()(torch.from_numpy(a.points), torch.from_numpy(b.points))
    assert float(told) == pytest.approx(ours, rel=1e-4)


def test_kernel_distance_is_that_of_torchmetrics():
    kid = pytest.importorskip("torchmetrics.image.kid")
    a, b = samples()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how much memory all features take
        theirs = kid.KernelInceptionDistance(Pixels(), subsets=1, subset_size=40)
    theirs.update(pictures(a), real=False)
    theirs.update(pictures(b), real=True)
    assert float(theirs.compute()[0]) == pytest.approx(mmd2(a, b), rel=1e-4)


def test_mean_discrepancy_of_a_gaussian_kernel_is_that_of_monai():
    monai = pytest.importorskip("monai.metrics")
    from busgen.quality.distribution import apart, kernel_mmd2

    a, b = samples()
    points = np.concatenate([a.points, b.points])
    kernel = gaussian(apart(points, points), apart(b.points, b.points))
    values, axes = np.linalg.eigh(kernel)
    mapped = torch.from_numpy(axes * np.sqrt(values.clip(0)))  # whose products are the kernel
    theirs = monai.MMDMetric()(mapped[:40], mapped[40:])
    rows = np.arange(40)
    groups = np.concatenate([rows, rows])
    ours = kernel_mmd2(kernel, groups, (rows, 40 + rows))
    assert float(theirs) == pytest.approx(ours, rel=1e-4)
