"""Our scores beside those of other programs, given the same features.

In: nothing; points are drawn. Out: relative differences. Torchmetrics and MONAI have Fréchet
distance, KID, MMD and AUC; SciPy the Kolmogorov-Smirnov distance; neighbours are scikit-learn's,
what they are counted for is written out here; of the Vendi score a closed form is known.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from busgen.arrays import Floats
from busgen.bench.harness import Figure, Figures
from busgen.metrics.distribution import (
    NAMES,
    NEAREST,
    frechet_distance,
    gaussian_kernel,
    group_distances,
    map_pairs,
    overlap_points,
    squared_mmd,
    squared_mmd_of,
    vendi_score,
)
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample
from busgen.stats.ks import ks
from busgen.stats.roc import auc

if TYPE_CHECKING:
    from torchmetrics import Metric

N, D, KINDS = 200, 8, 5
Both = tuple[float, float]


def figures() -> Figures:
    """Return the largest relative difference, and that of each score."""
    tiny = float(np.finfo(np.float64).tiny)
    pairs = compare_values()
    measured = {name: abs(a - b) / max(abs(b), tiny) for name, (a, b) in pairs.items()}
    single = {f"{name}_reference_error": Figure(one, "share", N) for name, one in measured.items()}
    return {
        "score_reference_error": Figure(max(measured.values()), "share", len(measured)),
        **single,
    }


def compare_values() -> dict[str, Both]:
    """Return name -> our score and the other's, of two sets of whole numbers from 0 to 255.

    Raises `ImportError` where torchmetrics or MONAI are missing: they come with `busgen[dev]`.
    """
    from monai.metrics.fid import FIDMetric
    from monai.metrics.mmd import MMDMetric
    from scipy.stats import ks_2samp
    from torchmetrics.functional.classification import binary_auroc
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    pick, rows, alone = rng(0, "references"), np.arange(N), np.arange(N).astype(str)
    a, b = (pick.integers(*limits, (N, D)).astype(np.float64) for limits in ((0, 200), (30, 255)))
    generated, scores = np.repeat([True, False], N), np.concatenate([a[:, 0], b[:, 0]])
    fid = FrechetInceptionDistance(_FirstChannel(), input_img_size=(3, 1, D))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how much memory all features take
        kid = KernelInceptionDistance(_FirstChannel(), subsets=1, subset_size=N)
    # MONAI's kernel is linear: of points whose products are our kernel, it is ours
    points = np.concatenate([a, b])
    kernel = gaussian_kernel(group_distances(Sample(b, alone)))
    values, axes = np.linalg.eigh(kernel(points, points))
    mapped = torch.from_numpy(axes * np.sqrt(values.clip(0)))
    mmd = squared_mmd_of(map_pairs(kernel, points), np.tile(rows, 2), rows, N + rows)
    area = binary_auroc(torch.from_numpy(scores / 255), torch.from_numpy(generated))
    pair, frechet = (torch.from_numpy(a), torch.from_numpy(b)), frechet_distance(a, b)
    found = {
        "frechet_torchmetrics": (frechet, _update(fid, a, b).compute()),
        "frechet_monai": (frechet, FIDMetric()(*pair)),
        "kid_torchmetrics": (
            squared_mmd(Sample(a, alone), Sample(b, alone)),
            _update(kid, a, b).compute()[0],
        ),
        "mmd_monai": (mmd, MMDMetric()(mapped[:N], mapped[N:])),
        "auc_torchmetrics": (auc(generated, scores), area),
        "ks_scipy": (ks(a[:, 0], b[:, 0]), ks_2samp(a[:, 0], b[:, 0]).statistic),
        "vendi_closed_form": (vendi_score(np.eye(KINDS).repeat(N, axis=0)), KINDS),
    }
    return {name: (ours, float(other)) for name, (ours, other) in found.items()} | _overlap(a, b)


def _overlap(generated: Floats, real: Floats) -> dict[str, Both]:
    """Return precision, recall, density and coverage as their papers write them."""
    from scipy.spatial.distance import cdist
    from sklearn.neighbors import NearestNeighbors

    def distance(points: Floats) -> Floats:
        """Return distances to the k-th neighbour; the first one found is the point itself."""
        fitted = NearestNeighbors(n_neighbors=NEAREST + 1).fit(points)
        return np.asarray(fitted.kneighbors(points)[0][:, -1], np.float64)

    between = cdist(generated, real)
    in_real, in_made = between < distance(real), between < distance(generated)[:, None]
    theirs = {
        "precision": in_real.any(axis=1).mean(),
        "recall": in_made.any(axis=0).mean(),
        "density": in_real.sum() / (NEAREST * N),
        "coverage": in_real.any(axis=0).mean(),
    }
    ours = overlap_points(generated, real)
    return {f"{name}_neighbours": (getattr(ours, name), float(theirs[name])) for name in NAMES}


class _FirstChannel(torch.nn.Module):
    """A network whose features of images (N, 3, 1, D) are their first channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 0].float()


def _update(metric: "Metric", a: Floats, b: Floats) -> "Metric":
    """Return the metric of both sets as images."""
    for points, real in ((a, False), (b, True)):
        images = torch.from_numpy(points).to(torch.uint8)
        metric.update(images[:, None, None].repeat(1, 3, 1, 1), real=real)
    return metric
