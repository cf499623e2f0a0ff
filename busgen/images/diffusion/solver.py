"""Solver of the paths from noise to latents: second order, its few steps where they count.

In: velocities. Out: latents. On x = (1 - s) x0 + s e the levels' ratios of noise to signal,
s / (1 - s), are spaced as Karras spaces them (2022, arXiv 2206.00364, eq. 5): even steps have too
few where little noise is left, and smooth the texture away. Between them DPM-Solver++ of second
order (Lu 2022, arXiv 2211.01095, algorithm 2), the last step too.
"""

import math

import numpy as np
import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

TIMES = 1000  # the network's time of pure noise


class FlowSolver(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """Levels and steps; one solver draws one batch, for it remembers the step before.

    `noisiest`, `cleanest` ratios of noise to signal of the first and of the last level but 0;
    chosen on validation patients (docs/log); `rho` how much more densely low levels are spaced.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, noisiest: float = 200.0, cleanest: float = 0.02, rho: float = 7.0) -> None:
        self.levels: list[float] = []
        self.timesteps = torch.empty(0)
        self.done = 0
        self.before: Tensor | None = None

    def set_timesteps(self, steps: int, device: torch.device | None = None) -> None:
        """Begin a path of `steps` steps; `timesteps` (steps,) are the network's times."""
        first, last = (
            self.config[name] ** (1 / self.config.rho) for name in ("noisiest", "cleanest")
        )
        ratios = np.linspace(first, last, steps) ** self.config.rho
        self.levels = [*(ratios / (1 + ratios)).tolist(), 0.0]
        self.timesteps = TIMES * torch.tensor(self.levels[:-1], device=device)
        self.done, self.before = 0, None

    def skip(self, steps: int) -> float:
        """Leave out the first `steps` of a path that has begun; return the level it is at now."""
        self.timesteps, self.done = self.timesteps[steps:], steps
        return self.levels[steps]

    def step(self, velocity: Tensor, latents: Tensor) -> Tensor:
        """Return latents one level further, along the velocity e - x0 found at this one."""
        now, then = self.levels[self.done : self.done + 2]
        clean = latents - now * velocity
        further = _signal(then) - _signal(now) if then else math.inf
        guess = clean
        if self.before is not None:
            back = _signal(now) - _signal(self.levels[self.done - 1])
            ratio = further / back if then else 1.0
            guess = clean + ratio / 2 * (clean - self.before)
        self.done, self.before = self.done + 1, clean
        toward = (1 - then) * (1 - math.exp(-further))
        return then / now * latents + toward * guess


def _signal(level: float) -> float:
    """Return the logarithm of signal over noise."""
    return math.log((1 - level) / level)
