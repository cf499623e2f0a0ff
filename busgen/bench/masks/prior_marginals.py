"""Whether masks drawn from the prior have the proportions and areas of BUS-BRA's patients.

In: masks of findings drawn from the prior, by class; BUS-BRA's. Out: figures. Kolmogorov-Smirnov
distances stand beside their limit: the largest distance, in 95 % of draws, between a sample of
patients and all of them, corrected for the number of tests.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.bench.harness import Figure, share
from busgen.stats.ks import ks

Floats = NDArray[np.float64]

TALL = {"benign": 0.011, "malignant": 0.170}  # of all 1,064 patients of BUS-BRA
DRAWS = 2000
LEVEL = 0.95


def figures(
    generated: Mapping[str, Mapping[str, Floats]], real: Mapping[str, Mapping[str, Floats]]
) -> dict[str, Figure]:
    """Return distances and shares of what `measure` returns of each class.

    Real values are one a patient.
    """
    measured: dict[str, Figure] = {}
    tests = sum(len(own) for own in real.values())
    for label, own in real.items():
        for name, held in own.items():
            values = generated[label][name]
            distance = ks(values, held) / limit_of(held, tests)
            measured[f"prior_{name}_{label}"] = Figure(distance, "limits", len(values))
        tall = generated[label]["ratio"] < 0
        measured[f"taller_{label}"] = share(int(tall.sum()), len(tall))
    return measured


def limit_of(held: Floats, tests: int) -> float:
    """Return the largest distance of samples of real values (N,) from all, in 95 % of all tests."""
    rng = seeds.rng(0, "prior limit")
    drawn = [ks(rng.choice(held, len(held)), held) for _ in range(DRAWS)]
    return float(np.quantile(drawn, 1 - (1 - LEVEL) / tests))


def measure(masks: NDArray[np.uint8]) -> dict[str, Floats]:
    """Return the logarithms of width over height, and of the box's share of the image."""
    boxes = np.array([cv2.boundingRect(np.asarray(mask))[2:] for mask in masks], float)
    width, height = boxes.T
    return {"ratio": np.log(width / height), "area": np.log(width * height / masks[0].size)}
