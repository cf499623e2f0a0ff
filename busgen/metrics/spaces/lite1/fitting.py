"""Axes of `lite1`, fitted to features of training patients.

In: crops. Out: a file that `load_axes` reads.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from busgen.io import replace_file
from busgen.metrics.spaces.lite1.features import AXES, Floats, features_of
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import read_shippable

DIMENSIONS = 64


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
