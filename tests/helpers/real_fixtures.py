"""Datasets of the tests: small imitations, and the published BrEaST where it is there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from canonical import Dataset
from imitations import lay_out_breast

from busgen.io import read_json
from busgen.real import canonical as rows
from busgen.real.readers.registry import DATASETS, LEFT_OUT, TABLE


@pytest.fixture
def no_overlays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave overlays out of canonical rows: they have tests of their own."""
    monkeypatch.setattr(rows, "find_overlays", lambda image: np.zeros(image.shape, np.bool_))


@pytest.fixture(scope="session")
def breast_read(real_data: Path, shared_folder, call) -> Path:
    """Return what `busgen real` wrote of the publisher's BrEaST, and printed: `told.json`."""

    def read(folder: Path) -> None:
        words = ["real", f"breast={real_data / 'BrEaST'}", "--out", folder / "read", "--json"]
        code, out, err = call(*words)
        assert code == 0, err
        (folder / "read" / "told.json").write_text(out, encoding="utf-8")

    return shared_folder("BrEaST", read) / "read"


@pytest.fixture(scope="session")
def published(breast_read: Path) -> Dataset:
    """Return the publisher's BrEaST."""
    folder = breast_read / "breast"
    left_out = read_json(folder / LEFT_OUT)["left_out"]
    reasons = tuple((one["source_file"], one["reason"]) for one in left_out)
    return Dataset(pq.read_table(folder / TABLE), reasons, DATASETS["breast"])


@pytest.fixture
def breast(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that lays out BrEaST; keywords replace cells of the first row."""
    return partial(lay_out_breast, tmp_path)
