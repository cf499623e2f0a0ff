"""How far hospitals lie from each other in learned spaces: the measure that distances are held to.

In: canonical real data. Out: a JSON that ships with the reference. A kernel distance says little by
itself; as a share of the mean distance between three hospitals it says how much of such a step a
generator makes.
"""

from dataclasses import asdict
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from busgen import seeds
from busgen.evaluation.held_out_features import learned_spaces
from busgen.io import ASSETS, dumps, read_json, write_text
from busgen.metrics.distribution import kid
from busgen.metrics.spaces.registry import load_space
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import join, read_shippable
from busgen.stats.bootstrap import Sample

FILE = "hospitals.json"
HELD_OUT = ("validation", "test")


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
            f"{a} {b}": kid(own[a], own[b], seeds.rng(0, f"hospitals {a} {b}"))
            for a, b in combinations(own, 2)
        }
        mean = float(np.mean([score.value for score in pairs.values()]))
        shown = {name: asdict(score) for name, score in pairs.items()}
        measured[space.name] = {"version": space.version, "mean": mean, "kid": shown}
    write_text(folder / FILE, dumps(measured))


@cache
def hospital_distance(space: str) -> float:
    """Return the mean kernel distance between the hospitals in a learned space, as it ships."""
    return float(read_json(ASSETS / "reference" / FILE)[space]["mean"])
