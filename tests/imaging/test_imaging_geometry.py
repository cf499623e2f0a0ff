"""Geometry against closed forms and scikit-image."""

import cv2
import numpy as np
import pytest

from busgen import schema
from busgen.imaging.geometry import COLUMNS, measure, to_columns
from busgen.masks.engines import load_mask_engine


def paint(inside, size=256):
    y, x = np.mgrid[:size, :size] + 0.5
    return inside(x - size / 2, y - size / 2).astype(np.uint8)


def ellipse(a, b, degrees=0.0, size=256):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return paint(lambda x, y: ((c * x + s * y) / a) ** 2 + ((c * y - s * x) / b) ** 2 < 1, size)


def star(lobes, amount, radius=80):
    return paint(
        lambda x, y: np.hypot(x, y) < radius * (1 + amount * np.cos(lobes * np.arctan2(y, x)))
    )


def test_disc():
    g = measure(ellipse(60, 60), 0.1)
    assert g.area_mm2 == pytest.approx(np.pi * 6**2, rel=2e-3)
    assert (g.width_mm, g.height_mm) == pytest.approx((12.0, 12.0))
    assert (g.center_x, g.center_y) == (0.5, 0.5)
    assert (g.major_mm, g.minor_mm) == pytest.approx((12.0, 12.0), rel=2e-3)
    assert g.solidity == pytest.approx(1.0, abs=1e-9)
    assert g.circularity == pytest.approx(1.0, abs=0.01)
    assert g.roughness < 0.005
    assert sum(g.curvature[:3]) < 0.01


@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0, 90.0, -30.0])
def test_turned_ellipse(degrees):
    g = measure(ellipse(80, 40, degrees), 0.2)
    assert g.area_mm2 == pytest.approx(np.pi * 16 * 8, rel=5e-3)
    assert (g.major_mm, g.minor_mm) == pytest.approx((32.0, 16.0), rel=5e-3)
    assert abs((g.angle_deg - degrees + 90) % 180 - 90) < 0.3
    assert -90 <= g.angle_deg <= 90
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    assert g.width_mm == pytest.approx(2 * np.hypot(16 * c, 8 * s), abs=0.4)
    assert g.height_mm == pytest.approx(2 * np.hypot(16 * s, 8 * c), abs=0.4)
    assert g.solidity > 0.995
    # Ramanujan's perimeter of semi-axes 2 and 1 is 9.6884
    assert g.circularity == pytest.approx(4 * np.pi * 2 * np.pi / 9.6884**2, rel=0.015)


def test_rectangle_is_exact():
    mask = np.zeros((100, 200), np.uint8)
    mask[10:40, 50:110] = 1
    g = measure(mask, 0.5)
    assert g.area_mm2 == 60 * 30 * 0.25
    assert (g.width_mm, g.height_mm) == (30.0, 15.0)
    assert (g.center_x, g.center_y) == (80 / 200, 25 / 100)
    assert g.major_mm == pytest.approx(30 * 2 / np.sqrt(3))
    assert g.angle_deg == pytest.approx(0.0)
    assert g.solidity == pytest.approx(1.0)
    assert g.circularity == pytest.approx(4 * np.pi * 1800 / 180**2, rel=0.05)


@pytest.mark.parametrize("mask", [ellipse(70, 30, 33), star(5, 0.25), star(9, 0.1), ellipse(9, 4)])
def test_agrees_with_scikit_image(mask):
    from skimage.measure import regionprops

    (reference,) = regionprops(mask)
    g = measure(mask, 1.0)
    assert g.area_mm2 == reference.area
    # scikit-image takes pixels as points; as squares each adds 1/12 to the second moments
    assert g.major_mm == pytest.approx(np.hypot(reference.axis_major_length, 4 / 12**0.5))
    assert g.minor_mm == pytest.approx(np.hypot(reference.axis_minor_length, 4 / 12**0.5))
    assert g.solidity == pytest.approx(reference.solidity, abs=0.04)  # its hull is of corners
    top, left, bottom, right = reference.bbox
    assert (g.width_mm, g.height_mm) == (right - left, bottom - top)


def test_lobes_show_in_their_octave():
    g, smooth = measure(star(10, 0.06), 0.1), measure(ellipse(80, 80), 0.1)
    assert g.solidity < smooth.solidity
    assert g.circularity < smooth.circularity
    assert g.roughness > 5 * smooth.roughness
    # r = R (1 + e cos n t) has curvature of amplitude e (n^2 - 1) to first order
    assert g.curvature[3] == pytest.approx((0.06 * 99) ** 2 / 2, rel=0.25)
    assert g.curvature[3] > 10 * max(g.curvature[:3])


def test_curvature_does_not_depend_on_size():
    small = star(6, 0.12, 50)
    large = cv2.resize(small, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    large = (cv2.GaussianBlur(255 * large, (0, 0), 3) > 127).astype(np.uint8)
    a, b = measure(small, 0.3), measure(large, 0.1)
    assert a.curvature[2] == pytest.approx(b.curvature[2], rel=0.1)
    assert a.roughness == pytest.approx(b.roughness, rel=0.05)
    assert a.area_mm2 == pytest.approx(b.area_mm2, rel=0.01)


def test_box_of_all_but_outline_of_the_largest():
    mask = ellipse(60, 60)
    alone = measure(mask, 1.0)
    mask[2:6, 3:8] = 1
    both = measure(mask, 1.0)
    assert (both.width_mm, both.height_mm) == (188 - 3, 188 - 2)
    assert both.area_mm2 == alone.area_mm2 + 20
    assert both.circularity == pytest.approx(alone.circularity, rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (9, 1)])
def test_specks_have_finite_measures(shape):
    mask = np.zeros((32, 32), np.uint8)
    mask[: shape[0], : shape[1]] = 1
    g = measure(mask, 0.1)
    assert np.isfinite([*to_columns(g)["mask_curvature"], g.circularity, g.roughness]).all()
    assert g.solidity == pytest.approx(1.0)


def test_empty_mask_has_no_geometry():
    assert measure(np.zeros((64, 64), np.uint8), 0.1) is None
    assert to_columns(None) == dict.fromkeys(COLUMNS)


def test_columns_are_the_schemas_and_in_range(mixed):
    in_schema = [c for c in schema.COLUMNS if c.source == "mask" and c.name.startswith("mask_")]
    assert tuple(c.name for c in in_schema if c.name != "mask_engine") == COLUMNS
    for mask, finding in zip(load_mask_engine("curvature").draw(mixed), mixed, strict=True):
        values = to_columns(measure(mask, finding.pixel_mm))
        for column in in_schema:
            if column.range is not None:
                assert column.range[0] <= values[column.name] <= column.range[1], column.name
