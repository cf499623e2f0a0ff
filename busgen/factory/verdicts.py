"""Verdicts over the whole set: which of the samples that passed their gates repeat an earlier one.

In: a shard's rows, the samples accepted before. Out: the verdict on each row and on each family.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from busgen.params.gates import Gate
from busgen.similarity import search

DUPLICATE = "duplicate_distance"
FAMILY = "family"  # the reason of a member that passed where another did not
COLUMNS = ["sample_id", "family_id", "image_dhash", "accepted", "reason"]


class Family(NamedTuple):
    """A family's id, whether it is accepted, and whether all its members passed their own gates."""

    name: str
    accepted: bool
    passed: bool


class Verdicts(NamedTuple):
    """Verdicts over one shard's rows, and on the families in it, in order.

    `distance` and `duplicate_of` are of the nearest accepted image of another, earlier family.
    """

    accepted: NDArray[np.bool_]
    reason: list[str | None]
    distance: NDArray[np.int64]
    duplicate_of: list[str | None]
    families: tuple[Family, ...]


def judge(shard: pa.Table, gate: Gate, known: dict[str, int]) -> Verdicts:
    """Return the verdicts of one shard's rows and add the accepted ones to `known`.

    In the order of families, so that of two equal images the earlier is kept, on any machine.
    Members of one family may look alike: they are compared with other families only.
    `shard` has `COLUMNS` of its rows, the members of a family one after the other; `gate` bounds
    `duplicate_distance`; `known` are samples accepted before, in the order of shards, with hashes.
    """
    hashes = shard["image_dhash"].to_numpy()
    passed = shard["accepted"].to_numpy(zero_copy_only=False)
    ids, names = shard["sample_id"].to_pylist(), shard["family_id"].to_pylist()
    earlier = list(known)
    distance, where = search.nearest(hashes, np.array(list(known.values()), np.int64))
    nearest: list[str | None] = [earlier[w] if w >= 0 else None for w in where]
    accepted = np.zeros(len(ids), bool)
    families = []
    starts = [row for row in range(len(ids)) if row == 0 or names[row] != names[row - 1]]
    for start, end in pairwise([*starts, len(ids)]):
        here = np.flatnonzero(accepted[:start])
        near, at = search.nearest(hashes[start:end], hashes[here])
        for row in np.flatnonzero(near < distance[start:end]):
            distance[start + row], nearest[start + row] = near[row], ids[here[at[row]]]
        repeats = _repeats(distance[start:end], gate)
        accepted[start:end] = (passed[start:end] & ~repeats).all()
        own = bool(passed[start:end].all())
        families.append(Family(names[start], bool(accepted[start]), own))
    known.update({ids[row]: int(hashes[row]) for row in np.flatnonzero(accepted)})
    own, repeats = shard["reason"].to_pylist(), _repeats(distance, gate)
    reasons = [  # its own, else that it repeats, else that its family is lost
        reason or (None if ok else DUPLICATE if repeat else FAMILY)
        for reason, ok, repeat in zip(own, accepted, repeats, strict=True)
    ]
    return Verdicts(accepted, reasons, distance, nearest, tuple(families))


def _repeats(distance: NDArray[np.int64], gate: Gate) -> NDArray[np.bool_]:
    """Return which rows the gate rejects."""
    if gate.action != "reject":
        return np.zeros(len(distance), bool)
    return np.array([not gate.passes(float(d)) for d in distance], bool)
