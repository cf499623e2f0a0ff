"""Speckle statistics: spectra of known images, what holds by scanner."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_judges import ellipses

from busgen.metrics.speckle import EVERY, SPECTRUM, STATISTICS, compare, measure, shared_scanners
from busgen.seeds import rng

COUNT = sum(map(len, STATISTICS.values()))


def textures(n, seed, width=1.0):
    """Return crops of smooth noise, on two scanners."""
    pick = rng(seed, "texture")
    noise = [cv2.GaussianBlur(pick.normal(size=(64, 64)), (0, 0), width) for _ in range(n)]
    images = np.stack(
        [np.clip(110 + 25 * one / one.std(), 5, 255).astype(np.uint8) for one in noise]
    )
    scanners = np.where(np.arange(n) % 2, "one", "two")
    return replace(ellipses(n), images=images, scanners=scanners)


def test_a_wave_has_its_power_in_the_band_of_its_frequency():
    rows = np.arange(64)[:, None]
    wave = 120 + 60 * np.cos(2 * np.pi * rows * 14 / 64).repeat(64, axis=1)  # .22 cycles per pixel
    crops = replace(ellipses(1), images=wave.astype(np.uint8)[None])
    levels = {name: measure(crops)[name][0] for name in SPECTRUM}
    assert max(levels, key=levels.get) == "spectrum_0.26"
    assert levels["spectrum_0.26"] == pytest.approx(0, abs=0.5)


def test_images_of_one_kind_hold_and_smooth_ones_do_not():
    real = textures(80, 1)
    result = [
        compare(measure(generated), generated.scanners, measure(real), real.scanners)
        for generated in (textures(60, 2), textures(60, 3, width=2.0))
    ]
    same, smooth = (np.mean([one.within for one in rows]) for rows in result)
    assert same > 0.9
    failed = {one.statistic for one in result[1] if not one.within}
    assert {"speckle_axial_px", "speckle_lateral_px", "spectrum_slope"} <= failed
    assert smooth < 0.7


def test_scanners_are_compared_alone_and_others_with_all():
    real = textures(60, 1)
    rows = compare(measure(real), real.scanners, measure(real), real.scanners)
    assert len(rows) == 2 * COUNT
    assert {(one.scanner, one.n, one.n_real) for one in rows} == {("one", 30, 30), ("two", 30, 30)}
    assert all(one.within for one in rows)
    linear = np.full(60, "linear")
    rows = compare(measure(real), linear, measure(real), real.scanners)
    assert {(one.scanner, one.n_real) for one in rows} == {(EVERY, 60)}


def test_a_scanner_of_few_images_is_left_out():
    real = np.array(["one"] * 14 + ["two"] * 15)
    assert shared_scanners(np.array(["one", "two"]), real) == ["two"]
    assert shared_scanners(np.array(["one"]), real) == [EVERY]
