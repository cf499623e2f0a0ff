"""Image engine `phantom`: physics without weights, behind the contract of `busgen.images.contract`.

In: findings and masks. Out: B-mode images. One image is a pure function of its finding and
mask: settings -> anatomy -> lesion -> echoes -> compression -> screen.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from busgen import seeds
from busgen.arrays import Floats32, Pixels
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.images.contract import ImageEngine, ModelOptions, require_masks
from busgen.images.phantom import acoustics, anatomy, beams, lesion
from busgen.images.phantom.scanners import Settings, draw_settings
from busgen.priors.findings import Finding


@dataclass(frozen=True)
class Engine:
    """The physics renderer, one image a task on `threads` threads."""

    size_px: int
    threads: int
    sha256: str
    name: str = "phantom"

    @property
    def drawn_px(self) -> int:
        """Side that it draws: any."""
        return self.size_px

    def render(self, findings: Sequence[Finding], masks: Pixels) -> Pixels:
        """Return images (N, H, W) uint8; raise `UserError` where the masks do not fit.

        An image depends on its finding and its mask only, not on the batch or the threads.
        """
        require_masks(findings, masks, self.size_px)
        with ThreadPoolExecutor(self.threads) as pool:
            images = list(pool.map(render, findings, masks))
        return np.stack(images) if images else np.zeros_like(masks)


def load_engine(size_px: int, device: str, threads: int, learned: ModelOptions) -> ImageEngine:
    """Return the engine; raise `UserError` if `learned` asks for more than it has."""
    del device
    if learned != ModelOptions(learned.model):
        rule = "phantom has no weights: adapter, steps and guidance must be null"
        raise UserError(rule, learned, "name a learned engine, or leave them out")
    return Engine(size_px, threads, hash_code(__name__))


def render(finding: Finding, mask: Pixels) -> Pixels:
    """Return the image (H, W) uint8 of one finding with its mask (H, W) of 0 and 1."""
    envelopes, grid, settings = _simulate(finding, mask)
    grey = beams.to_screen(grid, acoustics.compress(envelopes, settings))
    return np.asarray(np.rint(grey), np.uint8)


def envelope(finding: Finding, mask: Pixels) -> Floats32:
    """Return the envelope (H, W) of one look before compounding and compression; fat's power is 1.

    It is the middle look: with compounding, the one that is not steered.
    """
    envelopes, grid, _ = _simulate(finding, mask)
    return beams.to_screen(grid, envelopes[len(envelopes) // 2])


def _simulate(finding: Finding, mask: Pixels) -> tuple[list[beams.Floats], beams.Grid, Settings]:
    """Return the envelopes of all looks in beam space, with their grid and settings."""
    # One generator a part: what changes in the finding leaves the other parts as they were.
    machine, breast, mass, echo = seeds.rng(finding.seed, "image").spawn(4)
    settings = draw_settings(finding.scanner, machine)
    if settings.radius_mm:
        grid = beams.sector_grid(mask, finding.pixel_mm, settings.radius_mm)
    else:
        grid = beams.linear_grid(len(mask), finding.pixel_mm)
    mass_seen = finding.has_lesion and bool(mask.any())
    rise, fatty = anatomy.draw_rise_mm(breast, grid), np.zeros(grid.shape, np.float32)
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
