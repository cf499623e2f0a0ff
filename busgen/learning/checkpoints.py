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
    groups: dict[str, Mapping[str, Tensor]] = {n: net.state_dict() for n, net in modules.items()}
    for name, optimiser in optimisers.items():
        moments = optimiser.state_dict()["state"].items()
        groups |= {f"optimiser/{name}/{number}": values for number, values in moments}
    tensors = {f"{name}/{k}": v for name, values in groups.items() for k, v in values.items()}
    whole = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    with replace_file(path) as partial:
        save_file(whole, partial, metadata=dict(record))


def read_checkpoint(
    path: Path, key: str, optimisers: Optimisers
) -> tuple[dict[str, dict[str, Tensor]], dict[str, str]]:
    """Return a checkpoint's weights by module, and its record; `optimisers` get their moments.

    Raises `UserError` if the record has another `key`, `DataError` if the file is broken.
    """
    tensors: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                group, _, part = name.rpartition("/")
                tensors.setdefault(group, {})[part] = file.get_tensor(name)
            record: dict[str, str] = file.metadata()
    except (OSError, SafetensorError) as error:
        raise DataError("a checkpoint must be whole", error, f"remove {path}") from error
    if record.get("key") != key:
        rule = "the work folder must hold this training's checkpoint, or none"
        got = f"{path} of other data, recipe, seed or model"
        raise UserError(rule, got, "choose another folder, or remove it")
    for name, optimiser in optimisers.items():
        place = f"optimiser/{name}/"
        moments = {int(k[len(place) :]): tensors[k] for k in tensors if k.startswith(place)}
        optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    return tensors, record


def halve(weights: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Return weights as 16-bit floats, half the size, with `prefix` before their names."""
    return {
        prefix + name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in weights.items()
    }


def select_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
