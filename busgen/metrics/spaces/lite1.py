"""Feature space `lite1`: square images as 64 numbers that an ImageNet network gives them.

In: (N, S, S) uint8. Out: (N, 64) float64. Means and standard deviations over places of four of
EfficientNet-Lite1's maps, standardised on training patients, along their 64 principal axes,
scaled to variance 1, those that vary most first. The network teaches no generator, gate or judge
of ours.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from busgen.arrays import Floats, Pixels
from busgen.compute.devices import torch_threads
from busgen.compute.pretrained import EfficientNetLite
from busgen.errors import DataError
from busgen.imaging.square import resize
from busgen.io import ASSETS, replace_file, sha256_file
from busgen.metrics.spaces.us64.features import require_square
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import read_shippable

NAME = "lite1"
AXES = ASSETS / NAME / "axes.safetensors"
CHANNELS = (24, 40, 112, 320)  # of the maps: the last with so many
SIZE_PX = 256
CHUNK = 16
DIMENSIONS = 64


class Axes(NamedTuple):
    """`mean` and `spread` (F,) of features of training patients, `axes` (F, D) of most variance."""

    mean: Floats
    spread: Floats
    axes: Floats
    sha256: str

    def project(self, features: Floats) -> Floats:
        """Return (N, D) coordinates of features (N, F)."""
        return np.asarray((features - self.mean) / self.spread @ self.axes, np.float64)


def features_of(images: Pixels) -> Floats:
    """Return means, then standard deviations, over places of each map, (N, 2 * sum(CHANNELS)).

    Images (N, S, S) are resized to `SIZE_PX`. Raises `UserError` if they are not square, or the
    network is not installed.
    """
    require_square(images)
    net, blocks = _network()
    rows = [np.zeros((0, 2 * sum(CHANNELS)))]
    with torch_threads(), torch.inference_mode():
        for start in range(0, len(images), CHUNK):
            seen = np.stack([resize(one, SIZE_PX) for one in images[start : start + CHUNK]])
            shown = torch.from_numpy(seen)[:, None].float() / 127.5 - 1
            maps = net(shown, blocks)
            parts = [part for m in maps for part in (m.mean(dim=(2, 3)), m.std(dim=(2, 3)))]
            rows.append(torch.cat(parts, dim=1).double().numpy())
    return np.concatenate(rows)


def load_axes(path: Path = AXES) -> Axes:
    """Return the axes in a file, by default those that ship; `DataError` if it is damaged."""
    try:
        stored = {name: values.astype(np.float64) for name, values in load_file(path).items()}
        return Axes(stored["mean"], stored["spread"], stored["axes"], sha256_file(path))
    except (OSError, KeyError, SafetensorError) as error:
        raise DataError(f"{path} must hold the axes of `lite1`", error, "restore it") from error


@cache
def _network() -> tuple[EfficientNetLite, tuple[int, ...]]:
    """Return the network and the numbers of the blocks whose maps are taken."""
    net = EfficientNetLite(1)
    return net, tuple(len(net.widths) - 1 - net.widths[::-1].index(n) for n in CHANNELS)


def fit_lite1(real: Path, folder: Path) -> None:
    """Fit the axes that ship to what `busgen real ... --out` wrote to the folder `real`."""
    crops = read_shippable(find_tables(real), find_cohort(real))["train"]
    save_axes(features_of(crops.images), folder / AXES.name)


def save_axes(features: Floats, path: Path) -> None:
    """Write mean, spread and principal axes of features (N, F), N > `DIMENSIONS`."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    _, sizes, rows = np.linalg.svd((features - mean) / spread, full_matrices=False)
    axes = rows[:DIMENSIONS].T
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    axes = axes / (sizes[:DIMENSIONS] / np.sqrt(len(features)))  # coordinates of variance 1
    stored = {"mean": mean, "spread": spread, "axes": np.ascontiguousarray(axes)}
    with replace_file(path) as partial:
        save_file({name: values.astype(np.float32) for name, values in stored.items()}, partial)
