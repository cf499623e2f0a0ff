"""Codes of outlines: there and back, what is left out, what damping does."""

import cv2
import numpy as np
import pytest

from busgen.imaging.geometry import measure
from busgen.masks.closed import close_outlines, fit_box, is_simple
from busgen.masks.engines import load_mask_engine
from busgen.masks.semantic_curvature.codes import CODE, OCTAVES, damp, decode, encode, find_outline
from busgen.masks.semantic_curvature.engine import COARSE, _has_neck, _simple_outlines


def drawn(code, width, height, side=256):
    """Return the mask of a code in the middle of an image."""
    vertices = fit_box(
        _simple_outlines(code[None]), np.array([width - 1.0]), np.array([height - 1])
    )
    mask = np.zeros((side, side), np.uint8)
    points = np.rint((vertices[0].T + (side - 1) / 2) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 1, shift=4)
    return mask


def centred(mask):
    left, top, width, height = cv2.boundingRect(mask)
    rows, cols = np.roll(mask, 128 - top - height // 2, axis=0), 128 - left - width // 2
    return np.roll(rows, cols, axis=1)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def masks(mixed):
    large = [finding for finding in mixed if finding.width_mm > 6 and finding.height_mm > 6]
    return load_mask_engine("curvature").draw(large[::4])


def test_an_outline_comes_back(masks):
    for mask in masks:
        code = encode(find_outline(mask))
        assert code.shape == (CODE,)
        shape = measure(mask, 1.0)
        again = drawn(code, shape.width_mm, shape.height_mm)
        assert max(iou(again, np.roll(centred(mask), shift, (0, 1))) for shift in (0, -1)) > 0.9


def test_the_code_does_not_know_place_size_or_proportions():
    rows, cols = np.mgrid[:256, :256]

    def lobed(width, height, x, y):
        angle = np.arctan2((rows - y) / height, (cols - x) / width)
        return (
            np.hypot((rows - y) / height, (cols - x) / width) < 1 + 0.12 * np.sin(3 * angle)
        ).astype(np.uint8)

    first = encode(find_outline(lobed(60, 60, 128, 128)))
    for other in (lobed(60, 60, 100, 90), lobed(80, 80, 128, 128), lobed(70, 35, 120, 140)):
        code = encode(find_outline(other))
        assert code[0] == pytest.approx(first[0], abs=0.1)  # how much it bends at 2 to 3 cycles


def test_closing_needs_the_first_harmonic_alone(masks):
    codes = np.stack([encode(find_outline(mask)) for mask in masks])
    vertices, closed = close_outlines(decode(codes))
    assert closed.all()
    assert is_simple(vertices).mean() > 0.95


def test_damping_calms_all_octaves_alike(masks):
    codes = np.stack([encode(find_outline(mask)) for mask in masks])
    spectra = [np.abs(np.fft.rfft(decode(own))) for own in (codes, damp(codes, 0.5))]
    for low, high in OCTAVES:
        ratio = spectra[1][:, low : high + 1].sum() / spectra[0][:, low : high + 1].sum()
        assert ratio == pytest.approx(0.5, abs=1e-6)


def test_wild_codes_become_simple_outlines():
    wild = np.random.default_rng(0).standard_normal((200, CODE))
    wild[:, : len(OCTAVES)] = 0.0  # bends of a radian at every scale
    vertices, closed = close_outlines(decode(wild))
    assert not (closed & is_simple(vertices)).any()
    outlines = _simple_outlines(wild)
    assert is_simple(outlines).all()
    assert _has_neck(vertices[closed]).any()
    assert not _has_neck(outlines[..., COARSE]).any()


def test_what_has_no_shape_has_no_outline():
    speck = np.zeros((64, 64), np.uint8)
    assert find_outline(speck) is None
    speck[10:12, 10:12] = 1
    assert find_outline(speck) is None
    speck[:] = 0
    speck[10, 5:60] = 1
    assert find_outline(speck) is None
