"""Feature space `us64`: square images as 64 numbers, in which sets of them are compared.

In: (N, S, S) uint8. Out: (N, 64) float64, on the training patients of mean 0 and about variance 1,
those that vary most first. An image's numbers do not depend on what is embedded beside it, and its
mirror image has the same ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from busgen.arrays import Floats, Pixels
from busgen.compute.devices import torch_threads
from busgen.errors import DataError, UserError
from busgen.imaging.square import resize
from busgen.io import ASSETS, dumps, read_json, replace_file, sha256_files, write_text
from busgen.judges import nets
from busgen.judges.judges import to_input
from busgen.judges.nets import Block
from busgen.learning.checkpoints import select_prefix

FINE = 5  # px: side of the window whose mean is no detail
GAIN = 4.0  # of detail, which is fainter than anatomy
BANDS = 4  # of depth: what is usual differs between skin and chest wall
NAME = "us64"
SHIPPED = ASSETS / NAME
SPEC, WEIGHTS = "us64.json", "us64.safetensors"
CHUNK = 16


class _Embedder(nn.Module):
    """Residual CNN: (N, 1, S, S) in [0, 1] -> features (N, `features`), none negative.

    It sees the image and, apart, what is finer than `FINE` px, so that speckle counts as much
    as anatomy, and ends with means of `BANDS` bands of depth.
    """

    def __init__(self, widths: Sequence[int], features: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, widths[0], 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.down = nn.ModuleList([Block(fine, coarse, 2) for fine, coarse in pairwise(widths)])
        self.join = nn.Linear(BANDS * widths[-1], features)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, F)."""
        fine = x - avg_pool2d(x, FINE, 1, FINE // 2, count_include_pad=False)
        y = self.stem(torch.cat([x - 0.25, GAIN * fine], dim=1))
        y = self.stem_norm(y).relu()
        for down in self.down:
            y = down(y)
        bands = adaptive_avg_pool2d(y, (BANDS, 1)).flatten(1)
        out: Tensor = self.join(bands).relu()
        return out


class MultiTask(nn.Module):
    """An embedder with one linear answer a task: what it learns from; only the embedder stays."""

    def __init__(self, embedder: _Embedder, tasks: Mapping[str, int]) -> None:
        super().__init__()
        self.embedder = embedder
        width = embedder.join.out_features
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in tasks.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return (N, n) answers to each task."""
        features = self.embedder(x)
        return {name: head(features) for name, head in self.heads.items()}


def mean(losses: Tensor, known: Tensor) -> Tensor:
    """Return the mean of the losses that are `known` (bool of the same shape), 0 of none."""
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)


@dataclass(frozen=True)
class Spec:
    """Shape of the space: side of the images, widths of the levels, features, dimensions."""

    size_px: int = 256
    widths: tuple[int, ...] = (16, 32, 48, 64, 96)
    features: int = 128
    dimensions: int = 64

    def build(self) -> _Embedder:
        """Return the network, weights as torch draws them."""
        return _Embedder(self.widths, self.features)


@dataclass(frozen=True)
class FeatureSpace:
    """A feature space; `centre` (F,) and `axes` (F, D) bring the network's features into it."""

    spec: Spec
    net: _Embedder
    centre: Floats
    axes: Floats
    sha256: str
    name: str = NAME

    def embed(self, images: Pixels) -> Floats:
        """Return (N, D) coordinates of square images.

        `images` (N, S, S) uint8; other sides than the space's are resized to it, never stretched.
        Raises `UserError` if they are not square grey images of 32 pixels a side or more.
        """
        return (embed(self.net, images, self.spec.size_px) - self.centre) @ self.axes


def embed(embedder: _Embedder, images: Pixels, size_px: int) -> Floats:
    """Return the network's features (N, F) of square images and their mirror images, the mean."""
    require_square(images)
    parts = [np.zeros((0, embedder.join.out_features), np.float32)]
    with torch_threads(), torch.inference_mode():
        for start in range(0, len(images), CHUNK):
            seen = np.stack([resize(one, size_px) for one in images[start : start + CHUNK]])
            request = to_input(seen[:, None], "cpu")
            parts.append((embedder(request) + embedder(request.flip(3))).div(2).numpy())
    return np.concatenate(parts).astype(np.float64)


def require_square(images: Pixels) -> None:
    """Raise `UserError` unless `images` are (N, S, S) uint8 with S at least 32."""
    square = images.ndim == 3 and images.shape[1] == images.shape[2] >= 32
    if not square or images.dtype != np.uint8:
        got = f"{images.shape} {images.dtype}"
        raise UserError("images must be (N, S, S) uint8, S at least 32", got, "stack square crops")


def save_model(
    folder: Path, spec: Spec, weights: Mapping[str, Tensor], centre: Floats, axes: Floats
) -> None:
    """Write shape and weights; the network's as `halve` gives them, with the prefix "net/"."""
    basis = {"centre": torch.from_numpy(centre).float(), "axes": torch.from_numpy(axes).float()}
    with replace_file(folder / WEIGHTS) as partial:
        save_file({**weights, **basis}, partial)
    write_text(folder / SPEC, dumps(vars(spec)))


def load_model(folder: Path | None = None) -> FeatureSpace:
    """Return the space in `folder`, by default the one that comes with the package.

    Raises `DataError` if files are missing, altered, or do not fit each other.
    """
    folder = folder or SHIPPED
    record: Any = read_json(folder / SPEC)
    try:
        spec = Spec(**record | {"widths": tuple(record["widths"])})
        stored = load_file(folder / WEIGHTS)
        centre, axes = (stored[name].double().numpy() for name in ("centre", "axes"))
        embedder = load_network(spec, stored)
    except (KeyError, TypeError, RuntimeError, OSError, SafetensorError) as error:
        rule = f"{folder} must hold a whole feature space"
        raise DataError(rule, error, "restore it, or train it: busgen dev fit us64") from error
    digest = sha256_files((folder / SPEC, folder / WEIGHTS))
    return FeatureSpace(spec, embedder, centre, axes, digest)


def load_network(spec: Spec, stored: Mapping[str, Tensor]) -> _Embedder:
    """Return the network with stored weights, ready to be asked."""
    with torch.random.fork_rng(devices=[]):  # or the weights drawn first would move the global one
        embedder = spec.build()
    embedder.load_state_dict(select_prefix("net/", stored))  # halves become floats
    nets.channels_last(embedder)
    return embedder.eval()
