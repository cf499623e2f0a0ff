"""Seeds: one identity a sample, refused when out of range."""

import pytest

from busgen.errors import UserError
from busgen.seeds import MAX_SEED, rng, sample_seed


def test_seeds_differ_by_root_sample_and_attempt_and_fit_int64():
    seeds = {sample_seed(r, k, a) for r in range(5) for k in range(40) for a in range(3)}
    assert len(seeds) == 600
    assert all(0 <= seed <= MAX_SEED for seed in seeds)


def test_known_seed_never_changes():
    assert sample_seed(7, 0) == 4895008828178295159


def test_stages_draw_independently_and_repeatably():
    assert rng(5, "mask").random() == rng(5, "mask").random()
    assert rng(5, "mask").random() != rng(5, "image").random()


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seed_out_of_range_is_refused_with_its_value(seed):
    with pytest.raises(UserError, match=rf"seed must be in \[0, 2\*\*63\), got {seed}: give"):
        rng(seed, "mask")
