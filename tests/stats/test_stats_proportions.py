"""Intervals of shares against published values."""

import pytest

from busgen.stats.proportions import wilson_interval


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval_equals_published_values(count, total, low, high):
    assert wilson_interval(count, total) == pytest.approx((low, high), abs=1e-4)
