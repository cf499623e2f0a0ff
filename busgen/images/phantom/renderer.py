"""Image engine `phantom`: physics without weights.

In: findings and masks. Out: B-mode images. One image is a pure function of its finding and
mask: settings -> anatomy -> lesion -> echoes -> compression -> screen.
"""

import numpy as np

from busgen import seeds
from busgen.arrays import Floats32, Pixels
from busgen.images.phantom import acoustics, anatomy, beams, layers, lesion
from busgen.images.phantom.scanners import Settings, draw_settings
from busgen.priors.findings import Finding


def render(finding: Finding, mask: Pixels) -> Pixels:
    """Return the image (H, W) uint8 of one finding with its mask (H, W) of 0 and 1."""
    envelopes, grid, settings = _wait(finding, mask)
    grey = beams.to_screen(grid, acoustics.compress(envelopes, settings))
    return np.asarray(np.rint(grey), np.uint8)


def envelope(finding: Finding, mask: Pixels) -> Floats32:
    """Return the envelope (H, W) of one look before compounding and compression; fat's power is 1.

    It is the middle look: with compounding, the one that is not steered.
    """
    envelopes, grid, _ = _wait(finding, mask)
    return beams.to_screen(grid, envelopes[len(envelopes) // 2])


def _wait(finding: Finding, mask: Pixels) -> tuple[list[beams.Floats], beams.Grid, Settings]:
    """Return the envelopes of all looks in beam space, with their grid and settings."""
    # One generator a part: what changes in the finding leaves the other parts as they were.
    machine, breast, mass, echo = seeds.rng(finding.seed, "image").spawn(4)
    settings = draw_settings(finding.scanner, machine)
    grid = _grid(finding, mask, settings)
    mass_seen = finding.has_lesion and bool(mask.any())
    rise, fatty = layers.draw_rise_mm(breast, grid), np.zeros(grid.shape, np.float32)
    distance = fatty
    if mass_seen:
        distance = beams.to_beams(grid, lesion.signed_distance_mm(mask, finding.pixel_mm))
        rise = rise + lesion.rise_mm(finding, distance, grid)
        fatty = lesion.fat_share(finding, distance)
    loss_mhz = settings.style.loss_mhz
    tissue = anatomy.draw(breast, grid, finding, rise, fatty, loss_mhz)
    gain = acoustics.gain_db(tissue.attenuation, grid, settings)
    if mass_seen:
        tissue = lesion.insert_lesion(mass, finding, distance, grid, tissue, loss_mhz)
    maps = (tissue.echo_db, tissue.attenuation, tissue.reflect)
    return acoustics.draw_looks(echo, maps, gain, grid, settings), grid, settings


def _grid(finding: Finding, mask: Pixels, settings: Settings) -> beams.Grid:
    if not settings.radius_mm:
        return beams.linear_grid(len(mask), finding.pixel_mm)
    return beams.sector_grid(mask, finding.pixel_mm, settings.radius_mm)
