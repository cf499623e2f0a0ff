"""Pairs of real rows: clean ones alone, with the class that is claimed."""

import numpy as np

from busgen.gates.calibration.real_samples import make_pair
from busgen.io import encode_png
from busgen.real.crops import crop


def pair_of(row):
    """Return the pair of a canonical row."""
    return make_pair(row, *crop(row))


def test_rows_become_pairs_where_nothing_is_burned_in(make_row):
    assert pair_of(make_row(0, flags=["colour_doppler"])) is None
    covered = {"bytes": encode_png(np.full((64, 64), 255, np.uint8))}
    assert pair_of(make_row(0, ignore=covered)) is None
    found = pair_of(make_row(0))
    assert (found.malignant, found.echo_pattern) == (False, "hypoechoic")
    assert found.posterior == "shadowing"
    assert pair_of(make_row(1)).malignant is True
    assert pair_of(make_row(2, pathology="normal", mask=None)).malignant is None
