"""Columns of a mask: what `busgen.imaging.geometry` measures on it."""

import pyarrow as pa

from busgen.schema.column import MADE, REALS, Column


def mask_columns() -> tuple[Column, ...]:
    """Return what `busgen.imaging.geometry` measures on the drawn mask."""
    return (
        _measured("mask_area_mm2", "area", "mm2", (0.0, 1e4)),
        _measured("mask_width_mm", "box width", "mm", (0.0, 200.0)),
        _measured("mask_height_mm", "box height", "mm", (0.0, 200.0)),
        _measured("mask_center_x", "box centre from the left", "fraction", (0.0, 1.0)),
        _measured("mask_center_y", "box centre from the top", "fraction", (0.0, 1.0)),
        _measured("mask_major_mm", "major axis of the equal-moment ellipse", "mm", (0.0, 300.0)),
        _measured("mask_minor_mm", "minor axis of the equal-moment ellipse", "mm", (0.0, 300.0)),
        _measured("mask_angle_deg", "major axis against the skin", "degree", (-90.0, 90.0)),
        _measured("mask_solidity", "area / area of convex hull", "ratio", (0.0, 1.0)),
        _measured("mask_circularity", "4 pi area / perimeter^2", "ratio", (0.0, 1.2)),
        _measured(
            "mask_roughness",
            "rms distance of the outline to its smooth version / equivalent radius",
            "ratio",
            (0.0, 2.0),
        ),
        Column(
            "mask_curvature",
            pa.list_(pa.float64()),
            "power of curvature times equivalent "
            "radius in octave bands of cycles per outline: 1, 2-3, 4-7, 8-15, 16-31",
            "mask",
            MADE,
            "1",
            nullable=True,
            lesion=True,
        ),
    )


def _measured(name: str, about: str, unit: str, range_: tuple[float, float]) -> Column:
    return Column(name, REALS, about, "mask", MADE, unit, range=range_, nullable=True, lesion=True)
