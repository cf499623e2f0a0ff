"""Scanner styles: what a machine and the hand on its knobs do to the same anatomy.

In: a style's name and a sample's generator. Out: `Settings`, all that the acoustics need to know.
"""

from dataclasses import dataclass

from busgen.errors import UserError
from busgen.seeds import Rng


@dataclass(frozen=True)
class _Style:
    """Nominal machine; pairs are the ranges that a sample's setting is drawn from.

    Attributes
    ----------
    frequency_mhz : nominal centre frequency of the pulse
    loss_mhz : frequency that attenuation acts on: tissue strips a broadband pulse of its upper
        half
    axial_mm, lateral_mm : standard deviations of the point-spread function, lateral at the focus
    looks : decorrelated looks averaged by spatial or frequency compounding
    steer_deg : largest steering angle of the looks
    range_db, fat_grey : dynamic range that 255 grey levels would span at the slope near fat; grey
        level of fat
    black_grey : grey level of silence; what is negative is cut off, as a machine's reject does
    floor_db : electronic noise against fat, at the skin, before gain
    smooth_px, sharpen : width of the display filter and strength of edge enhancement
    radius_mm : radius of a curved array, None for a linear one
    """

    frequency_mhz: float
    loss_mhz: float
    axial_mm: float
    lateral_mm: float
    looks: int
    steer_deg: float
    range_db: tuple[float, float]
    fat_grey: tuple[float, float]
    black_grey: tuple[float, float]
    floor_db: tuple[float, float]
    smooth_px: tuple[float, float]
    sharpen: tuple[float, float]
    radius_mm: tuple[float, float] | None = None


# Widths, ranges and grey levels calibrated on BrEaST and BUS-BRA (GE Logiq 5 and 7), docs/log.
STYLES = {
    "linear_7mhz": _Style(
        frequency_mhz=7.5,
        loss_mhz=5.5,
        axial_mm=0.19,
        lateral_mm=0.26,
        looks=2,
        steer_deg=0.0,
        range_db=(43, 57),
        fat_grey=(72, 116),
        black_grey=(22, 40),
        floor_db=(-42, -34),
        smooth_px=(0.6, 0.8),
        sharpen=(0.0, 0.3),
    ),
    "linear_10mhz": _Style(
        frequency_mhz=10.0,
        loss_mhz=7.0,
        axial_mm=0.14,
        lateral_mm=0.32,
        looks=3,
        steer_deg=0.0,
        range_db=(72, 94),
        fat_grey=(40, 76),
        black_grey=(2, 22),
        floor_db=(-56, -48),
        smooth_px=(0.55, 0.78),
        sharpen=(0.1, 0.5),
    ),
    "linear_12mhz_compound": _Style(
        frequency_mhz=12.0,
        loss_mhz=8.0,
        axial_mm=0.10,
        lateral_mm=0.23,
        looks=4,
        steer_deg=7.0,
        range_db=(54, 74),
        fat_grey=(37, 74),
        black_grey=(-16, 12),
        floor_db=(-60, -52),
        smooth_px=(0.52, 0.68),
        sharpen=(0.1, 0.6),
    ),
    "curved_5mhz": _Style(
        frequency_mhz=5.0,
        loss_mhz=4.2,
        axial_mm=0.2,
        lateral_mm=0.4,
        looks=3,
        steer_deg=0.0,
        range_db=(58, 74),
        fat_grey=(42, 82),
        black_grey=(0, 14),
        floor_db=(-42, -34),
        smooth_px=(0.5, 0.75),
        sharpen=(0.0, 0.3),
        radius_mm=(40, 65),
    ),
}


@dataclass(frozen=True)
class Settings:
    """One sample's machine settings, drawn from its `style`."""

    style: _Style
    range_db: float
    fat_grey: float
    black_grey: float
    floor_db: float
    smooth_px: float
    sharpen: float
    focus: float
    near_db: float
    tilt_db: float
    bow_db: float
    gamma: float
    radius_mm: float


def draw_settings(name: str, rng: Rng) -> Settings:
    """Return one sample's settings for the style `name`; raise `UserError` if it is unknown."""
    if name not in STYLES:
        raise UserError("scanner must be a known style", repr(name), ", ".join(STYLES))
    style = STYLES[name]
    return Settings(
        style=style,
        range_db=rng.uniform(*style.range_db),
        fat_grey=rng.uniform(*style.fat_grey),
        black_grey=rng.uniform(*style.black_grey),
        floor_db=rng.uniform(*style.floor_db),
        smooth_px=rng.uniform(*style.smooth_px),
        sharpen=rng.uniform(*style.sharpen),
        focus=rng.uniform(0.25, 0.65),
        near_db=rng.normal(-1.0, 6.0),
        tilt_db=rng.normal(-5.0, 4.5),
        bow_db=rng.normal(0.0, 1.5),
        gamma=rng.uniform(2.6, 4.2),
        radius_mm=0.0 if style.radius_mm is None else rng.uniform(*style.radius_mm),
    )
