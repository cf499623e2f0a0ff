"""Fixtures: tiny sets, and one finished comparison."""

from dataclasses import replace

import pytest
import torch
from tiny_sets import RECIPES, write_made, write_real

from busgen.downstream.plan import Request


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """Return folders of real and of synthetic images."""
    folder = tmp_path_factory.mktemp("sets é")
    return write_real(folder / "real"), write_made(folder / "made")


@pytest.fixture
def asked(sets, tmp_path):
    """Return what a tiny comparison is asked for."""
    real, generated = sets
    usual = Request(
        generated, real, tmp_path / "out", train=("bus_bra",), recipes=RECIPES, workers=1
    )
    return replace(usual, arms=("real_augmented", "real_synthetic_1"), seeds=1)
