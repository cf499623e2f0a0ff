"""Datasets of the tests: small imitations, and the published BrEaST where it is there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from imitations import lay_out_breast

from busgen.real.readers import Reading, read_dataset


@pytest.fixture(scope="session")
def published(real_data: Path) -> Reading:
    """Return the publisher's BrEaST, read once."""
    return read_dataset("breast", real_data / "BrEaST")


@pytest.fixture
def breast(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that lays out BrEaST; keywords replace cells of the first row."""
    return partial(lay_out_breast, tmp_path)
