"""Hashes: what they read of a picture, and the nearest of others in bits."""

import numpy as np

from busgen.similarity.dhash import HASH_BLOCK, difference_hash, nearest_hash


def test_hash_reads_rows_of_growth_and_ignores_brightness():
    ramp = np.tile(np.arange(0, 252, 28, dtype=np.uint8), (8, 1)).repeat(16, 0).repeat(16, 1)
    assert difference_hash(ramp) == -1  # all 64 bits: everything grows to the right
    assert difference_hash(ramp[:, ::-1]) == 0
    assert difference_hash(ramp // 2 + 20) == -1


def test_nearest_hash_counts_bits():
    distance, where = nearest_hash(np.array([0b1011, 0]), np.array([0b0011, -1]))
    assert distance.tolist() == [1, 2]
    assert where.tolist() == [0, 0]
    many = np.full(HASH_BLOCK + 2, -1)
    many[HASH_BLOCK] = 0b111
    distance, where = nearest_hash(np.array([0b101]), many)
    assert (distance.tolist(), where.tolist()) == ([1], [HASH_BLOCK])
    distance, where = nearest_hash(np.array([1]), np.array([], np.int64))
    assert distance.tolist() == [64]
    assert where.tolist() == [-1]
