"""Canonical data of a dataset's folder, written and read back."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from busgen.real.readers.registry import DATASETS, LEFT_OUT, TABLE, Dataset, write_canonical


def read_dataset(name: str, path: Path) -> Dataset:
    """Return all canonical rows of a dataset, and what was left out and why."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        write_canonical(name, path, folder)
        left_out = json.loads((folder / LEFT_OUT).read_text(encoding="utf-8"))["left_out"]
        reasons = tuple((one["source_file"], one["reason"]) for one in left_out)
        return Dataset(pq.read_table(folder / TABLE), reasons, DATASETS[name])
