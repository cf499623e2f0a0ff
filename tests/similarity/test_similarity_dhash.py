"""Hashes: what they read of an image, and the nearest of others in bits."""

import numpy as np

from busgen.similarity.search import HASH_BLOCK, hash_image, nearest


def test_hash_reads_rows_of_growth_and_ignores_brightness():
    ramp = np.tile(np.arange(0, 252, 28, dtype=np.uint8), (8, 1)).repeat(16, 0).repeat(16, 1)
    assert hash_image(ramp) == -1  # all 64 bits: everything grows to the right
    assert hash_image(ramp[:, ::-1]) == 0
    assert hash_image(ramp // 2 + 20) == -1


def test_nearest_hash_counts_bits():
    distance, where = nearest(np.array([0b1011, 0]), np.array([0b0011, -1]))
    assert distance.tolist() == [1, 2]
    assert where.tolist() == [0, 0]
    many = np.full(HASH_BLOCK + 2, -1)
    many[HASH_BLOCK] = 0b111
    distance, where = nearest(np.array([0b101]), many)
    assert (distance.tolist(), where.tolist()) == ([1], [HASH_BLOCK])
    distance, where = nearest(np.array([1]), np.array([], np.int64))
    assert distance.tolist() == [64]
    assert where.tolist() == [-1]
