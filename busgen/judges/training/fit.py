"""Training of one judge by `busgen.training_loop`, a checkpoint after every epoch.

In: training crops, a recipe. Out: averaged weights. All that is random comes from the seed and the
number of the epoch: resumed or not, the bytes are the same.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from busgen import seeds, training_loop
from busgen.compute.devices import autocast
from busgen.judges.judges import ClassifierSpec, SegmenterSpec
from busgen.judges.nets import seed_network
from busgen.judges.training.batches import Draws, make_batch
from busgen.learning.trainees import SingleTrainee, adamw, set_rate, take_step
from busgen.real.crops import Crops, probabilities
from busgen.training_loop import Metrics, OnProgress, Schedule

MILD = 0.4  # strength of the changes in the second cycle
SMALL = 0.005  # of a view's area: what a false lesion of this size costs half of the Dice loss


class Recipe(NamedTuple):
    """How long and how fast one judge learns.

    `rate` peak of the one-cycle learning rate (Smith 2018, arXiv 1708.07120); `polish` epochs of
    a second cycle at half the rate that begins with the average and sees less changed crops;
    `decay` weight decay of AdamW; `average` share of the old weights that their running average
    keeps a step.
    """

    epochs: int
    batch: int
    rate: float
    polish: int = 0
    decay: float = 0.05
    average: float = 0.995
    half_precision: bool = True


class Member(NamedTuple):
    """One member to train: the shape of its ensemble, its number in it, how it learns."""

    spec: SegmenterSpec | ClassifierSpec
    number: int
    recipe: Recipe


class _Learner(SingleTrainee):
    """A member's network, the crops that it sees, its cycle's first epoch and strength of changes.

    What is drawn in an epoch comes from the seed and the number of the epoch: `draws` change crops,
    `picked` (steps, batch) says which, `noise` is what dropout draws from.
    """

    draws: Draws
    picked: NDArray[np.int64]
    noise: Tensor

    def __init__(
        self, member: Member, crops: Crops, net: nn.Module, first: int, strength: float
    ) -> None:
        super().__init__(net, adamw(net, member.recipe.decay))
        self.member, self.crops, self.first, self.strength = member, crops, first, strength
        self.chances = probabilities(crops, labelled=isinstance(member.spec, ClassifierSpec))

    def training_step(self, step: int, draws: training_loop.Draws, schedule: Schedule) -> Metrics:
        """Take one step; the first one of an epoch decides what the others see."""
        del draws
        place = step % schedule.keep
        if place == 0:
            self._begin_epoch(self.first + step // schedule.keep, schedule)
        set_rate(self.optimiser, schedule.rate * rate_share(step / schedule.steps))
        indices = self.picked[place]
        inputs, targets, weights = make_batch(self.member.spec, self.crops, indices, self.draws)
        self.net.train()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.noise)
            with autocast(self.device, schedule.half_precision):
                logits = self.net(inputs[:, : self.member.spec.channels(self.member.number)])
            self.noise = torch.get_rng_state()
        loss = compute_loss(logits.float(), targets, weights)
        take_step(self.net, self.optimiser, loss)
        return {"loss": float(loss.detach())}

    def _begin_epoch(self, epoch: int, schedule: Schedule) -> None:
        self.draws = Draws(seeds.rng(schedule.seed, f"epoch {epoch}"), self.strength)
        shape = (schedule.keep, schedule.batch)
        self.picked = self.draws.rng.choice(len(self.crops), shape, p=self.chances)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.sample_seed(schedule.seed, epoch))
            self.noise = torch.get_rng_state()


def train(
    member: Member, crops: Crops, seed: int, work: Path, tick: OnProgress
) -> dict[str, Tensor]:
    """Return the running average of the weights after the epochs of both cycles.

    Checkpoints in `work` are gone on from where they exist, and written after every epoch. `tick`
    gets the number of crops seen, after every step; with those of the epochs that a checkpoint
    holds, at the start of a cycle.
    """
    recipe = member.recipe
    steps = images_per_epoch(len(crops), recipe.batch) // recipe.batch
    cycles = [(0, recipe.epochs, recipe.rate, 1.0)]
    if recipe.polish:
        cycles.append((recipe.epochs, recipe.polish, recipe.rate / 2, MILD))
    net = seed_network(lambda: member.spec.build(member.number), seed)
    for first, epochs, rate, strength in cycles:
        learner = _Learner(member, crops, net, first, strength)
        schedule = Schedule(
            epochs * steps,
            recipe.batch,
            rate,
            seed,
            average=recipe.average,
            average_at_once=True,
            half_precision=recipe.half_precision,
            keep=steps,
        )
        mean = training_loop.train(learner, schedule, work / f"cycle-{first}", tick)["net"]
        net.load_state_dict(mean.state_dict())
    return dict(net.state_dict())


def images_per_epoch(n: int, batch: int) -> int:
    """Return how many of `n` crops an epoch draws: whole batches, one at least."""
    return max(n // batch, 1) * batch


def rate_share(progress: float) -> float:
    """Return the learning rate's share of its peak: up to it by .2 of the way, then down."""
    if progress < 0.2:
        return 0.04 + 0.96 * progress / 0.2
    return 0.5 * (1 + math.cos(math.pi * (progress - 0.2) / 0.8)) + 1e-3


def compute_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return cross-entropy, of images plus one minus soft Dice, smoothed by a small lesion."""
    entropy = binary_cross_entropy_with_logits(logits, targets, weights)
    if logits.ndim == 1:
        return entropy
    found, wanted = logits.sigmoid() * weights, targets * weights
    small = SMALL * logits[0].numel()
    both = (found * wanted).sum(dim=(1, 2, 3))
    sizes = (found + wanted).sum(dim=(1, 2, 3))
    return entropy + (1 - (2 * both + small) / (sizes + small)).mean()
