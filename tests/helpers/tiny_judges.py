"""Crops and judges small enough for tests: dark ellipses, the spiky ones malignant."""

from pathlib import Path

import numpy as np

from busgen.judges.judges import (
    ClassifierSpec,
    Judges,
    SegmenterSpec,
    load_judges as load,
    save_model,
)
from busgen.judges.nets import channels_last
from busgen.real.crops import Crops

SEGMENTER = SegmenterSpec(32, (8, 16), 2)
CLASSIFIER = ClassifierSpec(32, (8, 16), 3, 1.8, 1)


def ellipses(n: int, side: int = 64, seed: int = 0) -> Crops:
    """Return crops with a dark ellipse each, every sixth normal; wide ones are benign."""
    rng = np.random.default_rng(seed)
    images = rng.normal(150, 20, (n, side, side))
    masks = np.zeros((n, side, side), np.uint8)
    rows, cols = np.mgrid[:side, :side]
    labels = np.array(["benign", "malignant", "benign", "malignant", "benign", "normal"])
    labels = labels[np.arange(n) % 6]
    for k in np.flatnonzero(labels != "normal"):
        wide, tall = (14, 7) if labels[k] == "benign" else (7, 14)
        at = rng.uniform(20, side - 20, 2)
        masks[k] = ((rows - at[0]) / tall) ** 2 + ((cols - at[1]) / wide) ** 2 <= 1
    images -= 100.0 * masks
    names = np.array([f"patient-{k // 2}" for k in range(n)])
    scanners = np.where(np.arange(n) < n // 4, "rare", "common")
    return Crops(
        np.clip(images, 0, 255).astype(np.uint8),
        masks,
        np.zeros_like(masks),
        np.full(n, "busi"),
        scanners,
        labels,
        names,
    )


def tiny_judges(folder: Path) -> Judges:
    """Return judges with weights as drawn, written to `folder` first."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = [
            [channels_last(spec.build(k)).state_dict() for k in range(spec.members)]
            for spec in (SEGMENTER, CLASSIFIER)
        ]
    save_model(folder, (SEGMENTER, weights[0]), (CLASSIFIER, weights[1]))
    return load(folder, "cpu")
