"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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

    from busgen.judges.judges import ClassifierSpec, SegmenterSpec, save_judges

    folder = tmp_path_factory.mktemp("judges é")
    segmenter, classifier = SegmenterSpec(32, (4, 6), 2), ClassifierSpec(32, (4, 6), 2, 2.0, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        finders = [segmenter.build(number).state_dict() for number in range(2)]
        tellers = [classifier.build(number).state_dict() for number in range(2)]
    for weights in (*finders, *tellers):
        weights["head.weight"] *= 50  # or all probabilities would stay near a half
    save_judges(folder, (segmenter, finders), (classifier, tellers))
    return folder
