"""Which split a family of samples belongs to.

In: an index, and the share of families in each split. Out: SQL that gives the index its splits.
"""

from collections.abc import Iterable
from itertools import accumulate

from busgen import schema
from busgen.release import sql


def assign_split(index: str, shares: Iterable[tuple[str, float]]) -> str:
    """Return SQL for the rows of `index` (SQL) by sample and attempt, with `split` filled in.

    Families of accepted samples are shuffled by a hash of their id within each pathology and cut
    at the shares: exact up to one family a class, the same on any machine.
    """
    names = ", ".join(
        f"i.{sql.quote_name(c.name)}" for c in schema.columns("index") if c.name != "split"
    )
    return f"""
        WITH families AS (
            SELECT family_id, min(pathology) AS class FROM {index} WHERE accepted GROUP BY family_id
        ), places AS (
            SELECT family_id, (row_number() OVER (PARTITION BY class ORDER BY md5(family_id)) - 0.5)
                / count(*) OVER (PARTITION BY class) AS place
            FROM families
        )
        SELECT {names}, CASE WHEN i.accepted THEN {_crop(shares)} END AS split
        FROM {index} i LEFT JOIN places p USING (family_id)
        ORDER BY i.sample_id, i.attempt"""


def _crop(shares: Iterable[tuple[str, float]]) -> str:
    """Return SQL for the split at `place`, a fraction of the families."""
    used = [(split, share) for split, share in shares if share > 0]
    ends = list(accumulate(share for _, share in used))
    cases = "".join(
        f" WHEN place < {end!r} THEN {sql.quote_text(split)}"
        for (split, _), end in zip(used[:-1], ends, strict=False)
    )
    last = sql.quote_text(used[-1][0])
    return f"CASE{cases} ELSE {last} END" if cases else last
