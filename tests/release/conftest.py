"""Fixtures: a tiny candidates folder and its release, made once."""

import os
import sys
from pathlib import Path

import pytest

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
sys.path.insert(0, str(Path(__file__).parent))

from tiny_candidates import PARAMS, write_candidates


@pytest.fixture(scope="session")
def candidates(tmp_path_factory):
    return write_candidates(tmp_path_factory.mktemp("with space é") / "candidates [1]'s")


@pytest.fixture(scope="session")
def release(candidates, tmp_path_factory):
    from busgen.release.write import write_release

    folder = tmp_path_factory.mktemp("out é") / "a release [2]"
    write_release(candidates, folder, PARAMS)
    return folder
