"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real public datasets ($BUSGEN_REAL or ../shared/data), or skip."""
    folder = Path(os.environ.get("BUSGEN_REAL", ROOT.parent / "shared" / "data"))
    if not (folder / "BrEaST").is_dir():
        pytest.skip(f"no real data: set BUSGEN_REAL to a folder that holds BrEaST, not {folder}")
    return folder
