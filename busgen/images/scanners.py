"""Scanner styles: what a machine and the hand on its knobs do to the same anatomy.

In: a style's name and a sample's generator. Out: `Settings`, all that the acoustics need to know.
"""

from dataclasses import dataclass

import numpy as np

from busgen.errors import UserError

SPEED_MM_US = 1.54  # speed of sound in soft tissue


@dataclass(frozen=True)
class Style:
    """Nominal machine; pairs are the ranges that a sample's setting is drawn from.

    Attributes
    ----------
    frequency_mhz
        Nominal centre frequency of the pulse.
    loss_mhz
        Frequency that attenuation acts on: tissue strips a broadband pulse of its upper half.
    axial_mm, lateral_mm
        Standard deviations of the point-spread function, lateral at the focus.
    looks
        Decorrelated looks averaged by spatial or frequency compounding.
    steer_deg
        Largest steering angle of the looks.
    range_db, fat_grey
        Displayed dynamic range, and grey level at which fat comes out.
    floor_db
        Electronic noise against fat, at the skin, before gain.
    smooth_px, sharpen
        Width of the display filter and strength of edge enhancement.
    radius_mm
        Radius of a curved array, None for a linear one.
    """

    frequency_mhz: float
    loss_mhz: float
    axial_mm: float
    lateral_mm: float
    looks: int
    steer_deg: float
    range_db: tuple[float, float]
    fat_grey: tuple[float, float]
    floor_db: tuple[float, float]
    smooth_px: tuple[float, float]
    sharpen: tuple[float, float]
    radius_mm: tuple[float, float] | None = None


# Widths, ranges and grey levels calibrated on BrEaST and BUS-BRA (GE Logiq 5 and 7), docs/log.md.
STYLES = {
    "linear_7mhz": Style(
        7.5, 5.5, 0.18, 0.48, 2, 0.0, (38, 50), (70, 115), (-48, -40), (0.5, 0.8), (0.2, 0.8)
    ),
    "linear_10mhz": Style(
        10.0, 7.0, 0.16, 0.42, 3, 0.0, (58, 74), (50, 90), (-56, -48), (0.5, 0.8), (0.0, 0.5)
    ),
    "linear_12mhz_compound": Style(
        12.0, 8.0, 0.13, 0.27, 4, 7.0, (56, 72), (42, 75), (-60, -52), (0.3, 0.5), (0.0, 0.6)
    ),
    "curved_5mhz": Style(
        5.0,
        3.6,
        0.24,
        0.60,
        2,
        0.0,
        (52, 66),
        (50, 90),
        (-54, -46),
        (0.5, 0.8),
        (0.0, 0.5),
        (40, 65),
    ),
}


@dataclass(frozen=True)
class Settings:
    """One sample's machine settings, drawn from its `style`."""

    style: Style
    range_db: float
    fat_grey: float
    floor_db: float
    smooth_px: float
    sharpen: float
    focus: float
    tilt_db: float
    bow_db: float
    gamma: float
    radius_mm: float


def draw_settings(name: str, rng: np.random.Generator) -> Settings:
    """Return one sample's settings for the style `name`; raise `UserError` if it is unknown."""
    if name not in STYLES:
        raise UserError("scanner must be a known style", repr(name), ", ".join(STYLES))
    style = STYLES[name]
    return Settings(
        style=style,
        range_db=rng.uniform(*style.range_db),
        fat_grey=rng.uniform(*style.fat_grey),
        floor_db=rng.uniform(*style.floor_db),
        smooth_px=rng.uniform(*style.smooth_px),
        sharpen=rng.uniform(*style.sharpen),
        focus=rng.uniform(0.25, 0.65),
        tilt_db=rng.normal(-3.5, 3.0),
        bow_db=rng.normal(0.0, 1.5),
        gamma=rng.uniform(0.9, 1.15),
        radius_mm=0.0 if style.radius_mm is None else rng.uniform(*style.radius_mm),
    )
