"""Real data as `busgen real --out` writes it, as a set: square crops, patients, splits.

In: the folder. Out: a `Source` of its usable images; what they stem from is their cluster of
patients.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from busgen.image_sets.source import Image, Source
from busgen.real.cohort import IMAGES, PLAIN, find_cohort, find_tables, load_cohort, read_rows
from busgen.real.crops import crop, is_undisputed

CANONICAL = "canonical"
HELD_OUT = ("validation", "test")


def open_set(path: Path) -> Source:
    """Return the set: no near-duplicate, no Doppler, no disputed label; all splits.

    Raises `UserError` if a table or the cohort is missing.
    """
    return open_tables(path, find_tables(path), find_cohort(path))


def open_tables(path: Path, tables: Sequence[Path], cohort_file: Path) -> Source:
    """Return the set of canonical tables and their cohort, which lie at `path`."""
    cohort = load_cohort(cohort_file)
    found = read_rows(tables, cohort, columns=PLAIN, usable=is_undisputed)
    rows = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in found]

    def load(chosen: Sequence[int]) -> Iterator[Image]:
        ids = {rows[k]["sample_id"] for k in chosen}
        request: dict[str, Any] = {"columns": [*IMAGES, "source_file"]}
        for row in read_rows(tables, cohort, usable=lambda r: r["sample_id"] in ids, **request):
            image, mask, _ = crop(row)
            yield image, mask

    return Source(path, CANONICAL, rows, load, "cluster_id")
