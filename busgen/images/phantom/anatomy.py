"""Layered anatomy of a breast in beam space: what scatters, reflects and attenuates where.

In: a sample's generator, a grid, the finding, how the lesion moves its surroundings. Out: `Tissue`,
displacement of the tissue.
"""

from dataclasses import dataclass

import numpy as np

from busgen.images.phantom import texture
from busgen.images.phantom.beams import Floats, Grid
from busgen.images.phantom.texture import Points, sigmoid, smooth_noise, smooth_noise_1d, warp
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
ATTENUATION_SPREAD = 0.2  # between breasts, over the mean (PMC4618705: .23 of .73)
CHEST_DB = (-7.0, 5.0)  # what lies below the pleura: muscle between ribs, or air
ENHANCEMENT_DB = 6.0  # a reader calls it enhancement only when it shows
MOST_DENSITY = 1.75  # some two and a half standard deviations above the mean


@dataclass(frozen=True)
class _Layers:
    """Depth (mm, per column) of the lower boundary of each layer, before the tissue is moved.

    `rib` is where a rib bulges the chest wall, in [0, 1].
    """

    skin: Floats
    fat: Floats
    gland: Floats
    retromammary: Floats
    muscle: Floats
    rib: Floats


def _draw_layers(rng: Rng, grid: Grid, finding: Finding) -> _Layers:
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
    return _Layers(skin, fat, gland, retromammary, muscle - 3 * rib, rib)


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


@dataclass(frozen=True)
class _Material:
    """One kind of tissue.

    `echo_db` is scattering against fat, `streak_db` and `blotch_db` the standard deviations of its
    fine and coarse texture, `fibre` the amplitude of its fibres, `attenuation` in dB/cm/MHz.
    """

    echo_db: float
    streak_db: float
    blotch_db: float
    fibre: float
    attenuation: float


# Attenuation of fat: .73 +- .23 dB/cm/MHz at 7 MHz (PMC4618705); the others lie in its spread.
# Echoes, textures and fibres calibrated on BrEaST and BUS-BRA, docs/log.
MATERIALS = {
    "fat": _Material(0.0, 1.3, 1.0, 0.8, 0.70),
    "skin": _Material(2.5, 1.0, 0.5, 0.0, 0.80),
    "gland": _Material(7.5, 3.0, 1.8, 3.4, 0.76),
    "muscle": _Material(-1.5, 3.2, 1.2, 2.2, 0.74),
    "chest wall": _Material(0.0, 1.5, 2.0, 0.3, 0.95),
    "rib": _Material(14.0, 1.0, 1.0, 0.0, 5.0),
}


@dataclass(frozen=True)
class Tissue:
    """Maps (rows, columns): `echo_db` against fat, `attenuation` (dB/cm/MHz), `reflect`.

    `reflect` is the amplitude of coherent reflectors, `fat_attenuation` that of this breast's fat.
    """

    echo_db: Floats
    attenuation: Floats
    reflect: Floats
    fat_attenuation: float


def to_tissue(echo_db: Floats, loss: Floats, reflect: Floats, fat_attenuation: float) -> Tissue:
    """Return `Tissue` with maps of single precision."""
    echo_db, loss, reflect = (np.asarray(x, np.float32) for x in (echo_db, loss, reflect))
    return Tissue(echo_db, loss, reflect, fat_attenuation)


def mean_chord(finding: Finding) -> float:
    """Return the lesion's mean axial thickness (cm) as of an ellipse."""
    return float(np.pi / 4 * max(finding.height_mm or 0.0, 1.5) / 10)


def _fat_attenuation(rng: Rng, finding: Finding, loss_mhz: float) -> float:
    """Return the attenuation (dB/cm/MHz) of this breast's fat.

    Where a reader sees enhancement behind a thin lesion, the breast attenuates enough to show it.
    """
    mean = MATERIALS["fat"].attenuation
    usual = mean * float(np.clip(rng.normal(1.0, ATTENUATION_SPREAD), 0.6, 1.4))
    if finding.posterior != "enhancement":
        return usual
    needed = ENHANCEMENT_DB / (2 * loss_mhz * mean_chord(finding))
    return float(np.clip(needed, usual, MOST_DENSITY * mean))


def draw(
    rng: Rng, grid: Grid, finding: Finding, rise_mm: Floats, fatty: Floats, loss_mhz: float
) -> Tissue:
    """Return a breast without its lesion.

    Tissue lies `rise_mm` (rows, columns) above its layered place; glandular tissue gives way to fat
    where it is `fatty` (rows, columns) in [0, 1]; attenuation acts on the frequency `loss_mhz`.
    """
    layers = _draw_layers(rng, grid, finding)
    walls, sides, level = texture.draw_lobules(rng, grid, rise_mm)
    parts = _parts(rng, grid, finding, layers, rise_mm, fatty)
    mix = {
        field: sum(part * np.float32(vars(MATERIALS[name])[field]) for name, part in parts.items())
        for field in ("echo_db", "streak_db", "blotch_db", "attenuation")
    }
    streaks = 1.2 * smooth_noise(rng, grid, 0.25, 1.0) + smooth_noise(rng, grid, 0.5, 3.0)
    blotches = smooth_noise(rng, grid, 2, 3)
    coarse = rng.lognormal(0.0, 0.3)  # some breasts are smooth, some are rough
    echo = mix["echo_db"] + 0.75 * coarse * mix["streak_db"] * warp(streaks, grid, rise_mm)
    echo += mix["blotch_db"] * blotches + 1.5 * level * parts["fat"]
    echo += rng.uniform(*CHEST_DB) * parts["chest wall"]
    uneven = 1 + 0.25 * smooth_noise(rng, grid, 1.5, 1.2) * (1 - parts["fat"])
    fat_attenuation = _fat_attenuation(rng, finding, loss_mhz)
    scale = fat_attenuation / MATERIALS["fat"].attenuation
    loss = scale * mix["attenuation"] * uneven + rng.uniform(0.4, 2.0) * sides * parts["fat"]
    loss += _bad_contact(rng, grid)
    lines = texture.splat(grid.shape, _to_lines(rng, grid, layers, rise_mm, parts))
    lines += rng.uniform(1.0, 3.5) * walls * parts["fat"]
    lines += texture.draw_boundary(rng, grid, parts["gland"])
    return to_tissue(echo, loss, lines, fat_attenuation)


def _parts(
    rng: Rng, grid: Grid, finding: Finding, layers: _Layers, rise_mm: Floats, fatty: Floats
) -> dict[str, Floats]:
    """Return the share of each material, (rows, columns), summing to 1."""
    depth = grid.depth_mm[:, None] + rise_mm

    def share(bound: Floats, soft_mm: float) -> Floats:
        return sigmoid((depth - bound) / np.float32(soft_mm))

    patchy = smooth_noise(rng, grid, 1.3, 4.0) + 0.5 * smooth_noise(rng, grid, 0.5, 1.5)
    threshold = COMPOSITION[finding.tissue][1] + rng.normal(0, 0.3)
    glandular = sigmoid((warp(patchy, grid, rise_mm) + np.float32(threshold)) / 0.2) * (1 - fatty)
    bone = (layers.rib > 0) * (1 - share(layers.muscle + RIB_MM, 0.2))
    wall, muscle = share(layers.muscle, 0.1), share(layers.retromammary, 0.12)
    parts = {
        "skin": 1 - share(layers.skin, 0.1),
        "gland": share(layers.fat, 0.2) * (1 - share(layers.gland, 0.3)) * glandular,
        "muscle": muscle * (1 - wall),
        "rib": wall * bone,
        "chest wall": wall * (1 - bone),
    }
    return parts | {"fat": np.clip(1 - sum(parts.values()), 0, 1)}


def _to_lines(
    rng: Rng, grid: Grid, layers: _Layers, rise_mm: Floats, parts: dict[str, Floats]
) -> Points:
    """Return interfaces between layers and the fibres in them."""
    bounds = (
        (np.full_like(layers.skin, 0.3), (1.0, 5.0)),
        (layers.skin, (1.5, 5.0)),
        (layers.fat, (0.5, 4.0)),
        (layers.gland, (0.5, 4.0)),
        (layers.retromammary, (3.0, 8.0)),
        (layers.muscle, (3.0, 12.0)),
    )
    draw_one = texture.draw_interface
    found = [draw_one(rng, grid, depth, rise_mm, rng.uniform(*levels)) for depth, levels in bounds]
    clumps = np.exp(0.8 * smooth_noise(rng, grid, 1.5, 2.5) - 0.3)  # fibres come in strands
    pairs = (("fat", "gland"), 5.0, 0.0), (("muscle", "chest wall"), 10.0, rng.normal(0, 0.06))
    for names, length_mm, slope in pairs:
        mean = np.add(*(parts[name] * np.float32(MATERIALS[name].fibre) for name in names))
        found.append(texture.draw_fibres(rng, grid, rise_mm, mean * clumps, length_mm, slope))
    return texture.join(*found)


def _bad_contact(rng: Rng, grid: Grid) -> Floats:
    """Return attenuation (dB/cm/MHz) under the skin where the transducer couples badly."""
    width = rng.uniform(0.4, 3.0) / grid.beam_mm
    columns = np.maximum(smooth_noise_1d(rng, grid.shape[1], width) - 1.0, 0)
    depth = np.exp(-0.5 * ((grid.depth_mm - 2.5) / 1.2) ** 2)[:, None]
    return np.asarray(np.minimum(rng.gamma(1.0, 1.4) * columns, 2) * depth, np.float32)
