"""Folders that are costly to make: made once a session, for all of its processes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

Shared = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Return a function: name, what writes the folder -> the folder, that nobody may change."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all workers

    def share(name: str, write: Callable[[Path], object]) -> Path:
        folder = root / f"shared {name} é"
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                partial = folder.with_suffix(".partial")
                partial.mkdir()
                write(partial)
                partial.rename(folder)
        return folder

    return share
