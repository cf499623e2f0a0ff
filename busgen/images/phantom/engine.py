"""Image engine `phantom`: physics without weights, behind the contract of `busgen.images.contract`.

In: findings and masks. Out: B-mode images. One image is a pure function of its finding and
mask: settings -> anatomy -> lesion -> echoes -> compression -> screen.
Acoustics, in: echogenicity (dB against fat), attenuation (dB/cm/MHz), reflectors (amplitude) in
beam space. Out: envelopes, fully developed speckle where tissue is uniform; grey levels.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from busgen import seeds
from busgen.arrays import Floats32, Pixels
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.images.contract import ImageEngine, ModelOptions, require_masks
from busgen.images.phantom import anatomy, beams, lesion
from busgen.images.phantom.beams import Floats, Grid, Settings, draw_settings
from busgen.images.phantom.texture import gaussian_kernel
from busgen.priors.findings import Finding
from busgen.seeds import Rng

ONE = np.ones(1, np.float32)
MEAN_DB = -2.5  # mean level of speckle of unit power: 10 log10(exp(-Euler's constant))
NOISE_DB = -7.0  # level of electronic noise against fat that gain is not turned beyond
NEAR_MM = 4.0  # depth that the first slider of the time-gain compensation acts on
MOST_WHITE = 0.02  # share of an image's pixels
SHADOW_BLUR_MM = 0.5  # lateral width (sd) of the beam that attenuation is averaged over


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
    grey = beams.to_screen(grid, compress(envelopes, settings))
    return np.asarray(np.rint(grey), np.uint8)


def envelope(finding: Finding, mask: Pixels) -> Floats32:
    """Return the envelope (H, W) of one look before compounding and compression; fat's power is 1.

    It is the middle look: with compounding, the one that is not steered.
    """
    envelopes, grid, _ = _simulate(finding, mask)
    return beams.to_screen(grid, envelopes[len(envelopes) // 2])


def _simulate(finding: Finding, mask: Pixels) -> tuple[list[Floats], Grid, Settings]:
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
    gain = gain_db(tissue.attenuation, grid, settings)
    if mass_seen:
        tissue = lesion.insert_lesion(mass, finding, distance, grid, tissue, loss_mhz)
    maps = (tissue.echo_db, tissue.attenuation, tissue.reflect)
    return draw_looks(echo, maps, gain, grid, settings), grid, settings


def _decibels(level_db: Floats) -> Floats:
    """Return amplitudes of levels in dB."""
    return np.asarray(np.exp(level_db * np.float32(np.log(10) / 20)), np.float32)


def beam_widths(grid: Grid, settings: Settings) -> Floats:
    """Return the lateral standard deviation of the point-spread function (rows,), in columns.

    It grows hyperbolically away from the focus, as the width of a Gaussian beam.
    """
    focus_mm = settings.focus * grid.depth_mm[-1]
    away = (grid.depth_mm - focus_mm) / (0.6 * focus_mm + 6.0)
    width = settings.style.lateral_mm / grid.beam_mm * np.sqrt(1 + away**2)
    return np.asarray(width, np.float32)


def blur(field: Floats, grid: Grid, settings: Settings) -> Floats:
    """Return scatterers (2: real, imaginary; rows, columns) seen through the point-spread function.

    White noise of unit power keeps unit power at every depth: two or three lateral widths are
    blended row by row, and the blend is divided by the root of its own energy.
    """
    axial = gaussian_kernel(settings.style.axial_mm / grid.pixel_mm)
    widths = beam_widths(grid, settings)
    knots = np.linspace(widths.min(), widths.max() + 1e-3, 3)
    kernels = [gaussian_kernel(float(knot)) for knot in knots]
    share = np.stack([np.interp(widths, knots, row) for row in np.eye(3)])
    length = max(map(len, kernels))
    padded = np.stack([np.pad(k, (length - len(k)) // 2) for k in kernels]).astype(np.float64)
    share /= np.sqrt(np.einsum("ir,jr,ij->r", share, share, padded @ padded.T))
    total = np.zeros_like(field)
    for kernel, weight in zip(kernels, share.astype(np.float32), strict=True):
        rows = np.flatnonzero(weight)
        top, end = int(rows[0]), int(rows[-1]) + 1
        for plane, seen in zip(field, total, strict=True):
            seen[top:end] += weight[top:end, None] * cv2.sepFilter2D(
                plane[top:end], -1, kernel, ONE, borderType=cv2.BORDER_REFLECT
            )
    border = cv2.BORDER_REFLECT
    return np.stack([cv2.sepFilter2D(p, -1, ONE, axial, borderType=border) for p in total])


def path_loss_db(attenuation: Floats, grid: Grid, settings: Settings, steer_deg: float) -> Floats:
    """Return the two-way loss (rows, columns) dB along beams steered by `steer_deg`."""
    rows, columns = grid.shape
    coarse = cv2.resize(attenuation, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    shear = float(np.tan(np.deg2rad(steer_deg)) * grid.pixel_mm / grid.beam_mm)
    step_cm = 2 * grid.pixel_mm / 10
    loss = np.cumsum(_shear(coarse, shear), 0) * np.float32(2 * step_cm * settings.style.loss_mhz)
    loss = _shear(loss, -shear)
    blurred = cv2.GaussianBlur(loss, (0, 0), sigmaX=SHADOW_BLUR_MM / (2 * grid.beam_mm), sigmaY=0.3)
    full = cv2.resize(blurred, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, np.float32)


def _shear(field: Floats, shear: float) -> Floats:
    """Return `field` with row *k* moved by *k* `shear` columns."""
    if not shear:
        return field
    place, size = np.array([[1, shear, 0], [0, 1, 0]], np.float32), field.shape[::-1]
    return np.asarray(cv2.warpAffine(field, place, size, borderMode=cv2.BORDER_REPLICATE))


def gain_db(attenuation: Floats, grid: Grid, settings: Settings) -> Floats:
    """Return the time-gain compensation (rows, 1) dB: the tissue's median loss, set imperfectly.

    Nobody turns it up so far that electronic noise outshines tissue.
    """
    two_way_cm = 2 * grid.pixel_mm / 10
    matched = np.cumsum(np.median(attenuation, 1)) * two_way_cm * settings.style.loss_mhz
    most = NOISE_DB - settings.floor_db
    t = np.linspace(0, 1, grid.shape[0])
    near = settings.near_db * np.exp(-((grid.depth_mm / NEAR_MM) ** 2))
    error = near + settings.tilt_db * t + settings.bow_db * np.sin(np.pi * t)
    return np.asarray(np.minimum(matched, most) + error, np.float32)[:, None]


def draw_looks(
    rng: Rng, maps: tuple[Floats, Floats, Floats], gain: Floats, grid: Grid, settings: Settings
) -> list[Floats]:
    """Return the envelope (rows, columns) of each look; power 1 is that of fat.

    `maps` echogenicity (dB against fat), attenuation (dB/cm/MHz), coherent reflectors, all (rows,
    columns); `gain` time-gain compensation (rows, 1) dB.
    """
    echo_db, attenuation, reflect = maps
    style = settings.style
    axial = gaussian_kernel(style.axial_mm / grid.pixel_mm)
    lateral = gaussian_kernel(style.lateral_mm / grid.beam_mm)
    line_gain = float(axial.max() * lateral.sum())  # of a flat reflector, one row at the focus
    amplitude, coherent = _decibels(echo_db), reflect / np.float32(line_gain)
    floor = 0.5 * _decibels(2 * (settings.floor_db + gain))
    margin = 1 + int(3 * beam_widths(grid, settings).max())  # beams beyond the image's sides
    steers = np.linspace(-style.steer_deg, style.steer_deg, style.looks)
    heard = {
        steer: _decibels(gain - path_loss_db(attenuation, grid, settings, steer))
        for steer in dict.fromkeys(map(float, steers))
    }
    envelopes = []
    for steer in map(float, steers):
        spread = np.sqrt(0.5 * (amplitude * heard[steer]) ** 2 + floor)
        spread = _pad(spread, margin)  # of echo and electronic noise: both are Gaussian
        field = rng.standard_normal((2, *spread.shape), np.float32)
        field *= spread
        field[0] += _pad(coherent * heard[steer], margin)
        real, imaginary = blur(field, grid, settings)[:, :, margin:-margin]
        envelopes.append(np.sqrt(real**2 + imaginary**2))
    return envelopes


def _pad(field: Floats, margin: int) -> Floats:
    """Return `field` with its outermost columns repeated `margin` times."""
    return np.asarray(cv2.copyMakeBorder(field, 0, 0, margin, margin, cv2.BORDER_REPLICATE))


def compress(envelopes: list[Floats], settings: Settings) -> Floats:
    """Return grey levels (rows, columns) in [0, 255] of the compounded looks.

    The grey map bends the logarithm upwards, as machines do: speckle stands out bright on grey,
    not dark on bright. Its slope at the level of fat is 255 grey levels to `range_db`.
    """
    mean = sum(envelopes) / np.float32(len(envelopes))
    mean = cv2.GaussianBlur(mean, (0, 0), settings.smooth_px)
    level_db = np.float32(20) * np.log10(mean + np.float32(1e-4)) - np.float32(MEAN_DB)
    span, gamma = 255 - settings.black_grey, settings.gamma
    fat = max((settings.fat_grey - settings.black_grey) / span, 0.02) ** (1 / gamma)
    per_db = 255 / settings.range_db / (span * gamma * fat ** (gamma - 1))
    unit = fat + level_db * np.float32(per_db)
    if settings.sharpen:
        unit = unit + settings.sharpen * (unit - cv2.GaussianBlur(unit, (0, 0), 1.5))
    # Nobody leaves an image burnt out: overall gain goes down until a pixel in fifty is white.
    unit = unit - np.float32(max(np.quantile(unit[::3, ::3], 1 - MOST_WHITE) - 1, 0.0))
    bent = np.clip(unit, 0, 1) ** np.float32(gamma)
    return np.asarray(np.maximum(settings.black_grey + span * bent, 0), np.float32)
