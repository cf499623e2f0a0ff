"""What a finding does to the anatomy: every descriptor acts on scatterers or on attenuation.

In: finding, signed distance to its outline (mm, negative inside) in beam space, anatomy.
Out: new `Tissue`. Posterior features are not drawn: they follow from the lesion's attenuation.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.images.anatomy import ATTENUATION, Tissue
from busgen.images.beams import Floats, Grid
from busgen.images.texture import smooth_noise, splat
from busgen.priors.findings import Finding

# dB against fat: mean range and texture (sd) inside. Calibrated on BrEaST (docs/log.md).
INSIDE_DB = {
    "anechoic": ((-34.0, -26.0), 0.5),
    "hypoechoic": ((-10.5, -6.0), 1.2),
    "isoechoic": ((-1.5, 1.5), 1.2),
    "hyperechoic": ((7.0, 11.0), 1.5),
    "heterogeneous": ((-7.0, -3.0), 4.0),
    "complex_cystic_solid": ((-7.0, -3.0), 1.5),
}
# Attenuation over the background's (ratio), by posterior feature; domain figures: cyst about 0,
# carcinoma 1.2 times fibroadenoma (Nam 2013, PMC3676873), scirrhous 1.5 to 2 times and beyond.
ATTENUATION_RATIO = {"enhancement": (0.0, 0.3), "none": (0.9, 1.1), "shadowing": (1.7, 2.6)}
LEAST_SHADOW_DB = 6.0  # a reader calls it shadowing only when it shows
EDGE_MM = {
    "circumscribed": 0.08,
    "indistinct": 0.7,
    "angular": 0.2,
    "microlobulated": 0.15,
    "spiculated": 0.35,
}


def signed_distance_mm(mask: NDArray[np.uint8], pixel_mm: float) -> Floats:
    """Return the distance of every pixel to the outline of `mask`, mm, negative inside."""
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    return np.asarray((outside - inside) * np.float32(pixel_mm), np.float32)


def push_mm(finding: Finding, distance_mm: Floats, grid: Grid) -> Floats:
    """Return how far the lesion displaces the tissue around it in depth (mm, positive: upwards).

    A smooth mass pushes layers aside, a spiculated one pulls them in.
    """
    margin = finding.margin or ()
    pull = -0.6 if "spiculated" in margin else 0.5
    size = 0.5 * min(finding.height_mm or 0, 15)
    reach = np.exp(-np.maximum(distance_mm, 0) / (0.6 * size + 1))
    center = (finding.center_y or 0) * grid.size_px * grid.pixel_mm
    side = np.tanh((center - grid.depth_mm) / (0.5 * size + 0.5))[:, None]
    return np.asarray(pull * size * reach * side, np.float32)


def insert(
    rng: np.random.Generator,
    finding: Finding,
    distance_mm: Floats,
    grid: Grid,
    tissue: Tissue,
    mhz: float,
) -> Tissue:
    """Return `tissue` with the lesion in it."""
    margin = finding.margin or ("circumscribed",)
    edge = max(EDGE_MM[term] for term in margin)
    rough = smooth_noise(rng, grid.shape, 0.6 / grid.axial_mm, 0.6 / grid.beam_mm)
    d = distance_mm + np.float32(0.6 * edge) * rough
    alpha = 1 / (1 + np.exp(np.clip(d / np.float32(0.5 * edge), -20, 20)))
    tissue = _surroundings(rng, finding, distance_mm, grid, tissue)
    inside, lines = _interior(rng, finding, distance_mm, grid)
    echo = tissue.echo_db * (1 - alpha) + inside * alpha
    ratio = _attenuation_ratio(rng, finding, grid, mhz)
    loss = tissue.attenuation * (1 - alpha) + alpha * ATTENUATION["fat"] * ratio
    reflectors = tissue.reflectors * (1 - alpha) + lines * alpha
    if edge < 0.2:
        loss, reflectors = _smooth_wall(rng, finding, distance_mm, grid, loss, reflectors)
    reflectors = reflectors + _calcifications(rng, finding, distance_mm, grid)
    return Tissue(
        np.asarray(echo, np.float32),
        np.asarray(loss, np.float32),
        np.asarray(reflectors, np.complex64),
    )


def _attenuation_ratio(
    rng: np.random.Generator, finding: Finding, grid: Grid, mhz: float
) -> Floats:
    """Return attenuation over the background's, per column (combined: one side each)."""
    thick_cm = max((finding.height_mm or 1.0) * 0.6, 0.5) / 10
    least = 1 + LEAST_SHADOW_DB / (2 * mhz * thick_cm * ATTENUATION["fat"])
    shadow = max(rng.uniform(*ATTENUATION_RATIO["shadowing"]), min(least, 5.0))
    bright = rng.uniform(*ATTENUATION_RATIO["enhancement"])
    plain = rng.uniform(*ATTENUATION_RATIO["none"])
    if finding.posterior == "combined":
        x = grid.lateral_mm / (grid.beam_mm * grid.shape[1]) - (finding.center_x or 0.5)
        side = rng.choice([-1.0, 1.0])
        mix = 1 / (1 + np.exp(-side * x / 0.02))
        return np.asarray(bright + (shadow - bright) * mix, np.float32)[None, :]
    ratio = {"enhancement": bright, "shadowing": shadow}.get(finding.posterior or "none", plain)
    return np.full((1, grid.shape[1]), ratio, np.float32)


def _interior(
    rng: np.random.Generator, finding: Finding, distance_mm: Floats, grid: Grid
) -> tuple[Floats, NDArray]:
    """Return echogenicity (dB) and reflectors inside."""
    echo = finding.echo_pattern or "hypoechoic"
    (low, high), texture = INSIDE_DB[echo]
    size = max(min(finding.width_mm or 5, finding.height_mm or 5), 2.0)
    blob = smooth_noise(rng, grid.shape, 0.12 * size / grid.axial_mm, 0.16 * size / grid.beam_mm)
    db = rng.uniform(low, high) + texture * blob
    if echo == "complex_cystic_solid":
        cyst = 1 / (1 + np.exp(-(blob - rng.uniform(-0.3, 0.3)) / 0.08))
        db = db * (1 - cyst) + rng.uniform(*INSIDE_DB["anechoic"][0]) * cyst
    return np.asarray(db, np.float32), np.zeros(grid.shape, np.complex64)


def _surroundings(
    rng: np.random.Generator, finding: Finding, distance_mm: Floats, grid: Grid, tissue: Tissue
) -> Tissue:
    """Return the tissue around the lesion with its halo and spicules."""
    echo, lines = tissue.echo_db, tissue.reflectors
    if finding.halo:
        ragged = distance_mm + 0.5 * smooth_noise(
            rng, grid.shape, 1 / grid.axial_mm, 1 / grid.beam_mm
        )
        width = rng.uniform(0.8, 2.0)
        echo = echo + rng.uniform(5, 9) * np.exp(-0.5 * ((ragged - 0.7 * width) / width) ** 2)
    if "spiculated" in (finding.margin or ()):
        echo = echo + _spicules(rng, finding, distance_mm, grid)
    return Tissue(np.asarray(echo, np.float32), tissue.attenuation, lines)


def _spicules(
    rng: np.random.Generator, finding: Finding, distance_mm: Floats, grid: Grid
) -> Floats:
    """Return echogenicity (dB) of lines that radiate from the outline, dark and bright."""
    count = int(rng.integers(10, 22))
    base = rng.uniform(0, 2 * np.pi, (count, 1))
    half = 0.5 * np.array([finding.width_mm or 5, finding.height_mm or 5])
    reach = rng.uniform(2, 7, (count, 1))
    t = np.linspace(0, 1, 80)[None, :]
    angle = base + rng.normal(0, 0.25, (count, 1)) * t
    x = (finding.center_x or 0.5) * grid.size_px * grid.pixel_mm + (
        0.7 * half[0] + reach * t
    ) * np.cos(angle)
    z = (finding.center_y or 0.5) * grid.size_px * grid.pixel_mm + (
        0.7 * half[1] + reach * t
    ) * np.sin(angle)
    value = (
        np.where(rng.random((count, 1)) < 0.5, -1.0, 0.8) * (1 - t) * rng.uniform(6, 14, (count, 1))
    )
    out = splat(
        grid.shape,
        (z / grid.axial_mm).ravel().astype(np.float32),
        (x / grid.beam_mm).ravel().astype(np.float32),
        value.ravel().astype(np.complex64),
    ).real.astype(np.float32)
    soft = cv2.GaussianBlur(out, (0, 0), sigmaX=0.2 / grid.beam_mm, sigmaY=0.2 / grid.axial_mm)
    return np.asarray(np.clip(soft * 2.5, -10, 8) * (distance_mm > 0), np.float32)


def _smooth_wall(
    rng: np.random.Generator,
    finding: Finding,
    distance_mm: Floats,
    grid: Grid,
    loss: Floats,
    reflectors: NDArray,
) -> tuple[Floats, NDArray]:
    """Return loss and reflectors with a smooth wall: specular front and back, refracting sides."""
    dz = cv2.Sobel(distance_mm, -1, 0, 1, scale=0.125 / grid.axial_mm)
    dx = cv2.Sobel(distance_mm, -1, 1, 0, scale=0.125 / grid.beam_mm)
    norm = np.sqrt(dx * dx + dz * dz) + 1e-3
    rim = np.exp(-0.5 * (distance_mm / 0.15) ** 2)
    facing = (np.abs(dz) / norm) ** 6
    back = np.where(dz > 0, 1.0, 0.6)
    strength = rng.uniform(0.2, 0.5) * (2.0 if finding.echo_pattern == "anechoic" else 1.0)
    side = (np.abs(dx) / norm) ** 6 * np.exp(-0.5 * ((distance_mm - 0.2) / 0.35) ** 2)
    return loss + rng.uniform(0.4, 1.6) * side, reflectors + strength * rim * facing * back


def _calcifications(
    rng: np.random.Generator, finding: Finding, distance_mm: Floats, grid: Grid
) -> NDArray:
    """Return bright points: clustered inside, beside the mass, or along a duct."""
    where = finding.calcification or "none"
    if where == "none":
        return np.zeros(grid.shape, np.complex64)
    allowed = {
        "in_a_mass": distance_mm < -0.4,
        "outside_a_mass": (distance_mm > 0.8) & (distance_mm < 5),
        "intraductal": (distance_mm > -1) & (distance_mm < 8),
    }[where]
    places = np.flatnonzero(allowed)
    if not len(places):
        places = np.flatnonzero(distance_mm <= distance_mm.min() + 0.2)
    at = rng.choice(places, int(rng.integers(4, 14)))
    row, column = np.divmod(at, grid.shape[1])
    value = rng.uniform(6, 16, len(at)) * np.exp(2j * np.pi * rng.uniform(size=len(at)))
    return splat(
        grid.shape, row.astype(np.float32), column.astype(np.float32), value.astype(np.complex64)
    )
