"""Held-out patients' images as coordinates in learned spaces: kernel distances without a pixel.

In: canonical real data; a release. Out: a file of coordinates, which ships with the reference;
scores of the release against it, as `busgen score` has them. A kernel distance says little by
itself: a JSON that ships too holds how far hospitals lie from each other, and as a share of the
mean distance between three hospitals it says how much of such a step a generator makes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from busgen.arrays import Floats, Names
from busgen.errors import DataError, UserError
from busgen.evaluation.score_sets import Options, embed, subsample
from busgen.extras import has_extra
from busgen.image_sets.open import HELD_OUT, open_set, open_tables
from busgen.io import ASSETS, dumps, read_json, replace_file, write_text
from busgen.metrics.distribution import kid
from busgen.metrics.space_scores import SpaceScores, join_scores, score_space
from busgen.metrics.spaces.registry import FeatureSpace, load_space
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import join, read_shippable
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample
from busgen.stats.patients import number_groups

FILE, HOSPITALS = "features.safetensors", "hospitals.json"
SPACES = ("us64", "lite1")  # learned ones that ship
SIZE_PX = 256
TOLERANCE = 0.05  # of a coordinate, whose sd is about 1: other processors sum in another order
GROUPS, PROBE = "patients", "probe/"


@dataclass(frozen=True)
class HeldOutFeatures:
    """`points` {space: (N, D)} of N images, `patients` (N,), `probes` {space: (1, D)}.

    A probe is one pattern in a space: where it lies elsewhere, the space is another.
    """

    points: Mapping[str, Floats]
    patients: Names
    probes: Mapping[str, Floats]


def learned_spaces() -> list[str]:
    """Return the names of the learned spaces whose networks are installed."""
    return [name for name in SPACES if name != "lite1" or has_extra("features")]


def measure_held_out(tables: Sequence[Path], cohort: Path) -> HeldOutFeatures:
    """Return the coordinates of held-out patients, of canonical tables and their cohort's file.

    A space whose network is not installed is left out. Raises `UserError` if there are none.
    """
    spaces = [load_space(name) for name in learned_spaces()]
    source = open_tables(cohort.parent, tables, cohort).select(HELD_OUT)
    side = embed(source, spaces, Options(size_px=SIZE_PX), lambda _: None)
    points = {space.name: found for space, found in zip(spaces, side.points, strict=True)}
    probes = {space.name: _probe(space) for space in spaces}
    return HeldOutFeatures(points, number_groups(side.groups).astype(str), probes)


def save_held_out(features: HeldOutFeatures, path: Path) -> None:
    """Write coordinates in 16 bits to the file `path`; patients are numbers."""
    stored = {name: points.astype(np.float16) for name, points in features.points.items()}
    probes = {f"{PROBE}{name}": one.astype(np.float32) for name, one in features.probes.items()}
    with replace_file(path) as partial:
        save_file({**stored, **probes, GROUPS: features.patients.astype(np.int32)}, partial)


def load_held_out(path: Path) -> HeldOutFeatures:
    """Return the coordinates in a file; `DataError` if it is damaged."""
    try:
        stored = load_file(path)
        patients = stored.pop(GROUPS).astype(str)
        wide = {name: values.astype(np.float64) for name, values in stored.items()}
        probes = {n.removeprefix(PROBE): v for n, v in wide.items() if n.startswith(PROBE)}
        known = [name for name in SPACES if name in probes]
        points, probes = ({name: of[name] for name in known} for of in (wide, probes))
        return HeldOutFeatures(points, patients, probes)
    except (OSError, KeyError, SafetensorError) as error:
        rule = f"{path} must hold coordinates of held-out patients"
        raise DataError(rule, error, "make the reference again (busgen calibrate)") from error


def score_release(release: Path, features: HeldOutFeatures, most: int) -> SpaceScores:
    """Return the scores of at most `most` images of a release, in every space that is at hand.

    Of the others it holds the reason: a network that is not installed, a reference of another
    version of a space.
    """
    request = Options(most=most, size_px=SIZE_PX)
    source = subsample(open_set(release), request.group, request.most)
    spaces, skipped = _usable(features)
    side = embed(source, spaces, request, lambda _: None)
    parts = [SpaceScores({}, skipped)]
    for space, points in zip(spaces, side.points, strict=True):
        held_out = Sample(features.points[space.name], features.patients)
        parts.append(score_space(space, (Sample(points, side.groups), held_out), request.draws))
    return join_scores(parts)


def _usable(features: HeldOutFeatures) -> tuple[list[FeatureSpace], dict[str, str]]:
    """Return the spaces whose coordinates the reference has, and why others are not taken."""
    spaces, skipped = [], {}
    for name, probe in features.probes.items():
        try:
            space = load_space(name)
            found = _probe(space)
        except UserError as error:
            skipped[f"kid_{name}"] = str(error)
            continue
        if np.abs(found - probe).max() <= TOLERANCE:
            spaces.append(space)
        else:
            skipped[f"kid_{name}"] = f"the reference is of another version of {name}"
    return spaces, skipped


def _probe(space: FeatureSpace) -> Floats:
    """Return where a pattern of rings lies in a space."""
    row, col = np.mgrid[:SIZE_PX, :SIZE_PX]
    rings = np.sin(np.hypot(row - 90, col - 140) / 3) + np.sin((row * col) / 900)
    image = np.clip(90 + 40 * rings, 0, 255).astype(np.uint8)
    return space.embed(image[None], np.zeros((1, SIZE_PX, SIZE_PX), np.uint8))


def fit_hospitals(real: Path, folder: Path) -> None:
    """Measure the hospitals' held-out patients of what `busgen real ... --out` wrote to `real`."""
    splits = read_shippable(find_tables(real), find_cohort(real))
    crops = join([splits[name] for name in HELD_OUT])
    measured: dict[str, Any] = {}
    for space in map(load_space, learned_spaces()):
        points = space.embed(crops.images, crops.masks)
        own = {
            name: Sample(points[chosen], crops.groups[chosen])
            for name in sorted(set(crops.datasets.tolist()))
            for chosen in [crops.datasets == name]
        }
        pairs = {
            f"{a} {b}": kid(own[a], own[b], rng(0, f"hospitals {a} {b}"))
            for a, b in combinations(own, 2)
        }
        mean = float(np.mean([score.value for score in pairs.values()]))
        shown = {name: asdict(score) for name, score in pairs.items()}
        measured[space.name] = {"version": space.version, "mean": mean, "kid": shown}
    write_text(folder / HOSPITALS, dumps(measured))


@cache
def hospital_distance(space: str) -> float:
    """Return the mean kernel distance between the hospitals in a learned space, as it ships."""
    return float(read_json(ASSETS / "reference" / HOSPITALS)[space]["mean"])
