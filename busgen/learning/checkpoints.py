"""Checkpoints of trainings: networks, optimisers' moments and a record, in one file.

In: modules and optimisers by name. Out: safetensors, written whole or not at all; the same again.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from busgen.errors import DataError, UserError
from busgen.io import replace_file

Optimisers = Mapping[str, torch.optim.Optimizer]


def write_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimisers: Optimisers, record: Mapping[str, str]
) -> None:
    """Write weights, moments and `record` to the file `path`."""
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}/{k}": v for k, v in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for number, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{name}/{number}/{k}": v for k, v in moments.items()}
    whole = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    with replace_file(path) as partial:
        save_file(whole, partial, metadata=dict(record))


def read_checkpoint(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a checkpoint and its record.

    Raises `UserError` if the record has another `key`, `DataError` if the file is broken.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            record: dict[str, str] = file.metadata()
    except (OSError, SafetensorError) as error:
        raise DataError("a checkpoint must be whole", error, f"remove {path}") from error
    if record.get("key") != key:
        rule = "the work folder must hold this training's checkpoint, or none"
        got = f"{path} of other data, recipe, seed or model"
        raise UserError(rule, got, "choose another folder, or remove it")
    return tensors, record


def restore_optimisers(optimisers: Optimisers, tensors: Mapping[str, Tensor]) -> None:
    """Give optimisers the moments of a checkpoint."""
    for name, optimiser in optimisers.items():
        moments: dict[int, dict[str, Tensor]] = {}
        for place, value in under(f"optimiser/{name}/", tensors).items():
            number, _, moment = place.partition("/")
            moments.setdefault(int(number), {})[moment] = value
        optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
