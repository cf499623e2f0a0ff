"""Exact inference in a small discrete network: eliminate variables one by one.

In: factors, i.e. non-negative tables over named axes. Out: conditional tables in the order in which
a sample is drawn, marginals, and weights that make marginals meet given targets (raking).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters

import numpy as np

from busgen.arrays import Floats, Indices

ROUNDS, TOLERANCE = 2000, 1e-10


@dataclass(frozen=True, eq=False)
class Factor:
    """A table whose axes are the variables in `axes`, in that order."""

    axes: tuple[str, ...]
    table: Floats


def multiply(factors: Sequence[Factor], axes: Sequence[str]) -> Floats:
    """Return the product of `factors`, summed to `axes` (order kept)."""
    names = sorted({name for factor in factors for name in factor.axes} | set(axes))
    letter = dict(zip(names, ascii_letters, strict=False))
    inputs = ",".join("".join(letter[name] for name in factor.axes) for factor in factors)
    output = "".join(letter[name] for name in axes)
    tables = [factor.table for factor in factors]
    product = np.einsum(f"{inputs}->{output}", *tables, optimize="greedy")
    return np.asarray(product, np.float64)


def eliminate(factors: Sequence[Factor], order: Sequence[str]) -> tuple[dict[str, Factor], float]:
    """Return P(variable | earlier variables) of the normalised product, and the product's sum.

    Variables go out from the last of `order` to the first (bucket elimination), so the tables can
    be drawn from in `order`. Each table's last axis is its own variable; rows that cannot occur
    are zero.
    """
    left, conditionals = list(factors), {}
    for name in reversed(order):
        near = [factor for factor in left if name in factor.axes]
        others = {axis for factor in near for axis in factor.axes} - {name}
        axes = tuple(axis for axis in order if axis in others)
        product = multiply(near, (*axes, name))
        message = product.sum(-1)
        rows = np.divide(product, message[..., None], where=message[..., None] > 0, out=product)
        conditionals[name] = Factor((*axes, name), rows)
        left = [factor for factor in left if name not in factor.axes] + [Factor(axes, message)]
    return conditionals, float(np.prod([factor.table for factor in left]))


@dataclass(frozen=True, eq=False)
class Target:
    """Wanted shares of groups of one variable's states.

    `groups` gives each state's group, -1 for states that keep their mass (a lesion's field where
    there is no lesion); `shares` sum to 1 over the groups' common mass.
    """

    axis: str
    groups: Indices
    shares: Floats


def rake(factors: Sequence[Factor], targets: Sequence[Target]) -> tuple[list[Factor], float]:
    """Return factors that make the joint meet `targets`, and how far off they stay.

    Iterative proportional fitting (Deming & Stephan 1940, doi:10.1214/aoms/1177731829): of all
    joints that meet the targets, the closest to the given one in relative entropy; what depends on
    a target's variable keeps its conditional probabilities. It runs on the targets' variables.
    """
    axes = tuple(dict.fromkeys(target.axis for target in targets))
    table = multiply(factors, axes)
    weights = {axis: np.ones(size) for axis, size in zip(axes, table.shape, strict=True)}
    error = np.inf
    for _ in range(ROUNDS):
        error = 0.0
        for target in targets:
            place = axes.index(target.axis)
            marginal = np.moveaxis(table, place, 0).reshape(table.shape[place], -1).sum(1)
            scale, off = _scale(marginal, target)
            error = max(error, off)
            weights[target.axis] *= scale
            table = table * scale.reshape([-1 if i == place else 1 for i in range(table.ndim)])
        if error < TOLERANCE:
            break
    return [Factor((axis,), weight) for axis, weight in weights.items()], error


def _scale(marginal: Floats, target: Target) -> tuple[Floats, float]:
    """Return each state's factor that meets one target, and the largest error before it."""
    taken = target.groups >= 0
    mass = np.bincount(target.groups[taken], marginal[taken], len(target.shares))
    now = mass / max(mass.sum(), 1e-300)
    factor = np.divide(target.shares, now, where=now > 0, out=np.ones_like(now))
    scale = np.where(taken, factor[target.groups], 1.0)
    return scale, float(np.abs(now - target.shares).max())
