"""Whether masks drawn from the prior have the proportions and areas of BUS-BRA's patients.

In: masks of findings drawn from the prior, by class; BUS-BRA's. Out: figures. Kolmogorov-Smirnov
distances stand beside their limit: the largest distance, in 95 % of draws, between a sample of
patients and all of them, corrected for the number of tests.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from busgen import seeds
from busgen.arrays import Floats, Pixels
from busgen.bench.harness import Figure, share
from busgen.stats.ks import ks

TALL = {"benign": 0.011, "malignant": 0.170}  # of all 1,064 patients of BUS-BRA
DRAWS = 2000
LEVEL = 0.95


def figures(
    generated: Mapping[str, Mapping[str, Floats]], real: Mapping[str, Mapping[str, Floats]]
) -> dict[str, Figure]:
    """Return distances and shares of what `measure` returns of each class.

    Real values are one a patient.
    """
    found = distances(generated, real)
    measured = {f"prior_{name}": figure for name, figure in found.items()}
    for label in real:
        tall = generated[label]["ratio"] < 0
        measured[f"taller_{label}"] = share(int(tall.sum()), len(tall))
    return measured


def distances(
    drawn: Mapping[str, Mapping[str, Floats]], real: Mapping[str, Mapping[str, Floats]]
) -> dict[str, Figure]:
    """Return the distance of each class's values in limits of as many real ones, by NAME_CLASS."""
    level = 1 - (1 - LEVEL) / sum(len(own) for own in real.values())
    measured = {}
    for label, own in real.items():
        for name, held in own.items():
            rng, values = seeds.rng(0, "prior limit"), drawn[label][name]
            chance = [ks(rng.choice(held, len(held)), held) for _ in range(DRAWS)]
            found = ks(values, held) / float(np.quantile(chance, level))
            measured[f"{name}_{label}"] = Figure(found, "limits", len(values))
    return measured


def measure(masks: Pixels) -> dict[str, Floats]:
    """Return the logarithms of width over height, and of the box's share of the image."""
    boxes = np.array([cv2.boundingRect(np.asarray(mask))[2:] for mask in masks], float)
    width, height = boxes.T
    return {"ratio": np.log(width / height), "area": np.log(width * height / masks[0].size)}
