"""Cleaning: what was found in the real data and what became of it, in numbers.

In: canonical folders and their cohort. Out: `summarise.json` beside the cohort; its numbers are the
table that `busgen real` prints and the report shows.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.folders import lock_folder, write_folder
from busgen.io import dumps, read_json
from busgen.real.cohort import FILE, has_usable_label, has_usable_pixels, make_cohort
from busgen.real.splits import SHARES

CLEANING = "cleaning.json"
COHORT = "cohort"
UNKNOWN = "unknown"  # pathology where the publisher states none


def write_cohort(tables: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Write `cohort.parquet` and `summarise.json` of canonical tables; return the latter.

    Raises as `make_cohort`; `UserError` too if `folder` holds anything but a cohort.
    """
    with lock_folder(folder, COHORT):
        cohort = make_cohort(tables)
        record = summarise(tables, cohort)
        with write_folder(folder, COHORT) as partial:
            pq.write_table(cohort, partial / FILE)
            (partial / CLEANING).write_text(dumps(record), encoding="utf-8")
    return record


def summarise(tables: Sequence[Path], cohort: pa.Table) -> dict[str, Any]:
    """Return what cleaning found, as ``{"datasets": {name: ...}, "all": ...}``.

    Each holds `published` files, images `read`, `left_out` by reason, `patients`, `clusters`,
    `flags` by name, `redundant` images (copies of one that is kept), `conflicts` (images whose
    copies have another label), `splits` (images by split and class), `usable` (images that may
    teach labels, by split and class) and `pixels` (that may teach looks, by split). `all` has
    `across` too: clusters that join several datasets.
    """
    rows = cohort.to_pylist()
    reasons = {}
    for path in tables:
        record = read_json(path.parent / "info.json")
        left_out = record["summary"]["left_out"]  # counted without the value that broke a rule
        reasons[str(record["name"])] = Counter(why.partition(", got")[0] for _, why in left_out)
    metrics = {
        name: _counts([row for row in rows if row["dataset"] == name], reasons[name])
        for name in schema.DATASETS
        if name in reasons
    }
    whole = _counts(rows, sum(reasons.values(), Counter[str]()))
    homes: dict[str, set[str]] = {}
    for row in rows:
        homes.setdefault(row["cluster_id"], set()).add(row["dataset"])
    whole["across"] = sum(len(names) > 1 for names in homes.values())
    return {"datasets": metrics, "all": whole}


def _counts(rows: list[dict[str, Any]], reasons: Counter[str]) -> dict[str, Any]:
    flags = Counter(flag for row in rows for flag in row["flags"])
    return {
        "published": len(rows) + reasons.total(),
        "read": len(rows),
        "left_out": dict(reasons.most_common()),
        "patients": len({(row["dataset"], row["patient_id"]) for row in rows}),
        "clusters": len({row["cluster_id"] for row in rows}),
        "flags": {flag: flags[flag] for flag in schema.FLAGS if flags[flag]},
        "redundant": sum(row["duplicate_of"] is not None for row in rows),
        "conflicts": flags["label_conflict"],
        "splits": _by_class(rows, lambda row: True),
        "usable": _by_class(rows, has_usable_label),
        "pixels": dict(Counter(row["split"] for row in rows if has_usable_pixels(row))),
    }


def _by_class(
    rows: list[dict[str, Any]], wanted: Callable[[Mapping[str, Any]], bool]
) -> dict[str, dict[str, int]]:
    """Return the wanted images by split and class."""
    counts = {split: Counter[str]() for split in SHARES}
    for row in filter(wanted, rows):
        counts[row["split"]][row["pathology"] or UNKNOWN] += 1
    order = (*schema.PATHOLOGIES, UNKNOWN)
    return {split: {c: n[c] for c in order if n[c]} for split, n in counts.items()}
