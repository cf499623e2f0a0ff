"""Near-duplicates: copies are linked to their original, mirrored ones too, others are not."""

import numpy as np
import pytest

from busgen.quality.known import GRID, mirrored
from busgen.seeds import rng

pytest.importorskip("faiss")
from busgen.quality.near_duplicates import PER_LIST, near_duplicates


def descriptions(n, seed=0):
    """Return n unit vectors (n, 144) that have nothing in common."""
    rows = rng(seed, "near").standard_normal((n, GRID * GRID)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def near(rows, seed, share):
    """Return rows moved so that they correlate `share` with what they were."""
    moved = share * rows + (1 - share**2) ** 0.5 * descriptions(len(rows), seed)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("n", [40, 12 * PER_LIST])
def test_copies_are_linked_and_nothing_else(n):
    rows = descriptions(n)
    copies = np.concatenate([near(rows[:10], 1, 0.97), mirrored(near(rows[10:20], 2, 0.97))])
    links = near_duplicates(np.concatenate([rows, copies]))
    assert [(link.first, link.second) for link in links] == [(k, n + k) for k in range(20)]
    assert all(0.9 < link.similarity < 1 for link in links)


def test_three_equal_pictures_are_three_links_each_once():
    rows = descriptions(9)
    links = near_duplicates(rows[[0, 1, 0, 2, 0]])
    assert [(link.first, link.second) for link in links] == [(0, 2), (0, 4), (2, 4)]
    assert near_duplicates(rows[:1]) == []


def test_the_bound_decides():
    rows = descriptions(5)
    both = np.concatenate([rows, near(rows, 3, 0.6)])
    assert near_duplicates(both) == []
    assert len(near_duplicates(both, alike=0.4)) == 5
