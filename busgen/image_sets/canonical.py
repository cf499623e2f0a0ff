"""Real data as `busgen real --out` writes it, as a set: square crops, patients, splits.

In: the folder. Out: a `Source` of its usable pictures; what they stem from is their cluster of
patients.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from busgen.image_sets.source import Picture, Source
from busgen.real.cohort import (
    PICTURES,
    PLAIN,
    canonical_tables,
    cohort_file,
    load_cohort,
    real_rows,
)
from busgen.real.crops import crop_of, undisputed

CANONICAL = "canonical"
HELD_OUT = ("validation", "test")


def is_canonical(path: Path) -> bool:
    """Return whether a folder holds real data in canonical form."""
    return any(path.glob("*/table.parquet")) and (path / "cohort").is_dir()


def open_canonical(path: Path) -> Source:
    """Return the set: no near-duplicate, no Doppler, no disputed label; all splits.

    Raises
    ------
    UserError
        If a table or the cohort is missing.
    """
    tables, cohort = canonical_tables(path), load_cohort(cohort_file(path))
    found = real_rows(tables, cohort, columns=PLAIN, usable=undisputed)
    rows = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in found]

    def load(chosen: Sequence[int]) -> Iterator[Picture]:
        ids = {rows[k]["sample_id"] for k in chosen}
        asked: dict[str, Any] = {"columns": [*PICTURES, "source_file"]}
        for row in real_rows(tables, cohort, usable=lambda r: r["sample_id"] in ids, **asked):
            image, mask, _ = crop_of(row)
            yield image, mask

    return Source(path, CANONICAL, rows, load, "cluster_id")
