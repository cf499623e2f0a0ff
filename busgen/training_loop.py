"""The training loop: steps that depend on (seed, step) alone, so that a kill costs some minutes.

In: something that learns (`Trainee`), a `Schedule`. Out: running averages of its weights, and a
folder with `checkpoint.safetensors` and `log.jsonl`. Resumed or not, weights and log are the same,
but for the log's times.
"""

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from busgen import seeds
from busgen.errors import DataError
from busgen.io import write_text
from busgen.learning.checkpoints import read_checkpoint, write_checkpoint

CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"
OnProgress = Callable[[int], None]
Metrics = dict[str, float]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast something learns.

    `batch` images a pass and `accumulate` passes a step; `rate` after `warmup` steps, falling to
    nothing over the last `cooldown` share of them; `average` the longest memory of the weights'
    running average, which is shorter at first unless `average_at_once`; `half_precision` bfloat16
    where it is faster; `keep` and `validate` steps between checkpoints and between sees
    held-out patients; `patience` looks without a lower `validation_loss` after which it stops, with
    the averages of the lowest (0: it never does).
    """

    steps: int
    batch: int
    rate: float
    seed: int = 7
    accumulate: int = 1
    warmup: int = 200
    cooldown: float = 0.3
    average: float = 0.999
    average_at_once: bool = False
    half_precision: bool = True
    keep: int = 500
    validate: int = 1000
    patience: int = 0

    @property
    def images_seen(self) -> int:
        """Images seen in all steps."""
        return self.steps * self.batch * self.accumulate

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: up, level, then down as a cosine's half."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        left = (self.steps - step) / max(self.cooldown * self.steps, 1)
        return self.rate * rise * (0.5 - 0.5 * math.cos(math.pi * min(left, 1.0)))


class Trainee(Protocol):
    """Something that learns on `device`: its networks, optimisers and what one step is."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Its networks by name."""

    @property
    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Its optimisers by name."""

    @property
    def averaged_modules(self) -> tuple[str, ...]:
        """Names of the networks whose running average is kept."""

    def training_step(self, step: int, draws: "Draws", schedule: Schedule) -> Metrics:
        """Take one step and return what is to be logged."""

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return what held-out patients say of the averaged modules."""


@dataclass(frozen=True)
class Draws:
    """Randomness of one step: numpy's for choices, torch's for noise, on the device."""

    rng: np.random.Generator
    noise: torch.Generator


@dataclass
class _State:
    trainee: Trainee
    mean: dict[str, nn.Module]
    step: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, nn.Module] = field(default_factory=dict)
    best_step: int = 0
    best_loss: float = math.inf


def train(
    trainee: Trainee,
    schedule: Schedule,
    folder: Path,
    tick: OnProgress = lambda _: None,
    key: str = "",
) -> dict[str, nn.Module]:
    """Let `trainee` learn and return its averaged modules: the last, with `patience` the best.

    Checkpoint and log stand in `folder`; where they stand already, it goes on from them. `tick` is
    called with the number of images seen, after every step; `key` is the hash of all that decides
    the training's end, where the folder's name does not tell it. Raises `UserError` if the
    checkpoint has another key, `DataError` if the checkpoint is broken, or a loss, of held-out
    patients too, is not finite: NaN in the images, or a rate that is too high.
    """
    folder.mkdir(parents=True, exist_ok=True)
    averaged = {name: _copy(trainee.modules[name]) for name in trainee.averaged_modules}
    state = _State(trainee, averaged)
    if (folder / CHECKPOINT).is_file():
        _load(state, folder / CHECKPOINT, key)
    tick(state.step * schedule.batch * schedule.accumulate)
    began, first = time.monotonic(), state.step
    while not _is_done(state, schedule):
        draws = make_draws(schedule.seed, state.step, trainee.device)
        metrics = trainee.training_step(state.step, draws, schedule)
        _check(metrics, state.step)
        _average(state, schedule)
        state.step += 1
        tick(schedule.batch * schedule.accumulate)
        if state.step % schedule.validate == 0 or state.step == schedule.steps:
            metrics |= trainee.validate(state.mean, state.step)
            _check(metrics, state.step)
            if schedule.patience and metrics["validation_loss"] < state.best_loss:
                state.best_step, state.best_loss = state.step, metrics["validation_loss"]
                state.best = {name: _copy(module) for name, module in state.mean.items()}
        if state.step % 50 == 0 or _is_done(state, schedule):
            speed = (state.step - first) / (time.monotonic() - began)
            state.log.append(_to_line(state.step, metrics, speed, schedule))
        if state.step % schedule.keep == 0 or _is_done(state, schedule):
            _save(state, folder, key)
    return state.best or state.mean


def make_draws(seed: int, step: int, device: torch.device) -> Draws:
    """Return the randomness of one step."""
    noise = torch.Generator(device)
    noise.manual_seed(seeds.sample_seed(seed, step))
    return Draws(seeds.rng(seeds.sample_seed(seed, step), "training"), noise)


def _is_done(state: _State, schedule: Schedule) -> bool:
    """Return whether all steps are taken, or patience is at its end."""
    waited = state.step - state.best_step
    return state.step >= schedule.steps or bool(
        schedule.patience and waited >= schedule.patience * schedule.validate
    )


def _to_line(step: int, metrics: Metrics, speed: float, schedule: Schedule) -> dict[str, Any]:
    timed = {
        "samples_per_s": round(speed * schedule.batch * schedule.accumulate, 1),
        "remaining_s": round((schedule.steps - step) / speed),
    }
    return {"step": step} | {key: round(value, 5) for key, value in metrics.items()} | timed


def _check(metrics: Metrics, step: int) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            rule = f"the training's {name} must be finite"
            remedy = "look for NaN in the training data, or lower the rate"
            raise DataError(rule, f"{value} at step {step}", remedy)


def _copy(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).eval().requires_grad_(requires_grad=False)


def _average(state: _State, schedule: Schedule) -> None:
    """Move the averages to the weights, faster at first, so that short trainings have them too."""
    share = min(
        schedule.average, 1.0 if schedule.average_at_once else (state.step + 1) / (state.step + 10)
    )
    with torch.no_grad():
        for name, mean in state.mean.items():
            now = state.trainee.modules[name].state_dict()
            for key, value in mean.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(now[key].to(value.dtype), 1 - share)
                else:
                    value.copy_(now[key])


def _save(state: _State, folder: Path, key: str) -> None:
    """Write log and checkpoint: weights, averages, the optimisers' moments, the step."""
    lines = "".join(json.dumps(line) + "\n" for line in state.log)
    kinds = {"module": state.trainee.modules, "mean": state.mean, "best": state.best}
    modules = {f"{kind}/{n}": net for kind, nets in kinds.items() for n, net in nets.items()}
    record = {name: str(vars(state)[name]) for name in ("step", "best_step", "best_loss")}
    record |= {"log": lines, "key": key}
    write_checkpoint(folder / CHECKPOINT, modules, state.trainee.optimisers, record)
    write_text(folder / LOG, lines)


def _load(state: _State, path: Path, key: str) -> None:
    weights, record = read_checkpoint(path, key, state.trainee.optimisers)
    state.step, state.best_step = int(record["step"]), int(record["best_step"])
    state.best_loss = float(record["best_loss"])
    state.log = [json.loads(line) for line in record["log"].splitlines()]
    for name, module in state.trainee.modules.items():
        module.load_state_dict(weights.get(f"module/{name}", {}))
    for name, module in state.mean.items():
        module.load_state_dict(weights.get(f"mean/{name}", {}))
        if best := weights.get(f"best/{name}"):
            state.best[name] = _copy(module)
            state.best[name].load_state_dict(best)
