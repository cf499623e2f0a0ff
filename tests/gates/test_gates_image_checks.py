"""Scores of pictures alone: marks, strangeness, orientation, each on pictures that show it."""

import numpy as np
import pytest

from busgen.gates.image_checks import (
    BANDS,
    GATES,
    LOOK,
    SIDE,
    SMALLEST,
    Look,
    picture_scores,
    statistics_of,
)
from busgen.imaging.overlays.planted import plant
from busgen.imaging.resize import resize
from busgen.io import sha256_file
from busgen.params.gates import DEFAULT_GATES
from busgen.seeds import rng


def tissue(k=0, side=SIDE):
    """Return speckle that is bright near the skin and fades with depth."""
    rows = np.linspace(0, 1, side)[:, None]
    grain = rng(k, "tissue").rayleigh(1, (side, side)) / 1.25
    return np.clip((40 + 100 * np.exp(-2 * rows)) * grain, 1, 250).astype(np.uint8)


def test_small_pictures_are_not_asked():
    nothing = dict.fromkeys(("overlay", "strangeness", "upright"))
    assert picture_scores(tissue(side=SMALLEST - 1)) == nothing
    assert None not in picture_scores(tissue(side=SMALLEST)).values()


def test_writing_is_counted_and_tissue_is_not():
    marked = plant(tissue(), rng(0, "marks"), ("text", "caliper")).image
    assert picture_scores(marked)["overlay"] > picture_scores(tissue())["overlay"] + 30


def test_white_noise_and_blank_pictures_are_too_strange():
    most = DEFAULT_GATES["strangeness"].max
    noise = np.clip(rng(0, "noise").normal(90, 40, (SIDE, SIDE)), 0, 255).astype(np.uint8)
    assert picture_scores(noise)["strangeness"] > most
    assert picture_scores(np.full((SIDE, SIDE), 90, np.uint8))["strangeness"] > most


def test_a_picture_is_more_upright_than_itself_upside_down():
    image = tissue()
    turned = np.ascontiguousarray(image[::-1])
    assert picture_scores(image)["upright"] > picture_scores(turned)["upright"] + 1


def test_mirror_images_score_alike():
    mirrored = np.ascontiguousarray(tissue()[:, ::-1])
    for name in ("strangeness", "upright"):
        assert picture_scores(mirrored)[name] == pytest.approx(
            picture_scores(tissue())[name], abs=0.1
        )


def test_statistics_are_of_bands_from_the_top():
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[: SIDE // BANDS] = 160
    told = statistics_of(image).reshape(8, BANDS)
    assert told[0].tolist() == [160.0] + [0.0] * (BANDS - 1)
    assert told[6].tolist() == [0.0] + [1.0] * (BANDS - 1)


def test_distance_is_one_deviation_a_dimension():
    white = np.stack([np.diag([1.0, 0.5])] * 3)  # three bands of two statistics
    look = Look(np.array([1.0, 1, 1, 2, 2, 2]), white, np.array([1.0, 0, 0, -1, 0, 0]), 0.5)
    assert look.strangeness(look.centre) == 0
    assert look.strangeness(look.centre + np.array([1, 1, 0, 2, 2, 0])) == 1  # two of three bands
    assert look.strangeness(look.centre + np.array([9, 0, 0, 9, 0, 0])) == 0  # one band
    assert look.upright(np.array([3.0, 0, 0, 1, 0, 0])) == 3.5


def test_other_sizes_are_brought_to_one():
    assert (
        resize(tissue(side=512), SIDE).shape == resize(tissue(side=200), SIDE).shape == (SIDE, SIDE)
    )


@pytest.mark.parametrize("name", [LOOK, "mask_fit.safetensors"])
def test_what_ships_is_small_and_described(name):
    assert (GATES / name).stat().st_size < 150_000
    assert sha256_file(GATES / name) in (GATES / "README.md").read_text()
