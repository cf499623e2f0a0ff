"""Verdicts over the whole set: repeats of other families, and families as wholes.

In: one shard's rows with the verdicts of each pair by itself, and what has been accepted so far.
Out: which rows are accepted, and why the others are not; of a whole index, counts by stratum.

A counterfactual family is accepted or rejected, and so retried, as a whole: its members share
their seed, so one of them cannot be tried again alone, and a family that lost its hard terms would
bend the distribution. A sample that no field varies is a family of its own.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from busgen.params.gates import Gate
from busgen.similarity import dhash

DUPLICATE = "duplicate_distance"
FAMILY = "family"  # the reason of a member that passed where another did not
COLUMNS = ["sample_id", "family_id", "image_dhash", "accepted", "reason"]


@dataclass(frozen=True)
class Verdicts:
    """Verdicts over one shard's rows, and the families in it, in order, with theirs.

    `distance` and `duplicate_of` are of the nearest accepted image of another, earlier family.
    """

    accepted: NDArray[np.bool_]
    reason: list[str | None]
    distance: NDArray[np.int64]
    duplicate_of: list[str | None]
    families: tuple[tuple[str, bool], ...]


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
    distance, where = dhash.nearest(hashes, np.array(list(known.values()), np.int64))
    nearest: list[str | None] = [earlier[w] if w >= 0 else None for w in where]
    accepted = np.zeros(len(ids), bool)
    families = []
    starts = [row for row in range(len(ids)) if row == 0 or names[row] != names[row - 1]]
    for start, end in pairwise([*starts, len(ids)]):
        here = np.flatnonzero(accepted[:start])
        near, at = dhash.nearest(hashes[start:end], hashes[here])
        for row in np.flatnonzero(near < distance[start:end]):
            distance[start + row], nearest[start + row] = near[row], ids[here[at[row]]]
        repeats = _repeats(distance[start:end], gate)
        accepted[start:end] = (passed[start:end] & ~repeats).all()
        families.append((names[start], bool(accepted[start])))
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


def count(index: Path) -> list[dict[str, Any]]:
    """Return attempts, accepted and the commonest reason by pathology and shape."""
    import duckdb

    query = """
        select pathology, coalesce(shape, '-') as shape, count(*) as attempts,
               count(*) filter (where accepted) as accepted,
               coalesce(mode(reason), '-') as commonest_reason
        from read_parquet(?) group by all order by all
    """
    names = ("pathology", "shape", "attempts", "accepted", "commonest_reason")
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(index)]).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]
