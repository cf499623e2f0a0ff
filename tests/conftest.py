"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import speckled

from busgen.cli import main

pytest_plugins = ["finding_fixtures", "real_fixtures", "shared_folder"]

ROOT = Path(__file__).resolve().parents[1]
os.environ["BROWSER"] = "true"  # the program of this name: `busgen browse` opens no window here


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Put slow files first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real public datasets ($BUSGEN_REAL or ../shared/data), or skip."""
    folder = Path(os.environ.get("BUSGEN_REAL", ROOT.parent / "shared" / "data"))
    if not (folder / "BrEaST").is_dir():
        pytest.skip(f"no real data: set BUSGEN_REAL to a folder that holds BrEaST, not {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_judges(tmp_path_factory) -> Path:
    """Return a folder of judges: real networks of a few hundred random weights."""
    import torch

    from busgen.judges.judges import ClassifierSpec, SegmenterSpec, save_model

    folder = tmp_path_factory.mktemp("judges é")
    segmenter, classifier = SegmenterSpec(32, (4, 6), 2), ClassifierSpec(32, (4, 6), 2, 2.0, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        finders = [segmenter.build(number).state_dict() for number in range(2)]
        tellers = [classifier.build(number).state_dict() for number in range(2)]
    for weights in (*finders, *tellers):
        weights["head.weight"] *= 50  # or all probabilities would stay near a half
    save_model(folder, (segmenter, finders), (classifier, tellers))
    return folder


@pytest.fixture(scope="session")
def call() -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command line: code, output, errors."""

    def run(*words: object) -> tuple[int, str, str]:
        out, err, argv, code = StringIO(), StringIO(), sys.argv, 0
        sys.argv = ["busgen", *map(str, words)]
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.argv = argv
        return code, out.getvalue(), err.getvalue()

    return run


@pytest.fixture(scope="session")
def make_image():
    """Return `speckled.image`."""
    return speckled.image


@pytest.fixture(scope="session")
def make_row():
    """Return `speckled.canonical_row`."""
    return speckled.canonical_row


@pytest.fixture(scope="session")
def make_real():
    """Return `speckled.write_real`."""
    return speckled.write_real


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """Return real data of 12 training and 22 test patients, two images each."""
    folder = tmp_path_factory.mktemp("real é") / "read"
    return speckled.write_real(folder, ["train"] * 24 + ["test"] * 44)
