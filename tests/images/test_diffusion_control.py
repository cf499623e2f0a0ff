"""What ships obeys a radiologist's words: text -> finding -> conditions, measured in images."""

from dataclasses import replace

import numpy as np
import pytest

from busgen.images.engines import load_image_engine
from busgen.imaging.surroundings import echo_level, posterior_band, rim_level
from busgen.priors.text.parse import read_text

COUNT = 8


@pytest.fixture(scope="module")
def shipped():
    return load_image_engine("diffusion", 256, "cpu", 2)


def as_told(finding, text):
    """Return the finding with the terms that a text states, each of which must be one."""
    terms = {condition.field: condition.terms for condition in read_text(text).conditions}
    assert all(len(options) == 1 for options in terms.values())
    result = {field: options[0] for field, options in terms.items()}
    if "halo" in result:
        result["halo"] = result["halo"] == "yes"
    return replace(finding, **result)


def measured(engine, lesions, text, measure):
    """Return what `measure` says of images of one text, each of another seed."""
    findings, masks = lesions(COUNT, 256)
    images = engine.render([as_told(finding, text) for finding in findings], masks)
    return np.array([measure(image, mask) for image, mask in zip(images, masks, strict=True)])


def darkness(image, mask):
    return echo_level(image, mask).darkness


def level(image, mask):
    return echo_level(image, mask).level


@pytest.mark.parametrize(
    ("low", "high", "measure"),
    [
        ("echo-free, fluid filled", "hypoechogenic", darkness),
        ("markedly hypoech.", "echogenic", level),
        ("hypo-echoic", "isoechogenic, homogeneous", level),
        ("dense acoustic shadow", "good through-transmission", posterior_band),
        ("posterior features: none", "posterior acoustic enh. +", posterior_band),
        ("w/o echogenic rim", "thick echogenic rind", rim_level),
    ],
)
def test_words_move_what_they_name(shipped, lesions, low, high, measure):
    pair = [measured(shipped, lesions, text, measure) for text in (low, high)]
    assert (pair[0] < pair[1]).sum() >= COUNT - 1
