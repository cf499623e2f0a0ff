"""What was made, counted: the facts that card, provenance and comparison of releases state.

In: an index. Out: counts by split, class and reason.
"""

from pathlib import Path

from busgen import schema
from busgen.release import sql
from busgen.release.files import SPLITS


def gather(index: Path, unfilled: int) -> dict[str, object]:
    """Return ``n, attempts, unfilled, splits, counts`` (by split, class) and ``reasons``."""
    with sql.connect() as connection:
        table = sql.parquet(index)
        classes = connection.execute(
            f"SELECT split, pathology, count(*) FROM {table} WHERE accepted GROUP BY ALL"
        ).fetchall()
        reasons = connection.execute(
            f"SELECT reason, count(*) AS n FROM {table} WHERE NOT accepted "
            "GROUP BY ALL ORDER BY n DESC, reason"
        ).fetchall()
    found = {(split, pathology): int(count) for split, pathology, count in classes}
    splits = [s for s in SPLITS if any(split == s for split, _ in found)]
    n = sum(found.values())
    return {
        "n": n,
        "attempts": n + sum(int(count) for _, count in reasons),
        "unfilled": unfilled,
        "splits": splits,
        "counts": {s: {p: found.get((s, p), 0) for p in schema.PATHOLOGIES} for s in splits},
        "reasons": [[str(reason), int(count)] for reason, count in reasons],
    }
