"""The published prior, loaded once, and many of its findings."""

import pytest

from busgen.priors.draw import draw
from busgen.priors.network import load_prior


@pytest.fixture(scope="session")
def prior():
    return load_prior()


@pytest.fixture(scope="session")
def findings(prior):
    return draw(prior, 20_000, 5)
