"""What trainees of `busgen.training_loop` share: their first weights, a step, kinds of them.

In: networks, optimisers, losses. Out: steps.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from busgen.training_loop import Draws, Metrics, Schedule


class SingleTrainee:
    """A trainee of one network and its optimiser, without validation."""

    averaged_modules: tuple[str, ...] = ("net",)

    def __init__(self, net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        self.net, self.optimiser = net, optimiser
        self.modules: Mapping[str, nn.Module] = {"net": net}
        self.optimisers: Mapping[str, torch.optim.Optimizer] = {"net": optimiser}

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return next((weights.device for weights in self.net.parameters()), torch.device("cpu"))

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return nothing."""
        del mean, step
        return {}


class AdversarialTrainee:
    """A trainee of a network and its critics, all of which step together."""

    modules: Mapping[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]

    @abstractmethod
    def add_gradients(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Add one batch's gradients to all networks; return what is to be logged."""

    def training_step(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Take one step of the critics and one of the network."""
        for optimiser in self.optimisers.values():
            set_rate(optimiser, schedule.rate_at(step))
            optimiser.zero_grad()
        for _ in range(schedule.accumulate):
            metrics = self.add_gradients(step, draws, schedule)
        for module in self.modules.values():
            if weights := list(module.parameters()):
                nn.utils.clip_grad_norm_(weights, 1.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        return metrics


def adversaries(
    networks: Mapping[str, nn.Module], betas: tuple[float, float] = (0.5, 0.95)
) -> dict[str, torch.optim.Optimizer]:
    """Return an optimiser for what learns of each of a network and its critics."""
    learning = {n: [p for p in net.parameters() if p.requires_grad] for n, net in networks.items()}
    return {
        name: torch.optim.AdamW(weights, lr=0, betas=betas, weight_decay=0.01)
        for name, weights in learning.items()
    }


def adamw(net: nn.Module, decay: float) -> torch.optim.AdamW:
    """Return an optimiser under which matrices and kernels decay, offsets and scales do not."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, weight_decay=decay)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give the parameters of an optimiser a learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def take_step(net: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Move the weights of `net` against the gradient of `loss`, its norm 1 at the most."""
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()


def build_network(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a network whose first weights follow from `seed`, its kernels channels last."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
