"""Image engine `phantom`: physics without weights.

In: findings and masks. Out: B-mode pictures. One picture is a pure function of its finding and
mask: settings -> anatomy -> lesion -> echoes -> compression -> screen.
"""

import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.images import acoustics, anatomy, beams, lesion
from busgen.images.scanners import Settings, draw_settings
from busgen.priors.findings import Finding


def render_one(finding: Finding, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture (H, W) uint8 of one finding with its mask (H, W) of 0 and 1."""
    rng = seeds.rng(finding.seed, "image")
    settings = draw_settings(finding.scanner, rng)
    grid = _grid(finding, mask, settings)
    echo = _envelope(rng, finding, mask, grid, settings)
    grey = beams.to_screen(grid, acoustics.compress(echo, settings))
    grey = acoustics.display(grey, settings) * beams.visible(grid)
    return np.asarray(np.rint(grey), np.uint8)


def envelope(finding: Finding, mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the picture's envelope before compression, (H, W); power 1 is fat's."""
    rng = seeds.rng(finding.seed, "image")
    settings = draw_settings(finding.scanner, rng)
    grid = _grid(finding, mask, settings)
    return beams.to_screen(grid, _envelope(rng, finding, mask, grid, settings))


def _grid(finding: Finding, mask: NDArray[np.uint8], settings: Settings) -> beams.Grid:
    if settings.radius_mm is None:
        return beams.linear_grid(len(mask), finding.pixel_mm)
    return beams.sector_grid(mask, finding.pixel_mm, settings.radius_mm)


def _envelope(
    rng: np.random.Generator,
    finding: Finding,
    mask: NDArray[np.uint8],
    grid: beams.Grid,
    settings: Settings,
) -> beams.Floats:
    """Return the envelope in beam space."""
    depth = float(grid.depth_mm[-1])
    layers = anatomy.draw_layers(rng, grid, finding.tissue, (finding.center_y or 0.4) * depth)
    push = np.zeros(grid.shape, np.float32)
    if finding.has_lesion:
        distance = beams.to_beams(grid, lesion.signed_distance_mm(mask, finding.pixel_mm))
        push = lesion.push_mm(finding, distance, grid)
    tissue = anatomy.draw_tissue(rng, grid, finding.tissue, layers, push)
    gain = acoustics.gain_db(tissue.attenuation, grid, settings)
    if finding.has_lesion:
        mhz = settings.style.attenuated_mhz
        tissue = lesion.insert(rng, finding, distance, grid, tissue, mhz)
    return listen(rng, tissue, gain, grid, settings)


def listen(
    rng: np.random.Generator,
    tissue: anatomy.Tissue,
    gain_db: beams.Floats,
    grid: beams.Grid,
    settings: Settings,
) -> beams.Floats:
    """Return the envelope (rows, columns) that the machine receives from `tissue`."""
    style = settings.style
    amplitude = np.power(np.float32(10), tissue.echo_db / 20)
    floor = np.power(np.float32(10), (settings.floor_db + gain_db) / 20)
    coherent = tissue.reflectors / np.float32(acoustics.line_gain(grid, settings))
    total = np.zeros(grid.shape, np.float32)
    for steer in np.linspace(-style.steer_deg, style.steer_deg, style.looks):
        loss = acoustics.path_loss_db(tissue.attenuation, grid, settings, float(steer))
        heard = np.power(np.float32(10), (gain_db - loss) / 20)
        field = (acoustics.noise(rng, grid.shape) * amplitude + coherent) * heard
        field += acoustics.noise(rng, grid.shape) * floor
        total += np.abs(acoustics.blur(field, grid, settings))
    return np.asarray(total / style.looks, np.float32)
