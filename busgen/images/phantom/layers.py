"""Where the layers of a breast lie in beam space, and how its tissue is folded.

In: a sample's generator, grid and finding. Out: `Layers`, displacement of the tissue.
"""

from dataclasses import dataclass

import numpy as np

from busgen.images.phantom.beams import Floats, Grid
from busgen.images.phantom.texture import smooth_noise, smooth_noise_1d
from busgen.priors.findings import Finding
from busgen.seeds import Rng

# Share of the depth that is subcutaneous fat (mean), and how glandular the layer below is
# (threshold in standard deviations of a patchy field).
COMPOSITION = {
    "homogeneous_fat": (0.40, -1.1),
    "homogeneous_fibroglandular": (0.15, 2.0),
    "heterogeneous": (0.24, 0.8),
}

RIB_SHARE = 0.45  # of images
RIB_MM = 4.0  # thickness


@dataclass(frozen=True)
class Layers:
    """Depth (mm, per column) of the lower boundary of each layer, before the tissue is moved.

    `rib` is where a rib bulges the chest wall, in [0, 1].
    """

    skin: Floats
    fat: Floats
    gland: Floats
    retromammary: Floats
    muscle: Floats
    rib: Floats


def draw_layers(rng: Rng, grid: Grid, finding: Finding) -> Layers:
    """Return layer boundaries such that a lesion lies at the top of or in the glandular layer."""
    depth = float(grid.depth_mm[-1])
    center = depth * (finding.center_y or 0.4)
    bottom = center + 0.5 * (finding.height_mm or 0)

    def draw(mm: float, length_mm: float) -> Floats:
        return mm * smooth_noise_1d(rng, grid.shape[1], length_mm / grid.beam_mm)

    skin = rng.uniform(1.1, 2.3) + draw(0.07, 6)
    share = COMPOSITION[finding.tissue][0] * rng.lognormal(0, 0.35)
    thick = max(min(share * depth, 0.9 * center) - 2, 1.0)
    domes = 1 - np.abs(draw(1.0, rng.uniform(3, 7)))  # cusps are where ligaments pull
    fat = skin + thick + min(0.25 * thick, 1.6) * domes + draw(0.12 * thick, 8)
    gland = max(rng.uniform(0.45, 1.05) * depth, bottom + rng.uniform(-1, 3)) + draw(0.8, 9)
    retromammary = gland + rng.gamma(2, 0.9) + draw(0.2, 10)
    muscle = retromammary + rng.uniform(3, 10) + draw(0.4, 14)
    rib = _rib(rng, grid, finding)
    return Layers(skin, fat, gland, retromammary, muscle - 3 * rib, rib)


def _rib(rng: Rng, grid: Grid, finding: Finding) -> Floats:
    """Return a rib's height along the columns, in [0, 1]; most images have none.

    Who scans a lesion keeps the rib out of the way: it lies in the other half of the image.
    """
    width = rng.uniform(5, 9)
    middle = rng.uniform(0, 0.35) * grid.lateral_mm[-1]
    if (finding.center_x or 0.5) < 0.5:
        middle = grid.lateral_mm[-1] - middle
    across = np.clip(1 - ((grid.lateral_mm - middle) / width) ** 2, 0, 1)
    return np.asarray(np.sqrt(across) * (rng.random() < RIB_SHARE), np.float32)


def draw_rise_mm(rng: Rng, grid: Grid) -> Floats:
    """Return how far tissue lies above its layered place, (rows, columns) mm: folds and slope."""
    folds = rng.uniform(0.5, 1.3) * smooth_noise(rng, grid, 4, 6)
    folds += rng.uniform(0.15, 0.4) * smooth_noise(rng, grid, 1.2, 2)
    slope = rng.normal(0, 0.07) * (grid.lateral_mm - grid.lateral_mm.mean())
    # The skin follows the transducer; the chest wall is stiffer than the breast.
    ramp = np.clip((grid.depth_mm - 1.5) / 4, 0, 1)[:, None]
    stiff = 1 - 0.6 * np.clip(grid.depth_mm / grid.depth_mm[-1] / 0.75 - 0.4, 0, 1)[:, None]
    return np.asarray((folds * stiff + slope) * ramp, np.float32)
