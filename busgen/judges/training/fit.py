"""Training of one judge: epochs that depend on (seed, epoch) alone, so that a kill costs one.

In: training crops, a recipe. Out: averaged weights, and a checkpoint after every epoch. All that
is random comes from the seed and the number of the epoch: resumed or not, the bytes are the same.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from busgen import seeds
from busgen.io import replacing
from busgen.judges.judges import ClassifierSpec, SegmenterSpec
from busgen.judges.nets import channels_last
from busgen.judges.training.batches import Batch, Draws, batch_of
from busgen.real.crops import Crops, shares

MILD = 0.4  # strength of the changes in the second cycle
SMALL = 0.005  # of a view's area: what a false lesion of this size costs half of the Dice loss
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Recipe:
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

    @property
    def total(self) -> int:
        """Epochs of both cycles."""
        return self.epochs + self.polish


@dataclass(frozen=True)
class Member:
    """One member to train: the shape of its ensemble, its number in it, how it learns."""

    spec: SegmenterSpec | ClassifierSpec
    number: int
    recipe: Recipe

    @property
    def channels(self) -> int:
        """How many channels it sees."""
        return self.spec.channels(self.number) if isinstance(self.spec, ClassifierSpec) else 1


@dataclass
class _State:
    net: nn.Module
    mean: dict[str, Tensor]
    optimiser: torch.optim.AdamW
    epoch: int = 0


def train(
    member: Member,
    crops: Crops,
    seed: int,
    checkpoint: Path,
    tick: Tick,
) -> dict[str, Tensor]:
    """Return the running average of the weights after `recipe.total` epochs.

    Parameters
    ----------
    member
        Shape of the judge, which member of its ensemble it is, and how it learns.
    crops
        What it learns from: training patients only.
    seed
        Decides initial weights, draws and changes of the crops.
    checkpoint
        File to go on from where it exists, rewritten after every epoch.
    tick
        Called with the number of crops seen, after every step; with those of the epochs that
        the checkpoint holds, at the start.
    """
    recipe = member.recipe
    state = _begin(member, seed)
    if checkpoint.is_file():
        _restore(state, checkpoint)
    chances = shares(crops, labelled=isinstance(member.spec, ClassifierSpec))
    seen = seen_an_epoch(len(crops), recipe.batch)
    steps = seen // recipe.batch
    tick(state.epoch * seen)
    while state.epoch < recipe.total:
        if state.epoch == recipe.epochs:
            state = _begin(member, seed, state)
        cycle = _cycle(recipe, state.epoch)
        draws = Draws(seeds.rng(seed, f"epoch {state.epoch}"), cycle.strength)
        picked = draws.rng.choice(len(crops), (steps, recipe.batch), p=chances)
        with torch.random.fork_rng(devices=[]):  # what dropout draws follows the epoch too
            torch.manual_seed(seeds.sample_seed(seed, state.epoch))
            for step, indices in enumerate(picked):
                inputs = batch_of(member.spec, crops, indices, draws)
                _learn(state, member, inputs, cycle.rate_at(step / steps))
                tick(recipe.batch)
        state.epoch += 1
        _keep(state, checkpoint)
    return state.mean


def seen_an_epoch(n: int, batch: int) -> int:
    """Return how many of `n` crops an epoch draws: whole batches, one at least."""
    return max(n // batch, 1) * batch


@dataclass(frozen=True)
class _Cycle:
    """One epoch's place in its cycle: the epoch in it, its length, peak rate, changes."""

    epoch: int
    length: int
    rate: float
    strength: float

    def rate_at(self, share: float) -> float:
        """Return the learning rate after `share` of the epoch."""
        return self.rate * one_cycle((self.epoch + share) / self.length)


def _cycle(recipe: Recipe, epoch: int) -> _Cycle:
    if epoch < recipe.epochs:
        return _Cycle(epoch, recipe.epochs, recipe.rate, 1.0)
    return _Cycle(epoch - recipe.epochs, recipe.polish, recipe.rate / 2, MILD)


def _begin(member: Member, seed: int, before: _State | None = None) -> _State:
    """Return a state to learn from, with new weights or the average of those `before`."""
    recipe = member.recipe
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = channels_last(member.spec.build(member.number))
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=recipe.decay)
    if before is not None:
        net.load_state_dict(before.mean)
    mean = {k: v.clone() for k, v in net.state_dict().items()}
    return _State(net, mean, optimiser, before.epoch if before else 0)


def _learn(state: _State, member: Member, batch: Batch, rate: float) -> None:
    """Take one step at the learning rate `rate`."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    inputs, targets, weights = batch
    inputs = inputs[:, : member.channels]
    state.net.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=member.recipe.half_precision):
        logits = state.net(inputs)
    loss = loss_of(logits.float(), targets, weights)
    state.optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
    state.optimiser.step()
    with torch.no_grad():
        for key, value in state.net.state_dict().items():
            if value.is_floating_point():
                state.mean[key].lerp_(value, 1 - member.recipe.average)
            else:
                state.mean[key].copy_(value)


def one_cycle(progress: float) -> float:
    """Return the learning rate's share of its peak: up to it by .2 of the way, then down."""
    if progress < 0.2:
        return 0.04 + 0.96 * progress / 0.2
    return 0.5 * (1 + math.cos(math.pi * (progress - 0.2) / 0.8)) + 1e-3


def loss_of(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return cross-entropy, of pictures plus one minus soft Dice, smoothed by a small lesion."""
    entropy = binary_cross_entropy_with_logits(logits, targets, weights)
    if logits.ndim == 1:
        return entropy
    found, wanted = logits.sigmoid() * weights, targets * weights
    small = SMALL * logits[0].numel()
    both = (found * wanted).sum(dim=(1, 2, 3))
    sizes = (found + wanted).sum(dim=(1, 2, 3))
    return entropy + (1 - (2 * both + small) / (sizes + small)).mean()


def _keep(state: _State, path: Path) -> None:
    """Write the checkpoint: weights, their average, the optimiser's moments, the epoch."""
    tensors = {f"net/{k}": v for k, v in state.net.state_dict().items()}
    tensors |= {f"mean/{k}": v for k, v in state.mean.items()}
    for number, moments in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{number}/{k}": v for k, v in moments.items()}
    whole = {k: v.contiguous().clone() for k, v in tensors.items()}
    with replacing(path) as partial:
        save_file(whole, partial, metadata={"epoch": str(state.epoch)})


def _restore(state: _State, path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        state.epoch = int(file.metadata()["epoch"])
    state.net.load_state_dict(_under("net/", tensors))
    state.mean = _under("mean/", tensors)
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimiser/", tensors).items():
        number, _, name = key.partition("/")
        moments.setdefault(int(number), {})[name] = value
    record = state.optimiser.state_dict()
    state.optimiser.load_state_dict(record | {"state": moments})


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
