"""Outlines of findings, drawn by a learned network: flow matching with a small perceptron.

In: findings, the folder of the weights. Out: vertices in mm. A finding's seed draws the noise that
its outline begins with, the same for all terms: so a family differs by its terms alone. The path
from a code x0 to noise e is straight, x = (1 - s) x0 + s e; the network learns its velocity e - x0
(Lipman 2022, arXiv 2210.02747).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import silu

from busgen import seeds
from busgen.arrays import Bools, Floats
from busgen.compute.cores import count_cores
from busgen.errors import DataError, UserError
from busgen.io import ASSETS, dumps, read_json, replace_file, sha256_file, write_text
from busgen.masks.closed import POINTS, close_outlines, fit_box, is_pinched, is_simple
from busgen.masks.semantic_curvature.codes import (
    CODE,
    CONDITIONS,
    damp,
    decode,
    to_conditions,
    to_lesion,
)
from busgen.priors.findings import Finding

STEPS = 10  # of the solver: evaluations of the network an outline
WAVES = 16  # sine and cosine each, of the time
WEIGHTS, SPEC = "outlines.safetensors", "outlines.json"
VERSION = 1  # of the folder's form


SHIPPED = ASSETS / "masks"
AT_ONCE = 128  # outlines drawn together: always as many, last digits depend on it
SHARES = (1.0, 0.85, 0.7, 0.55, 0.4, 0.2, 0.02)  # of its bends, where it crosses or pinches itself
NECK = 0.2  # least share of the distance across the box's ellipse: .3 % of real lesions have less
COARSE = slice(4, None, 8)  # points that are enough to see a neck


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


def load_model(
    model: Path | None, size_px: int
) -> tuple[str, Callable[[Sequence[Finding]], Floats]]:
    """Return the hash of the weights, by default those that ship, and what draws outlines.

    The network computes in single precision. Errors are those of `checked_hash`.
    """
    folder = model or SHIPPED
    digest, network = checked_hash(folder), OutlineFlow(**read_json(folder / SPEC)["shape"])
    tensors = load_file(folder / WEIGHTS)
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return digest, partial(draw_outlines, network.eval(), size_px=size_px)


def draw_outlines(network: OutlineFlow, findings: Sequence[Finding], size_px: int) -> Floats:
    """Return the outlines of findings.

    `network`: as `load_model` reads it; `findings`: N findings, each with a lesion;
    `size_px`: side of the image: larger outlines have finer detail.

    Returns (N, POINTS, 2) float64: vertices (x, y) in mm from the centre of the lesion's box, y
    towards depth; closed, simple polygons whose box is exactly the finding's.
    """
    outlines = np.empty((len(findings), POINTS, 2))

    def draw(start: int) -> None:
        torch.set_num_threads(1)  # of this thread
        own = findings[start : start + AT_ONCE]
        outlines[start : start + len(own)] = _draw(network, own, size_px)

    with ThreadPoolExecutor(count_cores()) as pool:
        list(pool.map(draw, range(0, len(findings), AT_ONCE)))
    return outlines


def _draw(network: OutlineFlow, findings: Sequence[Finding], size_px: int) -> Floats:
    record = to_conditions([to_lesion(finding, size_px) for finding in findings])
    rngs = [seeds.rng(finding.seed, "outline") for finding in findings]
    noise = np.stack([rng.standard_normal(CODE, np.float32) for rng in rngs])
    rows = np.resize(np.arange(len(findings)), AT_ONCE)
    codes = network.draw(torch.from_numpy(record[rows]), torch.from_numpy(noise[rows]))
    vertices = _simple_outlines(codes[: len(findings)].double().numpy())
    size = np.array([(finding.width_mm, finding.height_mm) for finding in findings], float)
    return np.moveaxis(fit_box(vertices, size[:, 0], size[:, 1]), 1, 2)


def _simple_outlines(codes: Floats) -> Floats:
    """Return outlines (N, 2, POINTS) of codes (N, CODE).

    One that crosses itself, or has a neck that real lesions do not have, bends less.
    """
    outlines = np.empty((len(codes), 2, POINTS))
    left = np.arange(len(codes))
    for share in SHARES:
        vertices, closed = close_outlines(decode(damp(codes[left], share)))
        done = closed & is_simple(vertices) & ~_has_neck(vertices[..., COARSE])
        outlines[left[done]] = vertices[done]
        left = left[~done]
        if not len(left):
            break
    return outlines


def _has_neck(vertices: Floats) -> Bools:
    """Return which (N, 2, P) outlines, in a box of unit sides, are far narrower than its circle."""
    unit = np.ones(len(vertices))
    circle, _ = close_outlines(np.zeros((1, vertices.shape[2])))
    bodies = np.repeat(fit_box(circle, unit[:1], unit[:1]), len(vertices), axis=0)
    return is_pinched(fit_box(vertices, unit, unit), bodies, NECK)
