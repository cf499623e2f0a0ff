"""Our scores beside those of other programs, given the same features.

In: nothing; points are drawn. Out: relative differences. Torchmetrics and MONAI have Fréchet
distance, KID, MMD and AUC; SciPy the Kolmogorov-Smirnov distance; neighbours are scikit-learn's,
what they are counted for is written out here; of the Vendi score a closed form is known.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from busgen.bench.harness import Bar, Figure
from busgen.metrics.distribution import (
    frechet_distance,
    gaussian_kernel,
    group_distances,
    map_pairs,
    squared_mmd,
    squared_mmd_of,
)
from busgen.metrics.prdc import NAMES, NEAREST, overlap_points
from busgen.metrics.vendi import vendi_score
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample
from busgen.stats.ks import ks
from busgen.stats.roc import auc

if TYPE_CHECKING:
    from torchmetrics import Metric

N, D, KINDS = 200, 8, 5
Floats = NDArray[np.float64]
Both = tuple[float, float]

BARS = {"score_reference_error": Bar("<=", 1e-4)}


def figures() -> dict[str, Figure]:
    """Return the largest relative difference, and that of each score."""
    tiny = float(np.finfo(np.float64).tiny)
    pairs = compare_values()
    told = {name: abs(a - b) / max(abs(b), tiny) for name, (a, b) in pairs.items()}
    single = {f"{name}_reference_error": Figure(one, "share", N) for name, one in told.items()}
    return {"score_reference_error": Figure(max(told.values()), "share", len(told)), **single}


def compare_values() -> dict[str, Both]:
    """Return name -> our score and the other's, of two sets of whole numbers from 0 to 255.

    Raises `ImportError` where torchmetrics or MONAI are missing: they come with `busgen[dev]`.
    """
    pick = rng(0, "references")
    a, b = (pick.integers(*limits, (N, D)).astype(np.float64) for limits in ((0, 200), (30, 255)))
    compare: dict[str, Callable[[Floats, Floats], Both]] = {
        "frechet_torchmetrics": _frechet_torchmetrics,
        "frechet_monai": _frechet_monai,
        "kid_torchmetrics": _kid,
        "mmd_monai": _mmd,
        "auc_torchmetrics": _auc,
        "ks_scipy": _ks,
    }
    vendi = vendi_score(np.eye(KINDS).repeat(N, axis=0)), float(KINDS)
    values = {name: pair(a, b) for name, pair in compare.items()}
    return values | {"vendi_closed_form": vendi} | _overlap(a, b)


def _frechet_torchmetrics(a: Floats, b: Floats) -> Both:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_FirstChannel(), input_img_size=(3, 1, D))
    return frechet_distance(a, b), float(_update(metric, a, b).compute())


def _frechet_monai(a: Floats, b: Floats) -> Both:
    from monai.metrics.fid import FIDMetric

    return frechet_distance(a, b), float(FIDMetric()(torch.from_numpy(a), torch.from_numpy(b)))


def _kid(a: Floats, b: Floats) -> Both:
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how much memory all features take
        metric = KernelInceptionDistance(_FirstChannel(), subsets=1, subset_size=N)
    alone = np.arange(N).astype(str)
    ours = squared_mmd(Sample(a, alone), Sample(b, alone))
    return ours, float(_update(metric, a, b).compute()[0])


def _mmd(a: Floats, b: Floats) -> Both:
    """Return ours, and MONAI's of points whose products are the kernel."""
    from monai.metrics.mmd import MMDMetric

    points, rows = np.concatenate([a, b]), np.arange(N)
    kernel = gaussian_kernel(group_distances(Sample(b, rows.astype(str))))
    values, axes = np.linalg.eigh(kernel(points, points))
    mapped = torch.from_numpy(axes * np.sqrt(values.clip(0)))
    ours = squared_mmd_of(map_pairs(kernel, points), np.tile(rows, 2), rows, N + rows)
    return ours, float(MMDMetric()(mapped[:N], mapped[N:]))


def _auc(a: Floats, b: Floats) -> Both:
    from torchmetrics.functional.classification import binary_auroc

    made, scores = np.repeat([True, False], N), np.concatenate([a[:, 0], b[:, 0]])
    theirs = binary_auroc(torch.from_numpy(scores / 255), torch.from_numpy(made))
    return auc(made, scores), float(theirs)


def _ks(a: Floats, b: Floats) -> Both:
    from scipy.stats import ks_2samp

    return ks(a[:, 0], b[:, 0]), float(ks_2samp(a[:, 0], b[:, 0]).statistic)


def _overlap(made: Floats, real: Floats) -> dict[str, Both]:
    """Return precision, recall, density and coverage as their papers write them."""
    from scipy.spatial.distance import cdist
    from sklearn.neighbors import NearestNeighbors

    def distance(points: Floats) -> Floats:
        """Return distances to the k-th neighbour; the first one found is the point itself."""
        fitted = NearestNeighbors(n_neighbors=NEAREST + 1).fit(points)
        return np.asarray(fitted.kneighbors(points)[0][:, -1], np.float64)

    between = cdist(made, real)
    in_real, in_made = between < distance(real), between < distance(made)[:, None]
    theirs = {
        "precision": in_real.any(axis=1).mean(),
        "recall": in_made.any(axis=0).mean(),
        "density": in_real.sum() / (NEAREST * N),
        "coverage": in_real.any(axis=0).mean(),
    }
    ours = overlap_points(made, real)
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
