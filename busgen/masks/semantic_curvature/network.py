"""The network that draws codes of outlines: flow matching with a small perceptron.

In: conditions (N, CONDITIONS) and noise (N, CODE). Out: codes (N, CODE). The path from a code x0
to noise e is straight, x = (1 - s) x0 + s e; the network learns its velocity e - x0 (Lipman 2022,
arXiv 2210.02747).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import silu

from busgen.errors import DataError, UserError
from busgen.io import dumps, read_json, replace_file, sha256_file, write_text
from busgen.masks.semantic_curvature.codes import CODE
from busgen.masks.semantic_curvature.conditions import CONDITIONS

STEPS = 10  # of the solver: evaluations of the network an outline
WAVES = 16  # sine and cosine each, of the time
WEIGHTS, SPEC = "outlines.safetensors", "outlines.json"
VERSION = 1  # of the folder's form


class OutlineFlow(nn.Module):
    """Velocities of standardised codes, by residual blocks told time and conditions each."""

    mean: Tensor
    sd: Tensor
    waves: Tensor

    def __init__(self, width: int = 256, layers: int = 3, dropout: float = 0.1) -> None:
        super().__init__()
        record = CONDITIONS + 2 * WAVES
        self.register_buffer("mean", torch.zeros(CODE))
        self.register_buffer("sd", torch.ones(CODE))
        self.begin = nn.Linear(CODE + record, width)
        self.tell = nn.ModuleList([nn.Linear(record, width) for _ in range(layers)])
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, width),
                nn.SiLU(),
                nn.Dropout(dropout),
                nn.Linear(width, width),
            )
            for _ in range(layers)
        )
        self.end = nn.Linear(width, CODE)
        nn.init.zeros_(self.end.weight)
        self.register_buffer("waves", torch.exp(torch.linspace(0, 5, WAVES)), persistent=False)

    def forward(self, x: Tensor, time: Tensor, conditions: Tensor) -> Tensor:
        """Return velocities (N, CODE) at points `x` (N, CODE) and times (N,) in [0, 1]."""
        phase = time[:, None] * self.waves
        record = torch.cat([conditions, phase.sin(), phase.cos()], dim=1)
        y = self.begin(torch.cat([x, record], dim=1))
        for block, tell in zip(self.blocks, self.tell, strict=True):
            y = y + block(y + tell(record))
        velocity: Tensor = self.end(silu(y))
        return velocity

    @torch.inference_mode()
    def draw(self, conditions: Tensor, noise: Tensor, steps: int = STEPS) -> Tensor:
        """Return codes (N, CODE): the ends of the paths that begin at `noise` (N, CODE).

        Steps of Adams and Bashforth, second order.
        """
        x, size = noise, 1 / steps
        before: Tensor | None = None
        for step in range(steps):
            now = self(x, x.new_full((len(x),), 1 - step * size), conditions)
            x = x - size * (now if before is None else 1.5 * now - 0.5 * before)
            before = now
        codes: Tensor = x * self.sd + self.mean
        return codes


def save_model(network: OutlineFlow, shape: Mapping[str, Any], folder: Path) -> None:
    """Write a network in half precision, and its shape with the hash of the weights."""
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    with replace_file(folder / WEIGHTS) as partial:
        save_file(tensors, partial)
    record = {"version": VERSION, "shape": dict(shape), "sha256": sha256_file(folder / WEIGHTS)}
    write_text(folder / SPEC, dumps(record))


def checked_hash(folder: Path) -> str:
    """Return the hash of the weights in `folder`.

    Raises `UserError` if there are none; `DataError` if they are of another version, or not those
    that `SPEC` names.
    """
    if not (folder / SPEC).is_file() or not (folder / WEIGHTS).is_file():
        rule = f"the folder of the mask generator must hold {SPEC} and {WEIGHTS}"
        raise UserError(rule, folder, "train one: busgen train masks DATA --out DIR")
    spec = read_json(folder / SPEC)
    if spec.get("version") != VERSION:
        rule = f"the mask generator must be of version {VERSION}"
        raise DataError(rule, spec.get("version"), "train it anew with this busgen")
    found = sha256_file(folder / WEIGHTS)
    if found != spec["sha256"]:
        rule = f"{WEIGHTS} must be the file that {SPEC} names"
        raise DataError(rule, found, "restore the folder, or train anew")
    return found


def load_network(folder: Path) -> OutlineFlow:
    """Return the network in `folder`, in single precision; errors as `checked_hash` has them."""
    checked_hash(folder)
    network = OutlineFlow(**read_json(folder / SPEC)["shape"])
    tensors = load_file(folder / WEIGHTS)
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network.eval()
