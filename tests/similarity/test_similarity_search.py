"""Near-duplicates: copies are linked to their original, mirrored ones too, others are not."""

import numpy as np
import pytest

from busgen.seeds import rng
from busgen.similarity import known_images
from busgen.similarity.known_images import GRID, mirror

pytest.importorskip("faiss")
from busgen.similarity import search
from busgen.similarity.search import KEPT, PER_LIST, find_duplicates


def unlike(n, seed=0):
    """Return descriptions (n, 2, 144) that have nothing in common, nor have their parts."""
    rows = rng(seed, "near").standard_normal((n, 2, GRID * GRID)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=2, keepdims=True)


def near(rows, seed, share):
    """Return descriptions moved so that they correlate `share` with what they were."""
    moved = share * rows + (1 - share**2) ** 0.5 * unlike(len(rows), seed)
    return (moved / np.linalg.norm(moved, axis=2, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("n", [40, 6 * PER_LIST])
def test_copies_are_linked_and_nothing_else(n):
    rows = unlike(n)
    copies = np.concatenate([near(rows[:10], 1, 0.97), mirror(near(rows[10:20], 2, 0.97))])
    links = find_duplicates(np.concatenate([rows, copies]))
    assert [(link.first, link.second) for link in links] == [(k, n + k) for k in range(20)]
    assert all(0.9 < link.similarity < 1 for link in links)


def test_the_middle_of_a_image_is_linked_to_it():
    rows, others = unlike(9), unlike(3, 1)
    others[:, 0] = near(rows[:3], 2, 0.95)[:, 1]
    links = find_duplicates(np.concatenate([rows, others]))
    assert [(link.first, link.second) for link in links] == [(0, 9), (1, 10), (2, 11)]


def test_three_equal_images_are_three_links_each_once():
    links = find_duplicates(unlike(9)[[0, 1, 0, 2, 0]])
    assert [(link.first, link.second) for link in links] == [(0, 2), (0, 4), (2, 4)]
    assert find_duplicates(unlike(1)) == []


def test_the_bound_decides():
    rows = unlike(5)
    both = np.concatenate([rows, near(rows, 3, 0.5)])
    assert find_duplicates(both) == []
    assert len(find_duplicates(both, alike=0.3)) == 5


def test_images_are_described_by_their_whole_and_their_middle():
    speckle = rng(0, "speckle").rayleigh(60, (3, 128, 128)).clip(0, 255).astype(np.uint8)
    found = search.describe(speckle)
    assert found.shape == (3, len(KEPT), GRID * GRID)
    assert np.linalg.norm(found, axis=2) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(found[:, 0], [known_images.describe(image) for image in speckle])


def test_images_of_one_family_are_not_linked_nor_stand_before_others():
    rows = unlike(9)
    alike = np.concatenate([near(rows[[0] * 20], 4, 0.99), rows, near(rows[:1], 5, 0.9)])
    families = np.array([0] * 20 + [*range(10)])  # rows[0] is of the family of 20
    links = find_duplicates(alike, families=families)
    assert {(link.first, link.second) for link in links} == {(k, 29) for k in [*range(21)]}
