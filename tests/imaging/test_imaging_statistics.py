"""Image statistics with known answers."""

import numpy as np
import pytest
from scipy import ndimage

from busgen.imaging.statistics import GROUPS, MEASURED, group_name, measure_image
from busgen.seeds import rng

SIDE = 128


def speckle(k, axial=1.0, lateral=3.0):
    """Return smoothed noise of grey 100 ± 20 with Gaussian correlation (sd in px)."""
    noise = ndimage.gaussian_filter(rng(k, "noise").normal(size=(SIDE, SIDE)), (axial, lateral))
    return np.clip(100 + 20 * noise / noise.std(), 10, 255).astype(np.uint8)


def box_mask(rows=(40, 60), cols=(30, 70)):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[slice(*rows), slice(*cols)] = 255
    return mask


def test_geometry_is_the_masks():
    found = measure_image(speckle(1), box_mask(), 0.2)
    assert (found["width_mm"], found["height_mm"]) == pytest.approx((8.0, 4.0))
    assert found["aspect"] == pytest.approx(2.0)
    assert found["box_area_fraction"] == pytest.approx(20 * 40 / SIDE**2)
    assert found["center_y"] == pytest.approx(50 / SIDE)


def test_grey_depth_and_contrast_of_flat_halves():
    image = np.full((SIDE, SIDE), 50, np.uint8)
    image[SIDE // 2 :] = 150
    mask = box_mask(rows=(25, 45))
    image[mask > 0] = 20
    found = measure_image(image, mask, 0.2)
    assert found["contrast"] == pytest.approx(20 - 50)
    assert found["depth_00"] == 50
    assert found["depth_15"] == 150
    assert found["grey_p50"] == pytest.approx(100, abs=50)
    assert found["black"] == 0


def test_speckle_width_is_that_of_its_correlation():
    # Gaussian smoothing with sd s gives an autocorrelation of sd s sqrt(2): FWHM 3.33 s
    found = measure_image(speckle(2, axial=0.8, lateral=1.6), box_mask(), 0.1)
    assert found["speckle_axial_px"] == pytest.approx(3.33 * 0.8, rel=0.15)
    assert found["speckle_lateral_px"] == pytest.approx(3.33 * 1.6, rel=0.15)
    assert found["speckle_axial_mm"] == pytest.approx(0.1 * found["speckle_axial_px"])


def test_spectrum_slope_of_a_power_law():
    side = 256
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    radius[0, 0] = 1
    phase = np.exp(2j * np.pi * rng(3, "phase").random((side, side)))
    field = np.fft.ifft2(radius**-1.25 * phase).real
    image = np.clip(128 + 30 * field / field.std(), 10, 255).astype(np.uint8)
    slope = measure_image(image, np.zeros_like(image), None)["spectrum_slope"]
    assert slope == pytest.approx(-2.5, abs=0.15)


def test_all_names_are_there_and_finite():
    found = measure_image(speckle(4), box_mask(), 0.2)
    assert set(found) == set(MEASURED)
    assert all(np.isfinite(value) for value in found.values())


def test_what_does_not_apply_is_absent():
    empty = np.zeros((SIDE, SIDE), np.uint8)
    normal = measure_image(speckle(5), empty, 0.2)
    assert not normal.keys() & {"width_mm", "aspect", "contrast"}
    assert "width_mm" not in measure_image(speckle(5), box_mask(), None)
    assert measure_image(empty, box_mask(), 0.2) == {"black": 1.0}


def test_every_statistic_has_its_group():
    assert {group_name(name) for name in MEASURED} | {"judges"} == set(GROUPS)
    assert group_name("contrast_anechoic") == "grey"
