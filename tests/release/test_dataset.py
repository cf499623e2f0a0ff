"""A release as an object: what numbers, slices, batches and words show of it."""

import subprocess
import sys

import numpy as np
import pytest
from torch.utils.data import DataLoader

import busgen
from busgen.errors import UserError
from busgen.params.load import Params
from busgen.schema import PATHOLOGIES

N = 6


@pytest.fixture(scope="module")
def dataset():
    """Return a small release of phantoms."""
    params = {"generate": {"size_px": 64, "engine": "phantom", "mask_engine": "curvature"}}
    wanted = {"pathology": {"benign": 0.5, "malignant": 0.5}}
    return busgen.generate(N, seed=3, target=wanted, params=Params(**params))


def test_a_target_is_reached(dataset):
    found = dataset.table["pathology"].to_pylist()
    assert sorted(set(found)) == ["benign", "malignant"]


@pytest.mark.parametrize(
    "call",
    [
        {"target": "x"}, {"target": ["margin.spiculated=much"]}, {"target": 3}, {"target": [3]},
        {"where": 3}, {"where": [3]}, {"text": 3}, {"n": "many"}, {"seed": -1}, {"vary": "x"},
    ],
)  # fmt: skip
def test_a_mistake_in_a_call_is_one_message(call):
    with pytest.raises(UserError):
        busgen.generate(**{"n": 2} | call)


def test_targets_are_words_too():
    from busgen.factory import library

    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "make_release", lambda params, folder: seen.append(params.generate))
        busgen.generate(2, target="margin.spiculated=0.3")
        busgen.generate(2, target={"margin": {"spiculated": 0.3}})
    assert seen[0].targets == seen[1].targets == {"margin": {"spiculated": 0.3}}


def test_a_sample_is_its_row_with_image_and_mask(dataset):
    sample = dataset[2]
    assert sample["sample_id"] == dataset.table["sample_id"][2].as_py()
    assert (sample["image"] == dataset.images[2]).all()
    assert (sample["mask"] == dataset.masks[2]).all()
    assert set(np.unique(dataset.masks)) == {0, 1}
    assert dataset[-1]["sample_id"] == dataset[N - 1]["sample_id"]
    with pytest.raises(IndexError):
        dataset[N]


def test_slices_and_loops_are_of_samples(dataset):
    names = [sample["sample_id"] for sample in dataset]
    assert len(dataset) == len(names) == N
    assert [sample["sample_id"] for sample in dataset[1:4]] == names[1:4]
    assert [sample["sample_id"] for sample in dataset[::-1]] == names[::-1]


def test_its_words_tell_what_matters(dataset):
    words = repr(dataset)
    assert f"{N} samples" in words
    assert "64 px" in words
    assert str(dataset.folder) in words
    assert busgen.NOT_FOR_CLINICAL_USE in words


def test_torch_makes_batches_of_it(dataset):
    batch = next(iter(DataLoader(dataset.torch(), batch_size=4)))
    assert batch["image"].shape == batch["mask"].shape == (4, 1, 64, 64)
    assert float(batch["image"].max()) <= 1
    assert set(batch["mask"].unique().tolist()) <= {0.0, 1.0}
    known = [PATHOLOGIES[label] for label in batch["label"].tolist()]
    assert known == dataset.table["pathology"].to_pylist()[:4]
    assert batch["sample_id"] == dataset.table["sample_id"].to_pylist()[:4]


def test_a_saved_release_is_loaded(dataset, tmp_path):
    dataset.save(tmp_path / "release")
    again = busgen.load(tmp_path / "release")
    assert again.table.equals(dataset.table)
    assert (again.images == dataset.images).all()
    with pytest.raises(UserError, match="release folder must hold"):
        busgen.load(tmp_path)


def test_all_names_are_shown_and_import_stays_light():
    assert set(busgen.__all__) <= set(dir(busgen))
    program = "import sys, busgen; sys.exit('torch' in sys.modules or 'pyarrow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError):
        busgen.nothing  # noqa: B018 - asked for
