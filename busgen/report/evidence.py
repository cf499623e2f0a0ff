"""What the report is made from: plan, provenance, every attempt, scores, real statistics, pixels.

In: the folders that earlier stages wrote, and what stands beside the prior and the judges, where it
is known. Out: one immutable `Evidence`, and pixels on demand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import io, schema
from busgen.errors import DataError, UserError
from busgen.factory.plan import Plan, from_record
from busgen.priors.network import POOLED
from busgen.release import files
from busgen.release.files import INDEX, PROVENANCE
from busgen.release.read import require_columns

# kept out of memory: hashes and spectra, which no figure shows
_UNSEEN = {"image_sha256", "image_dhash", "mask_curvature", "seed"}
SCORES = "scores.json"  # of the release, and of the judges
Key = tuple[str, int]  # sample_id, attempt


@dataclass(frozen=True)
class Sources:
    """Where the report's inputs lie: folders, as the stages of these names write them."""

    release: Path
    candidates: Path | None  # with the pixels of rejected attempts; None where not kept
    quality: Path  # with scores.json
    reference: Path  # with samples of real images
    judges: Path | None = None  # which may hold scores.json
    checks: Path | None = None  # the prior's .checks.json
    previous: Path | None = None  # with release and quality of an earlier version, to compare with
    downstream: Path | None = None  # which may hold metrics.json


def find_previous(folder: Path | None) -> Path | None:
    """Return `folder`, which holds ``release`` and ``quality`` of an earlier version.

    None of no folder; `UserError` if one of both is missing.
    """
    for path in (folder / "release" / PROVENANCE, folder / "quality" / SCORES) if folder else ():
        if not path.is_file():
            rule = "a previous version must be a folder with release/ and quality/"
            raise UserError(rule, f"no {path}", "name the data/ folder that it was made in")
    return folder


def load_shipped(release: Path) -> tuple[Path | None, Path | None]:
    """Return the judges' folder and the prior's checks that ship with the package.

    None for what the release was not made with.
    """
    from busgen.judges.judges import SHIPPED, load_judges  # brings torch

    generated = from_record(io.read_json(release / PROVENANCE)["plan"]).resolution
    checks = POOLED.with_suffix(".checks.json")
    judged = generated.judges_sha256 is not None and load_judges().sha256 == generated.judges_sha256
    drawn = io.read_json(checks)["prior"]["sha256"] == generated.prior_sha256
    return SHIPPED if judged else None, checks if drawn else None


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything but pixels; `attempts` has one row for each, in the index's columns."""

    sources: Sources
    plan: Plan
    provenance: dict[str, Any]
    attempts: pd.DataFrame
    unfilled: tuple[str, ...]
    scores: dict[str, Any]
    reference: dict[str, Any]
    judges: dict[str, Any] | None
    checks: dict[str, Any] | None

    @cached_property
    def accepted_rows(self) -> pd.DataFrame:
        """Accepted attempts, one a sample."""
        return self.attempts[self.attempts["accepted"]]

    @cached_property
    def first_attempts(self) -> pd.DataFrame:
        """First attempts: one row for each finding that was drawn."""
        return self.attempts[self.attempts["attempt"] == 0]


def gather(sources: Sources) -> Evidence:
    """Read the inputs of the report; raise `DataError` for what is missing or damaged."""
    provenance: dict[str, Any] = io.read_json(sources.release / PROVENANCE)
    return Evidence(
        sources,
        from_record(provenance["plan"]),
        provenance,
        read_rows(sources.release / INDEX),
        tuple(provenance["unfilled"]),
        io.read_json(sources.quality / SCORES),
        io.read_json(sources.reference / "reference.json"),
        _read(sources.judges and sources.judges / SCORES),
        _read(sources.checks),
    )


def _read(path: Path | None) -> dict[str, Any] | None:
    """Return a record that not every prior and not all judges have."""
    return io.read_json(path) if path is not None and path.is_file() else None


def read_rows(index: Path) -> pd.DataFrame:
    """Return every attempt but for what no figure shows; `DataError` if the index is damaged."""
    names = [c.name for c in schema.columns("index") if c.name not in _UNSEEN]
    try:
        require_columns(index, names)
        table = pq.read_table(index, columns=names)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{index.name} must be a whole Parquet file", error, str(index)) from error
    rows: pd.DataFrame = table.to_pandas()
    return rows.sort_values(["sample_id", "attempt"], ignore_index=True)


def read_pixels(files: Sequence[Path], keys: Sequence[Key]) -> dict[Key, tuple[bytes, bytes]]:
    """Return the PNG bytes of (image, mask) of the attempts in `keys`.

    Only row groups that hold one of them are read, one at a time.
    """
    wanted = set(keys)
    found: dict[Key, tuple[bytes, bytes]] = {}
    for file in map(pq.ParquetFile, files):
        for group in range(file.num_row_groups):
            names = file.read_row_group(group, columns=["sample_id", "attempt"])
            here = zip(names["sample_id"].to_pylist(), names["attempt"].to_pylist(), strict=True)
            rows = {key: row for row, key in enumerate(here) if key in wanted}
            if rows:
                table = file.read_row_group(group, columns=["image", "mask"])
                part = table.take(list(rows.values())).to_pylist()
                pairs = ((row["image"]["bytes"], row["mask"]["bytes"]) for row in part)
                found.update(zip(rows, pairs, strict=True))
    missing = [key for key in keys if key not in found]
    if missing:
        raise DataError("each attempt shown must have its pixels", missing[0], "generate again")
    return found


def read_released(sources: Sources, keys: Sequence[Key]) -> dict[Key, tuple[bytes, bytes]]:
    """Return the pixels of accepted attempts."""
    return read_pixels(files.find_files(sources.release), keys) if keys else {}
