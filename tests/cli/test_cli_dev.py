"""`busgen dev fit` writes what ships in `busgen/assets`, from real data, under the same names."""

import numpy as np
import pytest
import tiny
from test_cli import call

from busgen.gates.image_checks import GATES
from busgen.imaging.overlays.find import WEIGHTS

SPLITS = {"train": 16, "validation": 2, "test": 2}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return a folder of 16 training patients' images, whose terms are stated."""
    names = [name for split, n in SPLITS.items() for name in tiny.patients(split, n)]
    small = np.zeros((120, 160), np.uint8)
    small[54:66, 74:86] = 255
    stated = ({"echo_pattern": "hypoechoic"},
              {"echo_pattern": "isoechoic", "mask": tiny.image(small)})  # fmt: skip
    rows = [
        tiny.row(k, patient, "benign", dataset="breast", posterior="none", **stated[k % 2])
        for k, patient in enumerate(names)
    ]
    return tiny.write_real(tmp_path_factory.mktemp("real é") / "data", rows, dataset="breast")


@pytest.mark.parametrize(("what", "asset"), [("gates", GATES), ("overlays", WEIGHTS.parent)])
def test_what_ships_is_fitted_anew(real, tmp_path, what, asset):
    done = call("dev", "fit", what, real, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    shipped = {path.name for path in asset.iterdir() if path.suffix != ".md"}
    assert shipped <= {path.name for path in (tmp_path / "out").iterdir()}


def test_a_space_needs_more_images_than_dimensions(real, tmp_path):
    done = call("dev", "fit", "us64", real, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "64 dimensions need more crops than that, got 16" in done.stderr
    assert not (tmp_path / "out").exists()


def test_overlays_need_the_dataset_without_any(tmp_path):
    rows = [tiny.row(k, name, "benign") for k, name in enumerate(tiny.patients("train", 2))]
    done = call("dev", "fit", "overlays", tiny.write_real(tmp_path / "D", rows), "--out", "x")
    assert done.returncode == 2
    assert "must hold training patients of breast, got none" in done.stderr
