"""Scanner styles: what a machine and the hand on its knobs do to the same anatomy.

In: a style's name and a sample's generator. Out: `Settings`, all that the acoustics need to know.
"""

from dataclasses import dataclass

from busgen.errors import UserError
from busgen.seeds import Rng


@dataclass(frozen=True)
class _Style:
    """Nominal machine; pairs are the ranges that a sample's setting is drawn from.

    `loss_mhz` frequency that attenuation acts on: tissue strips a broadband pulse of its upper
    half; `axial_mm`, `lateral_mm` sd of the point-spread function, lateral at the focus; `looks`
    decorrelated ones that spatial or frequency compounding averages, steered by up to `steer_deg`;
    `range_db` that 255 grey levels would span at the slope near fat, `fat_grey` its grey level;
    `black_grey` of silence, cut off where negative, as a machine's reject does; `floor_db`
    electronic noise against fat, at the skin, before gain; `smooth_px` width of the display filter,
    `sharpen` strength of edge enhancement; `radius_mm` of a curved array.
    """

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


# Widths, ranges and grey levels calibrated on BrEaST and BUS-BRA (GE Logiq 5 and 7), docs/log. In
# the order of the fields: loss, axial, lateral, looks, steering; range, fat, black, floor, smooth,
# sharpen, and the radius of a curved array.
# fmt: off
STYLES = {
    "linear_7mhz": _Style(
        5.5, 0.19, 0.26, 2, 0.0,
        (43, 57), (72, 116), (22, 40), (-42, -34), (0.6, 0.8), (0.0, 0.3),
    ),
    "linear_10mhz": _Style(
        7.0, 0.14, 0.32, 3, 0.0,
        (72, 94), (40, 76), (2, 22), (-56, -48), (0.55, 0.78), (0.1, 0.5),
    ),
    "linear_12mhz_compound": _Style(
        8.0, 0.10, 0.23, 4, 7.0,
        (54, 74), (37, 74), (-16, 12), (-60, -52), (0.52, 0.68), (0.1, 0.6),
    ),
    "curved_5mhz": _Style(
        4.2, 0.2, 0.4, 3, 0.0,
        (58, 74), (42, 82), (0, 14), (-42, -34), (0.5, 0.75), (0.0, 0.3), (40, 65),
    ),
}
# fmt: on
DRAWN = ("range_db", "fat_grey", "black_grey", "floor_db", "smooth_px", "sharpen")  # in this order


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
        style,
        **{name: rng.uniform(*getattr(style, name)) for name in DRAWN},
        focus=rng.uniform(0.25, 0.65),
        near_db=rng.normal(-1.0, 6.0),
        tilt_db=rng.normal(-5.0, 4.5),
        bow_db=rng.normal(0.0, 1.5),
        gamma=rng.uniform(2.6, 4.2),
        radius_mm=0.0 if style.radius_mm is None else rng.uniform(*style.radius_mm),
    )
