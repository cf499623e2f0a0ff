"""Splits by patient: decided by the patient's name alone, so that they survive new data.

In: patient ids. Out: the split that each belongs to.
"""

import hashlib
import math
from collections.abc import Mapping
from types import MappingProxyType

from busgen.errors import UserError

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.7, "validation": 0.15, "test": 0.15})


def assign_split(patient_id: str, shares: Mapping[str, float] = SHARES) -> str:
    """Return the split of a patient: all images of one patient stand on one side.

    `patient_id`: patient (or cluster of near-duplicates) as in the canonical table; `shares`: share
    of each split, in order; they add up to 1. Raises `UserError` if the shares are negative or do
    not add up to 1.
    """
    if min(shares.values()) < 0 or not math.isclose(sum(shares.values()), 1.0):
        raise UserError("shares of splits must add up to 1", dict(shares), "give e.g. .7, .15, .15")
    digest = hashlib.blake2b(patient_id.encode(), digest_size=8, person=b"busgen.split").digest()
    place, bound = int.from_bytes(digest, "big") / 2**64, 0.0
    for name, share in shares.items():
        bound += share
        if place < bound:
            return name
    return next(reversed([name for name, share in shares.items() if share > 0]))
