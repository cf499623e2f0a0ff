"""Randomness: every number that busgen draws comes from a sample's own seed.

In: root seed, sample index, attempt, name of the stage. Out: integer seeds and numpy generators.
Sample *k* never depends on batch size, shard, worker, or on what happened to sample *k - 1*.
"""

import hashlib

import numpy as np

from busgen.errors import UserError

MAX_SEED = 2**63 - 1

Rng = np.random.Generator


def _check_seed(seed: int) -> int:
    """Return `seed` if it is in [0, 2**63), else raise `UserError`."""
    if not 0 <= seed <= MAX_SEED:
        raise UserError("seed must be in [0, 2**63)", seed, "give a non-negative integer")
    return seed


def sample_seed(root: int, index: int, attempt: int = 0) -> int:
    """Return the seed of one attempt at one sample, in [0, 2**63)."""
    key = f"{_check_seed(root)}/{index}/{attempt}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1


def rng(seed: int, stage: str) -> Rng:
    """Return the generator of one sample (`seed`) for one `stage`, e.g. ``"mask"``."""
    tag = int.from_bytes(hashlib.blake2b(stage.encode(), digest_size=4).digest(), "big")
    return np.random.default_rng([_check_seed(seed), tag])
