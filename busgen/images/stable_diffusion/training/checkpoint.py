"""Checkpoints of the preset `sd15`: what learns, its optimiser, how far it is, and the log.

In: a network of which some weights learn. Out: `checkpoint.safetensors`, `log.jsonl` in a folder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from busgen.errors import DataError, UserError
from busgen.io import replacing, write_text

CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"


@dataclass
class Progress:
    """Steps taken, the losses since the last line of the log, and its lines."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    lines: list[dict[str, float]] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """Mean loss since the last line."""
        return sum(self.losses) / len(self.losses)

    def passed(self, loss: float) -> None:
        """Count a step."""
        self.step += 1
        self.losses.append(loss)


@dataclass(frozen=True)
class Store:
    """Folder of one training; `key` is the hash of all that decides its end."""

    folder: Path
    key: str

    def tell(self, progress: Progress, line: dict[str, float]) -> None:
        """Add a line to the log."""
        progress.lines.append(line)
        progress.losses.clear()
        write_text(self.folder / LOG, _jsonl(progress.lines))

    def keep(self, net: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the checkpoint."""
        tensors = {f"net/{name}": weights for name, weights in _learning(net).items()}
        for number, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{number}/{name}": v for name, v in moments.items()}
        whole = {name: v.detach().cpu().contiguous().clone() for name, v in tensors.items()}
        told = {
            "key": self.key,
            "step": str(progress.step),
            "losses": json.dumps(progress.losses),
            "lines": _jsonl(progress.lines),
        }
        with replacing(self.folder / CHECKPOINT) as partial:
            save_file(whole, partial, metadata=told)

    def restore(self, net: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
        """Go on from the checkpoint where there is one.

        Raises
        ------
        UserError
            If it is another training's.
        DataError
            If it is broken.
        """
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        try:
            with safe_open(path, framework="pt") as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise DataError("a checkpoint must be whole", error, f"remove {path}") from error
        if told.get("key") != self.key:
            rule = "the work folder must hold this training's checkpoint, or none"
            got = f"{path} of other data, recipe, seed or model"
            raise UserError(rule, got, "choose another folder, or remove it")
        progress.step = int(told["step"])
        progress.losses = json.loads(told["losses"])
        progress.lines = [json.loads(line) for line in told["lines"].splitlines()]
        _put(net, optimiser, tensors)


def _put(net: nn.Module, optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, weights in _learning(net).items():
            weights.copy_(tensors[f"net/{name}"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimiser":
            number, _, name = rest.partition("/")
            moments.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})


def _learning(net: nn.Module) -> dict[str, Tensor]:
    return {name: weights for name, weights in net.named_parameters() if weights.requires_grad}


def _jsonl(lines: list[dict[str, float]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)
