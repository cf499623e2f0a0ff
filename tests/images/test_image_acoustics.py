"""Speckle, beams, losses, gain and compression against closed forms."""

import numpy as np
import pytest

from busgen.bench.phantom.benchmark import speckle_ratio
from busgen.images.phantom import engine as acoustics
from busgen.images.phantom.beams import STYLES, draw_settings, linear_grid
from busgen.seeds import rng

GRID = linear_grid(128, 0.15)


def settings(scanner="linear_10mhz"):
    return draw_settings(scanner, rng(5, "image"))


@pytest.mark.parametrize("scanner", STYLES)
def test_uniform_tissue_gives_fully_developed_speckle(scanner):
    ratio = np.mean([speckle_ratio(scanner, seed) for seed in range(12)])
    assert ratio == pytest.approx(1.913, abs=0.03)


def test_blurred_noise_keeps_its_power_at_every_depth():
    noise = rng(1, "t").standard_normal((2, 128, 4000), np.float32)
    power = (acoustics.blur(noise, GRID, settings()) ** 2).mean((0, 2))[8:-8]
    assert power == pytest.approx(1.0, abs=0.12)


def test_point_spread_widens_away_from_the_focus():
    widths = acoustics.beam_widths(GRID, settings())
    focus = widths.argmin()
    assert (np.diff(widths[:focus]) <= 0).all()
    assert (np.diff(widths[focus:]) >= 0).all()


def test_path_loss_is_two_way():
    uniform = np.full(GRID.shape, 0.7, np.float32)
    loss = acoustics.path_loss_db(uniform, GRID, settings(), 0.0)
    depth_cm = GRID.depth_mm[-1] / 10
    expected = 2 * 0.7 * depth_cm * STYLES["linear_10mhz"].loss_mhz
    assert loss[-1].mean() == pytest.approx(expected, rel=0.03)


def test_steered_shadow_leaves_the_column():
    block = np.zeros(GRID.shape, np.float32)
    block[20:30, 60:68] = 5
    straight = acoustics.path_loss_db(block, GRID, settings(), 0.0)[-1]
    steered = acoustics.path_loss_db(block, GRID, settings(), 10.0)[-1]
    moved = abs(int(straight.argmax()) - int(steered.argmax()))
    assert moved == pytest.approx(np.tan(np.deg2rad(10)) * 103, abs=5)
    assert steered.sum() == pytest.approx(straight.sum(), rel=0.05)


def test_matched_gain_leaves_uniform_tissue_level():
    uniform = np.full(GRID.shape, 0.7, np.float32)
    machine = settings()
    level = acoustics.gain_db(uniform, GRID, machine)[:, 0]
    level -= acoustics.path_loss_db(uniform, GRID, machine, 0.0)[:, 64]
    t = np.linspace(0, 1, 128)
    error = machine.near_db * np.exp(-((GRID.depth_mm / acoustics.NEAR_MM) ** 2))
    error += machine.tilt_db * t + machine.bow_db * np.sin(np.pi * t)
    assert np.abs(level - error).max() < 0.5


def test_ten_decibels_are_the_same_step_of_grey_everywhere():
    machine = settings()
    flat = [np.full((16, 16), level, np.float32) for level in (0.3, 1.0)]
    grey = [acoustics.compress([f], machine).mean() for f in flat]
    assert 0 < grey[0] < grey[1] < 255
