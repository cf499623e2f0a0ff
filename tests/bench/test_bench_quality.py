"""The benchmark of gates: refused without data, its rows counted on images of known faults."""

import numpy as np
import pytest

from busgen.bench import harness
from busgen.bench.quality import benchmark
from busgen.errors import UserError
from busgen.gates.calibration.fault_injection import Gates, inject_faults
from busgen.gates.calibration.faults import Pair
from busgen.params.gates import DEFAULT_GATES, Gate
from busgen.seeds import rng
from busgen.similarity.known_images import describe_texture, make_known

SIDE = 128


class Honest:
    """Finds dark lesions and holds for malignant what is darkest."""

    sha256 = "honest"

    def segment(self, images):  # noqa: D102
        return np.where(images < 60, 0.95, 0.05).astype(np.float32)

    def classify(self, images, masks):  # noqa: D102
        return np.full(len(images), 0.8)


def pair(k):
    """Return a lesion in speckle that fades with depth."""
    pick = rng(k, "pair")
    rows, cols = np.indices((SIDE, SIDE))
    row, col = pick.uniform(34, 94, 2)
    mask = (np.hypot(rows - row, cols - col) < 14).astype(np.uint8)
    grain = pick.rayleigh(1, (SIDE, SIDE)) / 1.25
    image = np.clip(np.where(mask, 30, 150 - 0.6 * rows) * grain, 1, 250).astype(np.uint8)
    return Pair(image, mask, bool(k % 2), "hypoechoic", "shadowing" if k < 2 else None)


def test_missing_data_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("BUSGEN_REAL", str(tmp_path))
    with pytest.raises(UserError, match=r"got no BrEaST in .*: set BUSGEN_REAL"):
        harness.run("quality")


@pytest.fixture(scope="module")
def told():
    pairs = [pair(k) for k in range(6)]
    gates = {name: Gate(action="flag", min=-1e9, max=1e9) for name in DEFAULT_GATES}
    known = make_known(np.array([describe_texture(one.image) for one in pairs]))
    gates |= {"copy_similarity": Gate(max=0.85), "grey_sd": Gate(min=15)}
    proof = inject_faults(Gates(Honest(), known, gates), pairs, pairs)
    return benchmark._count_faults(proof) | benchmark._time_scores(pairs[:2], known)


def test_every_bar_of_a_fault_has_its_figure(told):
    assert {name for name in benchmark.BARS if name.endswith(("_caught", "_refused"))} <= set(told)
    assert "added_ms" in told
    assert all(figure.n == 6 for name, figure in told.items() if name.endswith("_caught"))


def test_faults_are_caught_by_the_gate_that_looks_for_them(told):
    assert told["blank_caught"].value == told["blank_caught_by_grey_sd"].value == 1
    assert told["copy_flip_caught_by_copy_similarity"].value == 1
    assert told["real_refused"].value == 1  # these images are known


def test_contrary_bands_are_planted_where_a_band_is_described(told):
    assert told["contrary_band_caught_at_40"].n == 2
    assert told["inside_grey_noticed_at_40"].n == 6


def test_a_wrong_label_stands_beside_the_auc(told):
    assert told["label_auc"].value == 0.5  # the judge says the same of all
    assert told["wrong_label_told_refusing_0.2"].n == 6


def test_benchmarks_know_the_checkout():
    assert (harness.ROOT / "dvc.yaml").is_file()
