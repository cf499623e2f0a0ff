"""Layered anatomy of a breast in beam space: what reflects, scatters and attenuates where.

In: a grid, the tissue composition, the lesion's signed distance (the tissue makes room for it).
Out: `Tissue`: echogenicity (dB against fat), attenuation (dB/cm/MHz), coherent reflectors.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.images.beams import Floats, Grid
from busgen.images.texture import smooth_curve, smooth_noise, splat

# dB/cm/MHz. Fat: PMC4618705 (7 MHz). The others as excess over fat, Nam 2013 (PMC3676873).
ATTENUATION = {"skin": 0.9, "fat": 0.70, "gland": 0.78, "muscle": 0.75, "rib": 4.0}
# dB against fat, calibrated on BrEaST and BUS-BRA (docs/log.md).
ECHO_DB = {"gel": -25.0, "skin": 6.0, "fat": 0.0, "gland": 7.0, "muscle": -1.0, "rib": -14.0}


@dataclass(frozen=True)
class Tissue:
    """Maps (rows, columns) of one sample; functions return new ones."""

    echo_db: Floats
    attenuation: Floats
    reflectors: NDArray[np.complex64]


@dataclass(frozen=True)
class Layers:
    """Depth (mm, per column) of the lower boundary of each layer, and the tissue warp (mm)."""

    skin: Floats
    fat: Floats
    gland: Floats
    retro: Floats
    muscle: Floats
    warp_mm: Floats


def draw_layers(rng: np.random.Generator, grid: Grid, tissue: str, center_mm: float) -> Layers:
    """Return layer boundaries; the glandular layer is placed to hold a lesion at `center_mm`."""
    n, depth, beam = grid.shape[1], float(grid.depth_mm[-1]), grid.beam_mm
    wave = lambda mm, length: mm * smooth_curve(rng, n, length / beam)  # noqa: E731
    skin = rng.uniform(1.2, 2.4) + wave(0.06, 8)
    share = {"homogeneous_fat": 0.45, "homogeneous_fibroglandular": 0.16, "heterogeneous": 0.25}
    top = min(rng.uniform(0.6, 1.3) * share[tissue] * depth, max(center_mm, 3.0))
    scallop = np.abs(wave(1.0, rng.uniform(5, 10)))
    fat = skin + max(top - 1.8, 0.8) + 0.12 * depth**0.8 * 0.4 * scallop + wave(0.5, 12)
    gland = np.maximum(rng.uniform(0.55, 0.85) * depth, center_mm + 2) + wave(0.8, 10)
    retro = gland + rng.uniform(0.5, 3.5) + wave(0.3, 12)
    muscle = retro + rng.uniform(5, 11) + wave(0.4, 15)
    warp = rng.uniform(0.6, 1.4) * smooth_noise(rng, grid.shape, 6 / grid.axial_mm, 9 / beam)
    slope = rng.normal(0, 0.05) * (grid.lateral_mm - grid.lateral_mm.mean())
    ramp = np.clip((grid.depth_mm - 2) / 4, 0, 1)[:, None]  # the skin follows the transducer
    return Layers(skin, fat, gland, retro, muscle, (warp + slope) * ramp)


def draw_tissue(
    rng: np.random.Generator, grid: Grid, tissue: str, layers: Layers, push_mm: Floats
) -> Tissue:
    """Return the tissue of a breast without its lesion; `push_mm` is how the lesion moves it."""
    warp = layers.warp_mm + push_mm
    v = grid.depth_mm[:, None] + warp  # depth in the undisturbed breast
    step = lambda bound, soft: _sigmoid((v - bound) / soft)  # noqa: E731
    below_skin, below_fat = step(layers.skin, 0.08), step(layers.fat, 0.25)
    below_gland, below_retro = step(layers.gland, 0.3), step(layers.retro, 0.15)
    below_muscle = step(layers.muscle, 0.12)
    gland = below_fat * (1 - below_gland) * _patches(rng, grid, tissue, warp)
    muscle = below_retro * (1 - below_muscle)
    parts = {
        "skin": 1 - below_skin,
        "gland": gland,
        "muscle": muscle,
        "rib": below_muscle,
    }
    echo = sum(part * np.float32(ECHO_DB[name]) for name, part in parts.items())
    fat_share = 1 - sum(parts.values())
    attenuation = fat_share * np.float32(ATTENUATION["fat"])
    attenuation += sum(
        part * np.float32(min(ATTENUATION[name], 1.2)) for name, part in parts.items()
    )
    echo += _streaks(rng, grid, warp, 0.35, 2.5) * (1.2 + 2.3 * gland + 2.5 * muscle)
    echo += _blotches(rng, grid) * (0.8 + 1.2 * gland)
    lines = _boundaries(rng, grid, layers, warp)
    lines += _septa(rng, grid, warp) * (below_skin * (1 - gland) * (1 - below_retro))
    lines += (
        _fibres(rng, grid, warp, (3, 10), 0.010) * (0.3 + gland) * (below_skin * (1 - below_retro))
    )
    lines += _fibres(rng, grid, warp, (5, 20), 0.022) * muscle
    contact = _contact(rng, grid)
    return Tissue(
        np.asarray(echo, np.float32),
        np.asarray(attenuation + contact, np.float32),
        np.asarray(lines, np.complex64),
    )


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -20, 20))), np.float32)


def _patches(rng: np.random.Generator, grid: Grid, tissue: str, warp: Floats) -> Floats:
    """Return how glandular the glandular layer is: islands, streaks or nearly everything."""
    bias = {"homogeneous_fat": -0.9, "homogeneous_fibroglandular": 1.6, "heterogeneous": 0.4}
    field = smooth_noise(rng, grid.shape, 1.6 / grid.axial_mm, 5 / grid.beam_mm)
    return _sigmoid((_warped(field, grid, warp) + bias[tissue] + rng.normal(0, 0.2)) / 0.25)


def _warped(field: Floats, grid: Grid, warp: Floats) -> Floats:
    """Return `field`, drawn in the undisturbed breast, as the displaced tissue shows it."""
    rows = np.arange(grid.shape[0], dtype=np.float32)[:, None] + warp / np.float32(grid.axial_mm)
    columns = np.broadcast_to(np.arange(grid.shape[1], dtype=np.float32), grid.shape)
    return np.asarray(
        cv2.remap(field, columns.copy(), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT),
        np.float32,
    )


def _streaks(
    rng: np.random.Generator, grid: Grid, warp: Floats, axial_mm: float, lateral_mm: float
) -> Floats:
    field = smooth_noise(rng, grid.shape, axial_mm / grid.axial_mm, lateral_mm / grid.beam_mm)
    return _warped(field, grid, warp)


def _blotches(rng: np.random.Generator, grid: Grid) -> Floats:
    return smooth_noise(rng, grid.shape, 2.5 / grid.axial_mm, 3.5 / grid.beam_mm)


def _contact(rng: np.random.Generator, grid: Grid) -> Floats:
    """Return attenuation (dB/cm/MHz) in the skin of columns where the transducer couples badly."""
    n = grid.shape[1]
    bad = np.maximum(smooth_curve(rng, n, rng.uniform(0.8, 2.5) / grid.beam_mm) - 1.2, 0)
    shallow = np.exp(-0.5 * ((grid.depth_mm - 3.0) / 1.5) ** 2)[:, None]
    return np.asarray(rng.gamma(1.0, 0.5) * bad * shallow, np.float32)


def _boundaries(rng: np.random.Generator, grid: Grid, layers: Layers, warp: Floats) -> NDArray:
    """Return the specular interfaces between layers."""
    lines = np.zeros(grid.shape, np.complex64)
    strengths = (
        (np.full_like(layers.skin, 0.25), 5.0, 0.2),
        (layers.skin, rng.uniform(2, 4), 0.5),
        (layers.fat, rng.uniform(0.5, 2.5), 1.0),
        (layers.gland, rng.uniform(0.5, 2.0), 1.0),
        (layers.retro, rng.uniform(2, 5), 0.6),
        (layers.muscle, rng.uniform(3, 9), 0.6),
    )
    for bound, strength, patchy in strengths:
        lines += _interface(rng, grid, bound, warp, strength, patchy)
    return lines


def _interface(
    rng: np.random.Generator,
    grid: Grid,
    bound_mm: Floats,
    warp: Floats,
    strength: float,
    patchy: float,
) -> NDArray:
    """Return one specular surface: bright where it faces the beam, patchy along its length."""
    columns = np.arange(0, grid.shape[1], 0.5, dtype=np.float32)
    depth = np.interp(columns, np.arange(grid.shape[1]), bound_mm).astype(np.float32)
    row = _displaced(grid, warp, depth, columns)
    slope = np.gradient(row) * grid.axial_mm / (0.5 * grid.beam_mm)
    facing = np.exp(-0.5 * (slope / 0.25) ** 2)
    patches = np.exp(patchy * smooth_curve(rng, len(columns), 3 / grid.beam_mm))
    phase = np.exp(2j * np.pi * rng.uniform())
    value = 0.5 * strength * facing * patches * phase
    return splat(grid.shape, row, columns, value.astype(np.complex64))


def _displaced(grid: Grid, warp: Floats, depth_mm: Floats, columns: Floats) -> Floats:
    """Return the rows at which tissue of undisturbed depth `depth_mm` lies (two fixed-point steps)."""
    row = depth_mm / grid.axial_mm
    at = np.clip(columns.astype(int), 0, grid.shape[1] - 1)
    for _ in range(3):
        here = np.clip(row.astype(int), 0, grid.shape[0] - 1)
        row = (depth_mm - warp[here, at]) / grid.axial_mm
    return np.asarray(row, np.float32)


def _fibres(
    rng: np.random.Generator,
    grid: Grid,
    warp: Floats,
    length_mm: tuple[float, float],
    per_mm2: float,
) -> NDArray:
    """Return short tapering fibres that follow the tissue, `per_mm2` of them."""
    depth, width = float(grid.depth_mm[-1]), float(grid.lateral_mm[-1])
    count = rng.poisson(per_mm2 * depth * width * 4)
    length = rng.uniform(*length_mm, count)
    t = np.linspace(-1, 1, 64)[None, :]
    tilt = rng.normal(0, 0.06, (count, 1))
    bend = rng.normal(0, 0.3, (count, 1))
    x = rng.uniform(0, width, (count, 1)) + 0.5 * length[:, None] * t
    z = rng.uniform(0, depth, (count, 1)) + tilt * 0.5 * length[:, None] * t + bend * t**2
    strength = rng.gamma(1.5, 0.8, (count, 1)) * (1 - t**2) * length[:, None] / 64 / grid.beam_mm
    column = (x / grid.beam_mm).ravel().astype(np.float32)
    row = _displaced(grid, warp, z.ravel().astype(np.float32), column)
    phase = np.exp(2j * np.pi * rng.uniform(size=(count, 1)))
    return splat(grid.shape, row, column, (strength * phase).ravel().astype(np.complex64))


def _septa(rng: np.random.Generator, grid: Grid, warp: Floats) -> NDArray:
    """Return Cooper's ligaments: walls between fat lobules, seen where they face the beam."""
    rows, columns = grid.shape[0] // 4, grid.shape[1] // 2
    z = np.linspace(0, grid.depth_mm[-1], rows, dtype=np.float32)[:, None]
    x = np.linspace(0, grid.lateral_mm[-1], columns, dtype=np.float32)[None, :]
    aspect = rng.uniform(1.8, 3.0)
    tall = rng.uniform(3.5, 6.5)
    count = max(4, int(grid.depth_mm[-1] * grid.lateral_mm[-1] / (tall * tall * aspect)))
    first = np.full((rows, columns), 1e6, np.float32)
    second = first.copy()
    for cx, cz, weight in rng.uniform(size=(count, 3)):
        dx, dz = (x - cx * x[0, -1]) / aspect, z - cz * z[-1, 0]
        d = np.sqrt(dx * dx + dz * dz) - np.float32(weight)
        np.minimum(second, np.maximum(first, d), out=second)
        np.minimum(first, d, out=first)
    wall = cv2.resize(second - first, grid.shape[::-1], interpolation=cv2.INTER_LINEAR)
    wall = _warped(wall, grid, warp)
    across = cv2.Sobel(wall, -1, 0, 1, scale=0.125 / grid.axial_mm)
    along = cv2.Sobel(wall, -1, 1, 0, scale=0.125 / grid.beam_mm)
    facing = across**2 / (across**2 + along**2 + 1e-3)
    width = np.float32(0.12)
    profile = np.exp(-((wall / width) ** 2)) * facing**2
    patches = np.exp(0.9 * smooth_noise(rng, grid.shape, 2 / grid.axial_mm, 3 / grid.beam_mm))
    return np.asarray(rng.uniform(0.5, 1.2) * profile * patches * 0.5, np.complex64)
