"""Acoustics: from maps of tissue to the envelope of the echo, and from there to grey levels.

In: echogenicity (dB against fat), attenuation (dB/cm/MHz), reflectors (amplitude) in beam space.
Out: the envelope, fully developed speckle where tissue is uniform; 8-bit grey after compression.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.images.beams import Floats, Grid
from busgen.images.scanners import Settings

Complexes = NDArray[np.complex64]
COARSE = 4  # rows and columns of beam space in one step of the attenuation's integration grid
ONE = np.ones(1, np.float32)


def gaussian_kernel(sigma_px: float) -> Floats:
    """Return a 1-D Gaussian of unit energy (sum of squares 1), odd length, at least 1."""
    half = max(0, int(np.ceil(3 * sigma_px)))
    t = np.arange(-half, half + 1, dtype=np.float32)
    kernel = np.exp(-0.5 * (t / max(sigma_px, 1e-3)) ** 2)
    return np.asarray(kernel / np.sqrt((kernel**2).sum()), np.float32)


def lateral_widths(grid: Grid, settings: Settings) -> Floats:
    """Return the lateral standard deviation of the point-spread function at each row, in columns.

    It grows hyperbolically away from the focus, as a Gaussian beam's width.
    """
    focus_mm = settings.focus * grid.depth_mm[-1]
    off = (grid.depth_mm - focus_mm) / (0.6 * focus_mm + 6.0)
    width = settings.style.lateral_mm / grid.beam_mm * np.sqrt(1 + off**2)
    return np.asarray(width, np.float32)


def blur(field: Complexes, grid: Grid, settings: Settings) -> Complexes:
    """Return scatterers `field` blurred by the depth-dependent point-spread function.

    White noise of unit variance keeps unit variance at every depth: three lateral widths are
    blended row by row, and the blend is divided by its own energy.
    """
    axial = gaussian_kernel(settings.style.axial_mm / grid.axial_mm)
    widths = lateral_widths(grid, settings)
    knots = np.linspace(widths.min(), widths.max() + 1e-3, 3)
    kernels = [gaussian_kernel(float(knot)) for knot in knots]
    share = np.stack([np.interp(widths, knots, row) for row in np.eye(3)])
    energy = np.einsum("ir,jr,ij->r", share, share, _inner_products(kernels))
    share = (share / np.sqrt(energy)).astype(np.float32)[:, :, None]
    parts = []
    for part in (field.real, field.imag):
        along = cv2.sepFilter2D(np.ascontiguousarray(part), -1, ONE, axial)
        parts.append(
            sum(
                weight * cv2.sepFilter2D(along, -1, kernel, ONE)
                for weight, kernel in zip(share, kernels, strict=True)
            )
        )
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)


def _inner_products(kernels: list[Floats]) -> NDArray[np.float64]:
    """Return the overlap of each pair of centred kernels."""
    length = max(map(len, kernels))
    padded = np.stack([np.pad(k, (length - len(k)) // 2) for k in kernels]).astype(float)
    return np.asarray(padded @ padded.T)


def line_gain(grid: Grid, settings: Settings) -> float:
    """Return the envelope of a flat, unit, one-row reflector at the focus."""
    axial = gaussian_kernel(settings.style.axial_mm / grid.axial_mm)
    lateral = gaussian_kernel(settings.style.lateral_mm / grid.beam_mm)
    return float(axial.max() * lateral.sum())


def path_loss_db(attenuation: Floats, grid: Grid, settings: Settings, steer_deg: float) -> Floats:
    """Return the two-way loss (dB) down to every point along beams steered by `steer_deg`.

    The aperture sees an obstacle from many angles, so its shadow's sides soften with depth.
    """
    rows, columns = grid.shape
    small = cv2.resize(attenuation, (columns // 2, rows // COARSE), interpolation=cv2.INTER_AREA)
    step_cm = grid.depth_mm[-1] / len(small) / 10
    shear = np.tan(np.deg2rad(steer_deg)) * step_cm * 10 / (2 * grid.beam_mm)
    flags = cv2.INTER_LINEAR
    size = (small.shape[1], small.shape[0])
    there = np.array([[1, shear, 0], [0, 1, 0]], np.float32)
    back = np.array([[1, -shear, 0], [0, 1, 0]], np.float32)
    edge = cv2.BORDER_REPLICATE
    if shear:
        small = cv2.warpAffine(small, there, size, flags=flags, borderMode=edge)
    loss = np.cumsum(small, 0) * np.float32(2 * step_cm * settings.style.attenuated_mhz)
    if shear:
        loss = cv2.warpAffine(loss, back, size, flags=flags, borderMode=edge)
    loss = cv2.GaussianBlur(loss, (0, 0), sigmaX=0.5 / (2 * grid.beam_mm), sigmaY=0.5)
    return np.asarray(cv2.resize(loss, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)


def gain_db(attenuation: Floats, grid: Grid, settings: Settings) -> Floats:
    """Return the time-gain compensation (rows, 1): the background's mean loss, set imperfectly."""
    step_cm = grid.axial_mm / 10
    matched = np.cumsum(attenuation.mean(1)) * 2 * step_cm * settings.style.attenuated_mhz
    t = np.linspace(0, 1, grid.shape[0])
    error = settings.tilt_db * t + settings.bow_db * np.sin(np.pi * t)
    return np.asarray(matched + error, np.float32)[:, None]


def noise(rng: np.random.Generator, shape: tuple[int, int]) -> Complexes:
    """Return circular complex Gaussian noise of unit power."""
    pair = rng.standard_normal((*shape, 2), np.float32) * np.float32(np.sqrt(0.5))
    return np.asarray(pair.view(np.complex64)[..., 0])


def compress(envelope: Floats, settings: Settings) -> Floats:
    """Return grey levels [0, 255] of an envelope (1 = mean power of fat), still real-valued."""
    level_db = 20 * np.log10(envelope + np.float32(1e-4))
    grey = settings.fat_grey + (level_db + 2.5) * (255 / settings.range_db)
    return np.asarray(np.clip(grey, 0, 255), np.float32)


def display(grey: Floats, settings: Settings) -> Floats:
    """Return grey levels after the machine's smoothing, edge enhancement and grey map."""
    smooth = cv2.GaussianBlur(grey, (0, 0), settings.smooth_px)
    if settings.sharpen:
        smooth = smooth + settings.sharpen * (smooth - cv2.GaussianBlur(smooth, (0, 0), 1.5))
    unit = np.clip(smooth / 255, 0, 1)
    return np.asarray(255 * unit ** np.float32(settings.gamma), np.float32)
