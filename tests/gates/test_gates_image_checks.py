"""Scores of images alone: marks, anomaly, orientation, each on images that show it."""

import numpy as np
import pytest

from busgen.gates.image_checks import (
    BANDS,
    GATES,
    LOOK,
    SIDE,
    SMALLEST,
    Standard,
    measure,
    score_image,
)
from busgen.imaging.overlays.planted import plant_overlays
from busgen.imaging.square import resize
from busgen.io import sha256_file
from busgen.params.gates import DEFAULT_GATES
from busgen.seeds import rng


def tissue(k=0, side=SIDE):
    """Return speckle that is bright near the skin and fades with depth."""
    rows = np.linspace(0, 1, side)[:, None]
    grain = rng(k, "tissue").rayleigh(1, (side, side)) / 1.25
    return np.clip((40 + 100 * np.exp(-2 * rows)) * grain, 1, 250).astype(np.uint8)


def test_small_images_are_not_asked():
    nothing = dict.fromkeys(("overlay", "anomaly", "orientation_check"))
    assert score_image(tissue(side=SMALLEST - 1)) == nothing
    assert None not in score_image(tissue(side=SMALLEST)).values()


def test_writing_is_counted_and_tissue_is_not():
    marked = plant_overlays(tissue(), rng(0, "marks"), ("text", "caliper")).image
    assert score_image(marked)["overlay"] > score_image(tissue())["overlay"] + 30


def test_white_noise_and_blank_images_are_too_strange():
    most = DEFAULT_GATES["anomaly"].max
    noise = np.clip(rng(0, "noise").normal(90, 40, (SIDE, SIDE)), 0, 255).astype(np.uint8)
    assert score_image(noise)["anomaly"] > most
    assert score_image(np.full((SIDE, SIDE), 90, np.uint8))["anomaly"] > most


def test_a_image_is_more_upright_than_itself_upside_down():
    image = tissue()
    turned = np.ascontiguousarray(image[::-1])
    assert score_image(image)["orientation_check"] > score_image(turned)["orientation_check"] + 1


def test_mirror_images_score_alike():
    mirrored = np.ascontiguousarray(tissue()[:, ::-1])
    for name in ("anomaly", "orientation_check"):
        assert score_image(mirrored)[name] == pytest.approx(score_image(tissue())[name], abs=0.1)


def test_statistics_are_of_bands_from_the_top():
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[: SIDE // BANDS] = 160
    result = measure(image).reshape(8, BANDS)
    assert result[0].tolist() == [160.0] + [0.0] * (BANDS - 1)
    assert result[6].tolist() == [0.0] + [1.0] * (BANDS - 1)


def test_distance_is_one_deviation_a_dimension():
    white = np.stack([np.diag([1.0, 0.5])] * 3)  # three bands of two statistics
    look = Standard(np.array([1.0, 1, 1, 2, 2, 2]), white, np.array([1.0, 0, 0, -1, 0, 0]), 0.5)
    assert look.anomaly(look.centre) == 0
    assert look.anomaly(look.centre + np.array([1, 1, 0, 2, 2, 0])) == 1  # two of three bands
    assert look.anomaly(look.centre + np.array([9, 0, 0, 9, 0, 0])) == 0  # one band
    assert look.orientation_check(np.array([3.0, 0, 0, 1, 0, 0])) == 3.5


def test_other_sizes_are_brought_to_one():
    assert (
        resize(tissue(side=512), SIDE).shape == resize(tissue(side=200), SIDE).shape == (SIDE, SIDE)
    )


@pytest.mark.parametrize("name", [LOOK, "mask_fit.safetensors"])
def test_what_ships_is_small_and_described(name):
    assert (GATES / name).stat().st_size < 150_000
    assert sha256_file(GATES / name) in (GATES / "README.md").read_text()
