"""Two-sample test by a classifier: a small CNN learns to tell synthetic from real images.

In: pairs of images. Out: the area under its ROC curve on pairs that it did not learn from (Lopez-
Paz & Oquab 2017, arXiv 1610.06545): .5 where nothing tells them apart, 1 where all do. Its folds
learn in memory, side by side and for seconds: no checkpoint and no average, so
`busgen.training_loop.train` does not serve here.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from busgen import seeds
from busgen.arrays import Bools, Floats, Indices, Names, Pixels
from busgen.compute.devices import autocast, torch_threads
from busgen.errors import UserError
from busgen.judges.judges import to_input
from busgen.judges.nets import Classifier, seed_network
from busgen.judges.training.fit import rate_share
from busgen.learning.trainees import set_rate
from busgen.seeds import Rng
from busgen.stats.bootstrap import Score
from busgen.stats.patients import interval
from busgen.stats.roc import auc

BOOT = 400


@dataclass(frozen=True)
class Pairs:
    """Synthetic and real images (N, S, S) uint8, matched in what is not to tell them apart.

    `hidden` (N, S, S) bool is blacked in both of a pair; `families` and `patients` (N,) are what
    synthetic and real ones stem from: no fold learns from a family or patient that it judges.
    """

    synthetic: Pixels
    real: Pixels
    hidden: Bools
    families: Names
    patients: Names

    def __len__(self) -> int:
        return len(self.real)

    def pick(self, rows: Indices) -> "Pairs":
        """Return the pairs of `rows`."""
        return Pairs(**{name: each[rows] for name, each in vars(self).items()})


@dataclass(frozen=True)
class Recipe:
    """How the classifier learns, on `patch_px` patches at full resolution.

    `steps` a fold, of `batch` patches; `grid` patches a side, spread evenly, whose mean logit
    judges an image; `workers` folds learned at once, one thread each, which changes no number.
    """

    folds: int = 3
    steps: int = 300
    batch: int = 32
    rate: float = 3e-3
    patch_px: int = 96
    grid: int = 3
    widths: tuple[int, ...] = (16, 32, 64, 96)
    half_precision: bool = True
    workers: int = 2


@dataclass(frozen=True)
class _Pile:
    """Images (2N, S, S), overlays blacked; which are synthetic; the fold that judges each."""

    images: Pixels
    synthetic: Bools
    fold: Indices


def cross_validate(pairs: Pairs, seed: int = 0, recipe: Recipe | None = None) -> Score:
    """Return how well a small CNN tells the images of pairs apart, cross-validated.

    `pairs` equal numbers of synthetic and real images of one size; `seed` decides folds, initial
    weights, patches; `recipe` how it learns. Raises `UserError` if shapes differ, images are
    smaller than a patch, or there are too few for the folds.

    Of the score, `value` is the mean over folds of the area under the ROC curve, of `n` pairs;
    `interval` the 95 % bootstrap over what folds keep together, of the nets as trained; `floor` .5
    and `floor_limit` the 97.5 % limit where nothing tells them apart: twice the variance of
    Mann-Whitney's U, since what one fold has by chance helps or misleads all the others.
    """
    recipe = recipe or Recipe()
    _check(pairs, recipe)
    rng = seeds.rng(seed, "two-sample")
    groups = group_pairs(pairs.families, pairs.patients)
    images = np.concatenate([pairs.synthetic, pairs.real])
    images[np.concatenate([pairs.hidden] * 2)] = 0
    generated = np.repeat([True, False], len(pairs))
    pile = _Pile(images, generated, np.tile(assign_folds(groups, recipe.folds, rng), 2))
    with torch_threads(), ThreadPoolExecutor(recipe.workers) as pool:
        make = partial(Classifier, 1, recipe.widths, dropout=0.0)
        nets = [seed_network(make, seeds.sample_seed(seed, k)) for k in range(recipe.folds)]
        draws = [seeds.rng(seed, f"two-sample {k}") for k in range(recipe.folds)]
        judge = partial(_judge, pile, recipe)
        logits = np.sum(list(pool.map(judge, range(recipe.folds), nets, draws)), axis=0)

    def score(rows: Indices) -> float:
        parts = [rows[pile.fold[rows] == k] for k in np.unique(pile.fold[rows])]
        # the mean over folds: logits of different nets do not compare
        return float(np.nanmean([auc(generated[part], logits[part]) for part in parts]))

    low, high = interval(score, np.tile(groups, 2), rng, BOOT)
    limit = 0.5 + norm.ppf(0.975) * sqrt(2 * (2 * len(pairs) + 1) / (12 * len(pairs) ** 2))
    value = score(np.arange(len(generated)))
    return Score(value, len(pairs), (low, high), 0.5, float(min(limit, 1.0)))


def group_pairs(families: Names, patients: Names) -> Names:
    """Return a name (N,) for each pair, the same where pairs share a family or a patient."""
    one, two = (np.unique(names, return_inverse=True)[1] for names in (families, patients))
    count = int(one.max()) + 1
    total = count + int(two.max()) + 1
    graph = coo_array((np.ones(len(one)), (one, count + two)), shape=(total, total))
    return np.asarray(connected_components(graph, directed=False)[1][one].astype(str))


def assign_folds(groups: Names, count: int, rng: Rng) -> Indices:
    """Return a fold (N,) for each pair: groups stay together, the fullest are placed first."""
    _, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, place = np.zeros(count), np.zeros(len(sizes), np.intp)
    for group in order:
        place[group] = filled.argmin()
        filled[place[group]] += sizes[group]
    return place[of]


def _judge(pile: _Pile, recipe: Recipe, number: int, net: nn.Module, rng: Rng) -> Floats:
    """Return logits of the images of one fold from a net that learns from the others, else 0."""
    _learn(pile, recipe, number, net, rng)
    logits = np.zeros(len(pile.images))
    net.eval()
    with torch.inference_mode():
        for row in np.flatnonzero(pile.fold == number):
            seen = to_input(_grid(pile.images[row], recipe)[:, None], "cpu")
            logits[row] = float(net(seen).mean())
    return logits


def _learn(pile: _Pile, recipe: Recipe, number: int, net: nn.Module, rng: Rng) -> None:
    """Teach `net` on patches of all folds but `number`, as many synthetic as real ones."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=0.05)
    others = pile.fold != number
    sides = [np.flatnonzero(others & (pile.synthetic == side)) for side in (False, True)]
    targets = torch.arange(2.0).repeat_interleave(recipe.batch // 2)
    net.train()
    for step in range(recipe.steps):
        set_rate(optimiser, recipe.rate * rate_share(step / recipe.steps))
        chosen = np.concatenate([rng.choice(side, recipe.batch // 2) for side in sides])
        seen = to_input(_patches(pile.images, chosen, recipe.patch_px, rng)[:, None], "cpu")
        with autocast(torch.device("cpu"), recipe.half_precision):
            answers = net(seen)
        optimiser.zero_grad()
        torch.autograd.backward(binary_cross_entropy_with_logits(answers.float(), targets))
        optimiser.step()


def _patches(images: Pixels, chosen: Indices, side: int, rng: Rng) -> Pixels:
    """Return a patch of each chosen image, half of them mirrored."""
    room = images.shape[1] - side + 1
    patches = np.empty((len(chosen), side, side), np.uint8)
    for k, number in enumerate(chosen):
        row, col = rng.integers(room, size=2)
        patch = images[number, row : row + side, col : col + side]
        patches[k] = patch[:, ::-1] if rng.random() < 0.5 else patch
    return patches


def _grid(image: Pixels, recipe: Recipe) -> Pixels:
    side = recipe.patch_px
    starts = np.linspace(0, len(image) - side, recipe.grid).round().astype(int)
    return np.stack([image[r : r + side, c : c + side] for r in starts for c in starts])


def _check(pairs: Pairs, recipe: Recipe) -> None:
    shapes = {pairs.synthetic.shape, pairs.real.shape, pairs.hidden.shape}
    groups = len(np.unique(group_pairs(pairs.families, pairs.patients))) if len(pairs) else 0
    if len(shapes) > 1 or groups < 2 * recipe.folds or pairs.real.shape[1] < recipe.patch_px:
        rule = f"a two-sample test needs pairs of one size, {recipe.patch_px} px or more, "
        rule += f"of {2 * recipe.folds} patients and families or more that share none"
        raise UserError(rule, f"{shapes}, {groups}", "give more images, or a smaller recipe")
