"""Beam space and screen: identity, corners, round trips."""

import numpy as np
import pytest

from busgen.images.phantom import beams


def disc(row, column, radius, size=128):
    y, x = np.mgrid[:size, :size]
    return ((y - row) ** 2 + (x - column) ** 2 < radius**2).astype(np.uint8)


def test_linear_beam_space_is_the_image():
    grid = beams.linear_grid(64, 0.2)
    image = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    assert np.array_equal(beams.to_screen(grid, beams.to_beams(grid, image)), image)


def test_sector_has_black_corners_and_holds_most_of_the_image():
    grid = beams.sector_grid(disc(64, 64, 20), 0.3, 50.0)
    seen = beams.visible_area(grid)
    assert not seen[0, 0]
    assert not seen[0, -1]
    assert not seen[-1, 0]
    assert 0.8 < seen.mean() < 0.99
    assert (beams.to_screen(grid, np.ones(grid.shape, np.float32))[~seen] == 0).all()


@pytest.mark.parametrize("corner", [(12, 12), (115, 10), (10, 118)])
def test_sector_opens_until_it_holds_the_lesion(corner):
    mask = disc(*corner, 8)
    assert beams.visible_area(beams.sector_grid(mask, 0.3, 50.0))[mask > 0].all()


def test_sector_there_and_back_keeps_smooth_images():
    grid = beams.sector_grid(disc(64, 64, 20), 0.3, 50.0)
    y, x = np.mgrid[:128, :128] / 128
    image = (np.sin(4 * x) + y).astype(np.float32)
    back = beams.to_screen(grid, beams.to_beams(grid, image))
    inner = beams.visible_area(grid)
    inner[:4] = inner[-4:] = False
    assert np.abs(back - image)[inner].mean() < 0.01
