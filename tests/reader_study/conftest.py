"""A tiny release, tiny real data and a study of both, once a session."""

import json
from pathlib import Path

import pytest
import tiny

from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.factory.rounds import run
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.params.release import ReleaseParams
from busgen.release.write import write_release


@pytest.fixture(scope="session")
def release(tmp_path_factory) -> Path:
    """Return a release of 24 lesions at 64 px, about as many benign as malignant."""
    root = tmp_path_factory.mktemp("made é")
    params = GenerateParams(
        engine="phantom",
        mask_engine="curvature",
        n=24,
        size_px=64,
        targets={"pathology": {"benign": 0.5, "malignant": 0.5}},
        gates={name: Gate(action="off") for name in GenerateParams().gates},
    )
    run(resolve(params), root / "candidates", run_shards)
    write_release(root / "candidates", root / "release", ReleaseParams())
    return root / "release"


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Path:
    """Return real data: of 16 test patients two images each, of 4 training patients one."""
    rows = []
    for number, patient in enumerate(tiny.patients("test", 16)):
        pathology = ("benign", "malignant")[number % 2]
        rows += [tiny.row(10 * number + k, patient, pathology) for k in range(2)]
    for number, patient in enumerate(tiny.patients("train", 4)):
        rows.append(tiny.row(1000 + number, patient, "benign"))
    return tiny.write_real(tmp_path_factory.mktemp("real é"), rows)


@pytest.fixture(scope="session")
def study(tmp_path_factory, release, real, call) -> Path:
    """Return the folder of a study of 20 images."""
    folder = tmp_path_factory.mktemp("study é") / "made ü"
    words = ["study", "make", release, "--real", real, "--n", 20, "--seed", 7, "--out", folder]
    code, out, err = call(*words)
    assert code == 0, err
    assert "not for readers" in out
    return folder


@pytest.fixture(scope="session")
def key(study) -> dict:
    """Return the study's key as it is written."""
    return json.loads((study / "key.json").read_text(encoding="utf-8"))
