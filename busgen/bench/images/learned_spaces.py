"""Distances in learned spaces, also of the autoencoder alone: figures of `busgen bench images`.

In: held-out crops and the images that stand for them, one by one. Out: figures of test patients, of
validation patients beside them. Kernel distances in `lite1` are shares of the mean distance between
three hospitals (`busgen.evaluation.held_out_features`), those in `us64` multiples of the limit of
real against real.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from busgen import seeds
from busgen.arrays import Bools, Floats, Pixels
from busgen.bench.harness import Bar, Figure, Figures
from busgen.evaluation.held_out_features import SPACES, hospital_distance
from busgen.images.diffusion.autoencoder import draw_noise
from busgen.images.diffusion.engine import SHIPPED, load_model
from busgen.metrics.distribution import kid, overlap
from busgen.metrics.spaces.registry import FeatureSpace, load_space
from busgen.real.crops import SIDE, Crops
from busgen.stats.bootstrap import Sample, Score

SEED = 20261130
AT_ONCE = 16


@dataclass(frozen=True)
class Reference:
    """Held-out crops, which of them are of `test` patients (N,), their points {space: (N, D)}."""

    crops: Crops
    test: Bools
    spaces: Mapping[str, FeatureSpace]
    points: Mapping[str, Floats]


def make_reference(crops: Crops, test: Bools) -> Reference:
    """Return what images are held to; raises `UserError` if `busgen[features]` is missing."""
    spaces = {name: load_space(name) for name in SPACES}
    points = {name: space.embed(crops.images, crops.masks) for name, space in spaces.items()}
    return Reference(crops, test, spaces, points)


def bars(subject: str) -> dict[str, Bar]:
    """Return what images of the engine `subject`, and the round trip of its autoencoder, reach."""
    hospitals = {f"round_trip_lite1_{name}": Bar("<=", 0.05) for name in ("bus_bra", "busi")}
    return {
        f"kid_lite1_share_test_{subject}": Bar("<=", 0.12),
        f"coverage_us64_share_{subject}": Bar(">=", 0.9),
        f"recall_us64_share_{subject}": Bar(">=", 0.9),
        **hospitals,
        "round_trip_us64_in_limits": Bar("<=", 1.0),
    }


def figures(name: str, images: Pixels, real: Reference) -> Figures:
    """Return kernel distances of images (N, S, S) by split, coverage and recall over the floor."""
    measured: Figures = {}
    points = _embed(images, real)
    for part, rows in _parts(real).items():
        measured[f"kid_lite1_share_{part}_{name}"] = _share(_kid(points, real, "lite1", rows))
        measured[f"kid_us64_in_limits_{part}_{name}"] = _limits(_kid(points, real, "us64", rows))
    own, other = (Sample(p["us64"], real.crops.groups) for p in (points, real.points))
    found = overlap(own, other, seeds.rng(SEED, "overlap"))
    for score in ("coverage", "recall"):
        one = found[score]
        measured[f"{score}_us64_share_{name}"] = Figure(one.value / one.floor, "share", one.n)
    return measured


def measure(real: Reference) -> Figures:
    """Return how far each hospital's test images lie from themselves, encoded and decoded."""
    points, datasets = _embed(_reconstruct(real.crops.images), real), real.crops.datasets
    measured: Figures = {}
    for part, rows in _parts(real).items():
        end = "" if part == "test" else f"_{part}"
        for name in sorted(set(datasets.tolist())):
            score = _kid(points, real, "lite1", rows & (datasets == name))
            measured[f"round_trip_lite1_{name}{end}"] = _share(score)
        whole = _kid(points, real, "us64", rows)
        measured[f"round_trip_us64_in_limits{end}"] = _limits(whole)
    return measured


@torch.inference_mode()
def _reconstruct(images: Pixels) -> Pixels:
    """Return images (N, SIDE, SIDE) encoded and decoded by the autoencoder that ships."""
    model, source = load_model(SHIPPED, torch.device("cpu")).autoencoder, torch.Generator()
    decoded = []
    for start in range(0, len(images), AT_ONCE):
        shown = torch.from_numpy(images[start : start + AT_ONCE])[:, None].float() / 127.5 - 1
        noise = draw_noise(len(shown), SIDE, source.manual_seed(start))
        again = model.decode(model.encode(shown), noise)[:, 0]
        decoded.append((again * 127.5 + 127.5).clamp(0, 255).round().byte().numpy())
    return np.concatenate(decoded)


def _parts(real: Reference) -> dict[str, Bools]:
    """Return the rows of each split of patients."""
    return {"test": real.test, "validation": ~real.test}


def _embed(images: Pixels, real: Reference) -> dict[str, Floats]:
    return {name: space.embed(images, real.crops.masks) for name, space in real.spaces.items()}


def _kid(points: Mapping[str, Floats], real: Reference, space: str, rows: Bools) -> Score:
    own, other = (Sample(p[space][rows], real.crops.groups[rows]) for p in (points, real.points))
    return kid(own, other, seeds.rng(SEED, f"kid {space}"))


def _divide(score: Score, unit: float, name: str) -> Figure:
    low, high = score.interval
    return Figure(score.value / unit, name, score.n, (low / unit, high / unit))


def _share(score: Score) -> Figure:
    return _divide(score, hospital_distance("lite1"), "of the distance between hospitals")


def _limits(score: Score) -> Figure:
    return _divide(score, score.floor_limit, "limits of real against real")
