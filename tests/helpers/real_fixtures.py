"""Datasets of the tests: small imitations, and the published BrEaST where it is there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from imitations import lay_out_breast

from busgen.real import canonical
from busgen.real.readers.registry import Reading, read_dataset


@pytest.fixture
def no_overlays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave overlays out of canonical rows: they have tests of their own."""
    monkeypatch.setattr(canonical, "find_overlays", lambda image: np.zeros(image.shape, np.bool_))


@pytest.fixture(scope="session")
def published(real_data: Path) -> Reading:
    """Return the publisher's BrEaST, read once."""
    return read_dataset("breast", real_data / "BrEaST")


@pytest.fixture
def breast(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that lays out BrEaST; keywords replace cells of the first row."""
    return partial(lay_out_breast, tmp_path)
