"""Prepare: public datasets as published -> canonical folders, cohort and cleaning, in one go.

In: folders as published. Out: NAME/ for each dataset and cohort/, in it what was found in the real
data and what became of it, in numbers: the table that `busgen real` prints and the report shows.
What has not changed since the last time (names, sizes and times of the files, code, libraries) is
left as it is.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.folders import grow_folder, lock_folder, write_folder
from busgen.imaging.overlays.find import WEIGHTS
from busgen.io import dumps, read_json, sha256_bytes, sha256_file, write_text
from busgen.params.real import DatasetMap
from busgen.real.cohort import FILE, SHARES, has_usable_label, has_usable_pixels, make_cohort
from busgen.real.readers import registry
from busgen.real.readers.files import dataset_order

CLEANING = "cleaning.json"
COHORT = "cohort"
UNKNOWN = "unknown"  # pathology where the publisher states none


REAL = "real data"
STATE = "inputs.json"  # fingerprint of what each folder was made from
LIBRARIES = ("numpy", "opencv-python-headless", "scipy", "scikit-image", "pyarrow", "pillow")


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
        for name in sorted(reasons, key=dataset_order)
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


def prepare(
    datasets: Mapping[str, Path],
    out: Path,
    tick: Callable[[int], None] = lambda _: None,
    maps: Mapping[str, DatasetMap] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write canonical folders and cohort of `datasets` (name -> folder) below `out`.

    `maps`: of those that are not read as published, by name.

    Datasets that `out` has already stay. A killed call, made again, goes on with the next dataset.

    Returns what `busgen.real.prepare.summarise` tells. `tick` is called with numbers of images
    read. Raises `UserError` if there is no such dataset or folder, or `out` holds something else by
    these names; `DataError` if a dataset is not what its publisher released.
    """
    # what decides the canonical form besides the data: sources, weights, libraries
    code = [hash_code(__name__), sha256_file(WEIGHTS)]
    code += [f"{name} {version(name)}" for name in LIBRARIES]
    mapped = {name: given.model_dump() for name, given in maps.items()}
    now = {
        name: sha256_bytes(dumps([code, fingerprint(datasets[name]), mapped.get(name)]).encode())
        for name in sorted(datasets, key=dataset_order)
    }
    now["cohort"] = sha256_bytes(dumps(now).encode())
    if all(_is_done(out, name, now) for name in now):
        return read_json(out / "cohort" / CLEANING)
    with grow_folder(out, REAL) as work:
        names = [name for name in now if name != "cohort"]
        for name in names:
            if not _is_done(work, name, now):
                registry.write_canonical(name, datasets[name], work / name, tick, maps.get(name))
                write_text(work / STATE, dumps(_read_state(work) | {name: now[name]}))
        tables = [work / name / registry.TABLE for name in names]
        record = write_cohort(tables, work / "cohort")
        write_text(work / STATE, dumps(_read_state(work) | {"cohort": now["cohort"]}))
    return record


def _is_done(folder: Path, name: str, now: Mapping[str, str]) -> bool:
    """Return whether a part is there, made of what would make it now."""
    parts = (
        (FILE, CLEANING) if name == "cohort" else (registry.TABLE, registry.INFO, registry.LEFT_OUT)
    )
    generated = _read_state(folder).get(name) == now[name]
    return generated and all((folder / name / part).is_file() for part in parts)


def parse_datasets(
    words: Sequence[str], maps: Mapping[str, DatasetMap] = MappingProxyType({})
) -> dict[str, Path]:
    """Return the command line's words NAME=PATH as name -> folder.

    Raises `UserError` if they are none, or a map is of no dataset that is named.
    """
    datasets: dict[str, Path] = {}
    known = (*registry.READERS, *maps)
    for word in words:
        name, _, path = word.partition("=")
        if not path or name not in known or name in datasets:
            remedy = f"once each of {', '.join(known)}; of others, give a map (--map)"
            raise UserError("a dataset must be NAME=PATH", repr(word), remedy)
        datasets[name] = Path(path)
    if idle := sorted(set(maps) - set(datasets)):
        raise UserError("a map must be of a dataset that is read", idle[0], f"name {idle[0]}=PATH")
    return datasets


def count(
    datasets: Mapping[str, Path], maps: Mapping[str, DatasetMap] = MappingProxyType({})
) -> int:
    """Return how many images `datasets` list; raises as `readers.registry.list_images` does."""
    listed = (registry.list_images(n, path, maps.get(n)) for n, path in datasets.items())
    return sum(len(listing.entries) for listing in listed)


def fingerprint(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size in bytes and time of change in ns of every file below `folder`, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _read_state(out: Path) -> dict[str, Any]:
    return read_json(out / STATE) if (out / STATE).is_file() else {}
