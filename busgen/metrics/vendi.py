"""Vendi score: how many images that have nothing in common a set is as diverse as.

In: features of synthetic and of real images. Out: a `Score` of the synthetic ones; its floor is
what as many real ones have.
"""

import numpy as np

from busgen.seeds import Rng
from busgen.stats.bootstrap import DRAWS, Sample, Score, draw, join, summarise
from busgen.stats.patients import Floats


def vendi(synthetic: Sample, real: Sample, rng: Rng, draws: int = DRAWS) -> Score:
    """Return the Vendi score of n synthetic images, beside that of n real ones.

    Low is bad. Values of other n or spaces do not compare. Parameters and errors are those of
    `busgen.metrics.distribution.kid`.
    """
    points, _ = join(synthetic, real)
    told = draw(lambda own, _: vendi_score(points[own]), (synthetic, real), rng, draws)
    return summarise(told, low_is_bad=True)


def vendi_score(points: Floats) -> float:
    """Return the Vendi score of points (N, D), in [1, N] (Friedman & Dieng 2023, arXiv 2210.02410).

    The exponential of the entropy of the eigenvalues of K / N, K the cosines of all pairs; of more
    points than dimensions those of the (D, D) product, which are the same.
    """
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.maximum(lengths, np.finfo(np.float64).tiny)
    product = unit.T @ unit if len(unit) > unit.shape[1] else unit @ unit.T
    shares = np.linalg.eigvalsh(product / len(unit))
    shares = shares[shares > np.finfo(np.float64).eps]
    return float(np.exp(-(shares * np.log(shares)).sum()))
