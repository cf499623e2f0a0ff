"""How images are changed: the same by the same seed, labels hold, masks go along."""

import sys

import numpy as np
import pytest
from tiny_sets import pair

from busgen.downstream.data.augmentation import load_change
from busgen.errors import UserError


@pytest.fixture
def seen():
    image, mask = pair(3, malignant=True)
    return np.stack([image, 255 * mask])


@pytest.mark.parametrize("name", ["ultrasound", "trivial"])
def test_a_library_changes_views_as_its_seed_says(seen, name):
    pytest.importorskip("usaugment")
    change = load_change(name)
    drawn = [change(seen, np.random.default_rng(seed)) for seed in (1, *range(1, 25))]
    assert np.array_equal(drawn[0], drawn[1])
    assert all(one.shape == seen.shape and one.dtype == np.uint8 for one in drawn)
    assert sum(not np.array_equal(one[0], seen[0]) for one in drawn) > 15
    moved = [one for one in drawn if not np.array_equal(one[1], seen[1])]
    assert bool(moved) == (name == "trivial")
    for image, mask in drawn:  # the lesion is dark where its mask says
        inside, outside = image[mask > 0], image[(mask == 0) & (image > 0)]
        assert set(np.unique(mask)) <= {0, 255}
        assert inside.size == 0 or np.median(inside) <= np.median(outside)


def test_what_a_library_draws_from_is_left_as_it_was(seen):
    pytest.importorskip("usaugment")
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    load_change("ultrasound")(seen, np.random.default_rng(1))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_an_augmentation_must_be_known_and_installed(monkeypatch):
    assert load_change("own") is None
    with pytest.raises(UserError, match="choose from own, ultrasound, trivial"):
        load_change("mixup")
    monkeypatch.setitem(sys.modules, "usaugment", None)
    with pytest.raises(UserError, match=r"busgen\[downstream\]"):
        load_change("trivial")
