"""What ships obeys words that were never learned from: measured in pictures, not in the text."""

from dataclasses import replace

import numpy as np
import pytest

from busgen.images.diffusion.training.text.held_out import PARAPHRASES
from busgen.images.engines import load_image_engine
from busgen.imaging.surroundings import echo_level, posterior_band

COUNT = 8


def paraphrase(field, term):
    """Return the first whole text that was never learned from and states a term."""
    return next(text for text, truth in PARAPHRASES if truth.get(field) == term)


DARK, GREY = (paraphrase("echo_pattern", term) for term in ("anechoic", "hypoechoic"))
SHADOWED, BRIGHT = (paraphrase("posterior", term) for term in ("shadowing", "enhancement"))


@pytest.fixture(scope="module")
def shipped():
    return load_image_engine("diffusion", 256, "cpu", 2)


def measured(engine, lesions, text, measure):
    """Return what `measure` says of pictures of one text, each of another seed."""
    findings, masks = lesions(COUNT, 256)
    images = engine.render([replace(finding, text=text) for finding in findings], masks)
    return np.array([measure(image, mask) for image, mask in zip(images, masks, strict=True)])


def darkness(image, mask):
    return echo_level(image, mask).darkness


@pytest.mark.parametrize(
    ("low", "high", "measure"), [(DARK, GREY, darkness), (SHADOWED, BRIGHT, posterior_band)]
)
def test_texts_never_learned_from_move_what_they_name(shipped, lesions, low, high, measure):
    pair = [measured(shipped, lesions, text, measure) for text in (low, high)]
    assert (pair[0] < pair[1]).sum() >= COUNT - 1
