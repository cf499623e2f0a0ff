"""The benchmark's own check of outlines, and that all its bars have figures."""

import numpy as np

from busgen.bench.masks import BARS, _crosses, measure


def test_crossings_are_seen():
    t = 2 * np.pi * np.arange(48) / 48 + 0.01
    assert not _crosses(np.stack([np.cos(t), np.sin(t)], axis=1))
    assert _crosses(np.stack([np.sin(t), np.sin(2 * t)], axis=1))


def test_figures_and_bars():
    figures = measure(quick=True)
    assert set(BARS) <= set(figures)
    assert figures["self_intersections"].value == figures["out_of_frame"].value == 0
    assert figures["box_error_px"].value <= 1
    assert figures["size_within_5_percent"].value >= 0.95
    assert figures["orientation_agreement"].value >= 0.95
