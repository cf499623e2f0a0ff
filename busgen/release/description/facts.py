"""What was made, counted: the facts that card, provenance and comparison of releases state.

In: an index. Out: counts by split, class and reason.
"""

from dataclasses import dataclass
from pathlib import Path

from busgen import schema
from busgen.release import sql
from busgen.release.files import SPLITS


@dataclass(frozen=True)
class Facts:
    """Numbers of samples (`n`), their families, attempts and families given up.

    A sample that no field varies is a family of its own. `counts` are samples by split and class.
    `reasons` are those of rejected attempts, the most frequent first; `splits` those with samples.
    """

    n: int
    families: int
    attempts: int
    unfilled: int
    splits: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    reasons: tuple[tuple[str, int], ...]


def gather(index: Path, unfilled: int) -> Facts:
    """Return the facts of an index, of whose plan `unfilled` families were given up."""
    with sql.connect() as connection:
        table = sql.from_parquet(index)
        classes = connection.execute(
            f"SELECT split, pathology, count(*) FROM {table} WHERE accepted GROUP BY ALL"
        ).fetchall()
        families = sql.first_row(
            connection, f"SELECT count(DISTINCT family_id) FROM {table} WHERE accepted"
        )[0]
        reasons = connection.execute(
            f"SELECT reason, count(*) AS n FROM {table} WHERE NOT accepted "
            "GROUP BY ALL ORDER BY n DESC, reason"
        ).fetchall()
    found = {(split, pathology): int(count) for split, pathology, count in classes}
    splits = tuple(s for s in SPLITS if any(split == s for split, _ in found))
    n = sum(found.values())
    return Facts(
        n=n,
        families=int(families),
        attempts=n + sum(int(count) for _, count in reasons),
        unfilled=unfilled,
        splits=splits,
        counts={s: {p: found.get((s, p), 0) for p in schema.PATHOLOGIES} for s in splits},
        reasons=tuple((str(reason), int(count)) for reason, count in reasons),
    )
