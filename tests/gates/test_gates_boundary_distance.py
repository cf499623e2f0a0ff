"""Distance of outlines: of shifted and lost masks, against MONAI."""

import cv2
import numpy as np
import pytest

from busgen.gates.judged_scores import FARTHEST, distance


def ellipse(col=64, row=64, axes=(30, 18)):
    """Return the mask of an ellipse."""
    mask = np.zeros((128, 128), np.uint8)
    cv2.ellipse(mask, (col, row), axes, 20, 0, 360, 1, -1)
    return mask


def test_equal_outlines_lie_on_each_other_and_nothing_found_is_farthest():
    assert distance(ellipse() > 0, ellipse()) == 0
    assert distance(ellipse() > 1, ellipse()) == FARTHEST
    assert np.isnan(distance(ellipse() > 0, ellipse() * 0))
    assert distance(ellipse(5, 5, (2, 2)) > 0, ellipse(100, 100, (4, 4))) == FARTHEST


def test_a_square_one_pixel_larger_lies_one_pixel_away():
    mask, found = np.zeros((2, 64, 64), np.uint8)
    mask[20:40, 20:40], found[19:41, 19:41] = 1, 1
    diameter = 2 * np.sqrt(400 / np.pi)
    assert distance(found > 0, mask) == pytest.approx(1 / diameter, rel=0.02)


@pytest.mark.parametrize("other", [ellipse(70), ellipse(64, 58, (20, 20)), ellipse(40, 90)])
def test_it_is_monais_surface_distance_by_diameters(other):
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    mask = ellipse()
    one, two = (torch.from_numpy(m[None, None].astype(np.float32)) for m in (other, mask))
    apart = metrics.compute_average_surface_distance(
        one, two, include_background=True, symmetric=True
    )
    diameter = 2 * np.sqrt(mask.sum() / np.pi)
    expected = min(float(apart[0, 0]) / diameter, FARTHEST)
    assert distance(other > 0, mask) == pytest.approx(expected, rel=0.02)
