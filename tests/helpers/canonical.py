"""Canonical data of a dataset's folder, written and read back."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from busgen.imaging.decode import DatasetInfo
from busgen.real.readers.registry import DATASETS, LEFT_OUT, TABLE, write_canonical


class Dataset(NamedTuple):
    """Canonical rows, `(source_file, reason)` of the rest, and where all came from."""

    table: pa.Table
    left_out: tuple[tuple[str, str], ...]
    info: DatasetInfo


def read_dataset(name: str, path: Path) -> Dataset:
    """Return all canonical rows of a dataset, and what was left out and why."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        write_canonical(name, path, folder)
        left_out = json.loads((folder / LEFT_OUT).read_text(encoding="utf-8"))["left_out"]
        reasons = tuple((one["source_file"], one["reason"]) for one in left_out)
        return Dataset(pq.read_table(folder / TABLE), reasons, DATASETS[name])
