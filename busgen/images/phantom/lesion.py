"""What a finding does to the anatomy: every descriptor acts on scatterers or on attenuation.

In: finding, signed distance to its outline (mm, negative inside) in beam space, anatomy.
Out: new `Tissue`. Posterior features are not drawn: they follow from the lesion's attenuation.
"""

import cv2
import numpy as np

from busgen.arrays import Pixels
from busgen.images.phantom import texture
from busgen.images.phantom.anatomy import Tissue, mean_chord, to_tissue
from busgen.images.phantom.beams import Floats, Grid
from busgen.images.phantom.texture import Points, random_sign, sigmoid, smooth_noise
from busgen.imaging.geometry import signed_distance
from busgen.priors.findings import Finding
from busgen.seeds import Rng

# dB against fat: range of the mean, and standard deviation of the texture, inside.
# Calibrated on BrEaST's inside/outside contrasts, docs/log.
INSIDE_DB = {
    "anechoic": ((-28.0, -19.0), 0.8),
    "hypoechoic": ((-6.8, -2.0), 4.8),
    "isoechoic": ((-1.5, 1.0), 2.2),
    "hyperechoic": ((5.5, 9.0), 2.2),
    "heterogeneous": ((-5.0, -0.5), 5.0),
    "complex_cystic_solid": ((-4.0, -0.5), 3.0),
}
# Attenuation over fat's, by posterior feature: cyst about 0, fibroadenoma and carcinoma near the
# background (Nam 2013, PMC3676873), scirrhous carcinoma twice and more, so that its shadow shows
# through uneven tissue.
ATTENUATION_RATIO = {"enhancement": (0.0, 0.12), "none": (0.9, 1.1), "shadowing": (2.0, 2.5)}
SHADOW_DB = (6.0, 28.0)  # excess loss: a reader calls it shadowing only when it shows
MOST_RATIO = 6.0
# Width (mm) of the transition at the outline.
EDGE_MM = {
    "circumscribed": 0.10,
    "indistinct": 0.9,
    "angular": 0.25,
    "microlobulated": 0.18,
    "spiculated": 0.45,
}
GRAIN_LOSS = 2.0  # attenuation (dB/cm/MHz) of calcifications, to an amplitude of 1 a pixel
SMOOTH_MM = 0.2  # outlines with a narrower transition reflect and refract as a smooth wall


def signed_distance_mm(mask: Pixels, pixel_mm: float) -> Floats:
    """Return the distance of every pixel to the outline of `mask`, mm, negative inside."""
    return np.asarray(-signed_distance(mask) * np.float32(pixel_mm), np.float32)


def _margin(finding: Finding) -> tuple[str, ...]:
    """Return the margin's terms; circumscribed where none is given."""
    return finding.margin or ("circumscribed",)


def _center_mm(distance_mm: Floats, grid: Grid) -> tuple[float, float]:
    """Return where the lesion's middle lies in beam space: lateral, depth (mm)."""
    deepest = float(distance_mm.min())
    rows, columns = np.nonzero(distance_mm <= deepest + abs(deepest) / 2)
    return float(columns.mean() + 0.5) * grid.beam_mm, float(rows.mean() + 0.5) * grid.pixel_mm


def rise_mm(finding: Finding, distance_mm: Floats, grid: Grid) -> Floats:
    """Return how far the lesion lifts the tissue (rows, columns), mm.

    A mass pushes layers apart, a spiculated one pulls them in (architectural distortion).
    """
    pull = -0.35 if "spiculated" in _margin(finding) else 0.25
    size = 0.5 * min(finding.height_mm or 0.0, 12.0)
    near = np.exp(-np.maximum(distance_mm, 0) / (0.7 * size + 0.7))
    center_z = _center_mm(distance_mm, grid)[1]
    side = np.tanh((center_z - grid.depth_mm) / (0.5 * size + 0.5))[:, None]
    return np.asarray(pull * size * near * side, np.float32)


def fat_share(finding: Finding, distance_mm: Floats) -> Floats:
    """Return where fat surrounds the lesion, in [0, 1].

    Echogenicity is read against fat: what is not darker than fat shows only beside fat.
    """
    share = {"hyperechoic": 1.0, "isoechoic": 0.7}.get(finding.echo_pattern or "", 0.0)
    return np.asarray(share * np.exp(-((np.maximum(distance_mm, 0) / 5) ** 2)), np.float32)


def insert_lesion(
    rng: Rng, finding: Finding, distance_mm: Floats, grid: Grid, tissue: Tissue, loss_mhz: float
) -> Tissue:
    """Return `tissue` with the lesion in it."""
    parts = rng.spawn(6)
    edge = max(EDGE_MM[term] for term in _margin(finding))
    ragged = distance_mm + 0.5 * edge * smooth_noise(parts[0], grid, 0.5, 0.7)
    softness = 0.5 * edge * np.exp(0.5 * smooth_noise(parts[0], grid, 2, 2))
    alpha = sigmoid(-ragged / softness)
    echo = tissue.echo_db + _surroundings(parts[1], finding, distance_mm, grid)
    echo = echo * (1 - alpha) + alpha * _inside_db(parts[2], finding, distance_mm, grid)
    loss_db_cm = loss_mhz * tissue.fat_attenuation
    ratio = _attenuation_ratio(parts[3], finding, distance_mm, grid, loss_db_cm)
    loss = tissue.attenuation * (1 - alpha) + alpha * ratio * tissue.fat_attenuation
    reflect = tissue.reflect * (1 - alpha)
    if edge < SMOOTH_MM:
        wall, side = _smooth_wall(parts[4], finding, distance_mm, grid)
        reflect, loss = reflect + wall, loss + side
    grains = texture.splat(grid.shape, _calcifications(parts[5], finding, distance_mm, grid))
    loss = loss + GRAIN_LOSS * cv2.GaussianBlur(np.abs(grains), (0, 0), 0.25 / grid.pixel_mm)
    return to_tissue(echo, loss, reflect + grains, tissue.fat_attenuation)


def _attenuation_ratio(
    rng: Rng, finding: Finding, distance_mm: Floats, grid: Grid, loss_db_cm: float
) -> Floats:
    """Return attenuation over fat's, (rows, columns); a combined feature has one on each side."""
    per_ratio_db = 2 * loss_db_cm * mean_chord(finding)
    low, high = (1 + bound_db / per_ratio_db for bound_db in SHADOW_DB)
    shadow, bright, plain = (
        rng.uniform(*ATTENUATION_RATIO[name]) for name in ("shadowing", "enhancement", "none")
    )
    shadow = float(np.clip(shadow, low, min(high, MOST_RATIO)))
    if finding.posterior == "combined":
        wavy = rng.normal(0, 2) * smooth_noise(rng, grid, 3, 3)
        x = grid.lateral_mm - _center_mm(distance_mm, grid)[0] + wavy
        steep = rng.choice([-8.0, 8.0]) / (finding.width_mm or 5.0)
        return bright + (shadow - bright) * sigmoid(steep * x)
    ratio = {"enhancement": bright, "shadowing": shadow}.get(finding.posterior or "none", plain)
    return np.full(grid.shape, ratio, np.float32)


def _inside_db(rng: Rng, finding: Finding, distance_mm: Floats, grid: Grid) -> Floats:
    """Return echogenicity (dB against fat) of the lesion's inside."""
    echo = finding.echo_pattern or "hypoechoic"
    (low, high), rough = INSIDE_DB[echo]
    size = max(min(finding.width_mm or 5.0, finding.height_mm or 5.0), 2.0)
    blobs = smooth_noise(rng, grid, 0.10 * size, 0.15 * size)
    fine = smooth_noise(rng, grid, 0.3, 0.9)
    db = rng.uniform(low, high) + rough * (0.8 * blobs + 0.6 * fine)
    if echo == "complex_cystic_solid":
        cyst = sigmoid((blobs - rng.uniform(0.2, 1.0)) / 0.08)
        db = db * (1 - cyst) + rng.uniform(*INSIDE_DB["anechoic"][0]) * cyst
    if echo == "anechoic":  # reverberation behind the front wall
        upper = np.clip(-texture.slopes(distance_mm, grid)[0], 0, 1)
        db = db + rng.uniform(6, 14) * upper * np.exp(np.minimum(distance_mm, 0) / 0.8)
    return np.asarray(db, np.float32)


def _surroundings(rng: Rng, finding: Finding, distance_mm: Floats, grid: Grid) -> Floats:
    """Return the dB that halo and spicules add outside the outline."""
    added = np.zeros(grid.shape, np.float32)
    if "spiculated" in _margin(finding):  # first: a halo must not draw other spicules
        added += _spicules(rng, finding, distance_mm, grid) * (distance_mm > -0.5)
    if finding.halo:
        width = rng.uniform(0.7, 1.8)
        ragged = distance_mm - width + 0.6 * smooth_noise(rng, grid, 0.8, 1.0)
        added += rng.uniform(4, 7) * np.exp(-0.5 * (ragged / width) ** 2)
    return added


def _spicules(rng: Rng, finding: Finding, distance_mm: Floats, grid: Grid) -> Floats:
    """Return echogenicity (dB) of lines that radiate from the lesion, bright and dark."""
    count = int(rng.integers(12, 26))
    t = np.linspace(0, 1, 60)[None, :]
    angle = rng.uniform(0, 2 * np.pi, (count, 1)) + rng.normal(0, 0.3, (count, 1)) * t
    reach = rng.gamma(4, 1.1, (count, 1)) * t
    center_x, center_z = _center_mm(distance_mm, grid)
    x = center_x + (0.42 * (finding.width_mm or 5.0) + reach) * np.cos(angle)
    z = center_z + (0.42 * (finding.height_mm or 5.0) + reach) * np.sin(angle)
    level = random_sign(rng, count)[:, None] * rng.uniform(4, 10, (count, 1)) * (1 - t)
    points = (z / grid.pixel_mm, x / grid.beam_mm, level)
    drawn = texture.splat(grid.shape, Points(*(p.ravel().astype(np.float32) for p in points)))
    soft = cv2.GaussianBlur(drawn, (0, 0), 0.18 / grid.pixel_mm)
    return np.asarray(np.clip(2 * soft, -9, 8), np.float32)


def _smooth_wall(
    rng: Rng, finding: Finding, distance_mm: Floats, grid: Grid
) -> tuple[Floats, Floats]:
    """Return a smooth wall's echoes where it faces the beam, and its sides' refraction loss."""
    dz, dx = texture.slopes(distance_mm, grid)
    steep = np.abs(dx) / (np.hypot(dx, dz) + np.float32(1e-3))
    patches = np.exp(0.7 * smooth_noise(rng, grid, 1, 1.5))
    strength = rng.uniform(0.3, 1.2) * (2.0 if finding.echo_pattern == "anechoic" else 1.0)
    echo = strength * np.where(dz > 0, 1.0, 0.6) * patches * (1 - steep**2) ** 3
    echo *= np.exp(-0.5 * ((distance_mm - 0.1) / 0.12) ** 2)
    side = np.exp(-0.5 * ((distance_mm - 0.2) / 0.35) ** 2) * steep**6
    return echo, rng.uniform(0.3, 2.0) * side


def _calcifications(rng: Rng, finding: Finding, distance_mm: Floats, grid: Grid) -> Points:
    """Return bright points: clustered inside, beside the mass, or along a duct towards it."""
    where = finding.calcification or "none"
    if where == "none":
        return Points(*np.zeros((3, 0), np.float32))
    room_mm2 = np.pi / 4 * (finding.width_mm or 0.0) * (finding.height_mm or 0.0)
    count = int(rng.integers(2, 4 + min(int(room_mm2 / 8), 12)))
    if where == "intraductal":
        x, z = _center_mm(distance_mm, grid)
        along = rng.uniform(0.5, 6.0, count)
        column = x + rng.choice([-1.0, 1.0]) * (0.45 * (finding.width_mm or 0.0) + along)
        bent = rng.normal(0, 0.25) * along + rng.normal(0, 0.03) * along**2
        row = z + (bent + rng.normal(0, 0.15, count))
        row, column = row / grid.pixel_mm, column / grid.beam_mm
    else:
        deepest = float(distance_mm.min())
        core = distance_mm <= max(-0.6, deepest + 0.6 * abs(deepest))
        outside = (distance_mm > 0.8) & (distance_mm < 5)
        there = outside if where == "outside_a_mass" and outside.any() else core
        at = rng.choice(np.flatnonzero(there), count)
        row, column = np.divmod(at, grid.shape[1])
    value = rng.lognormal(3.1, 0.5, count) * random_sign(rng, count)
    return texture.join(Points(row, column, value))
