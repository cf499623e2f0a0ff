"""Captions: what the table states, what is measured, and what is left unsaid."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from busgen import schema
from busgen.errors import DataError
from busgen.images.diffusion.conditions import SLOTS, UNSTATED, slot_bounds, terms_of
from busgen.images.training.examples import FIELDS, Caption, make_caption, thin_caption, weigh
from busgen.masks.semantic_curvature.training.descriptor_bounds import (
    Bound,
    Bounds,
    Reading,
    bounds_from_json,
    fit_bounds,
    read_lesion,
)
from busgen.real.canonical import to_row
from busgen.real.cohort import assign_split
from busgen.real.crops import crop
from busgen.real.readers.registry import list_images

READING = Reading(tallness=0.6, axes=0.6, roughness=0.01, darkness=0.5, band=0.0)
BLANK = dict.fromkeys(field.name for field in schema.arrow_schema("real")) | {"flags": []}
TABLE = {
    "pathology": "benign", "birads": "3", "tissue": "heterogeneous", "shape": "irregular",
    "orientation": "not_parallel", "margin": ["indistinct", "angular"], "halo": False,
    "echo_pattern": "isoechoic", "posterior": "combined", "calcification": "in_a_mass",
    "width_mm": 8.0, "height_mm": 9.0,
}  # fmt: skip


@pytest.fixture
def bounds():
    """Return bounds that are not fitted."""
    return Bounds(
        (
            Bound("orientation", "parallel", "tallness", None, 0.96),
            Bound("shape", "oval", "roughness", None, 0.02),
            Bound("shape", "oval", "axes", None, 0.8),
            Bound("margin", "circumscribed", "roughness", None, 0.02),
            Bound("echo_pattern", "anechoic", "darkness", None, 0.2),
            Bound("echo_pattern", "hypoechoic", "darkness", 0.3, 0.7),
            Bound("posterior", "shadowing", "band", None, -1.0),
            Bound("posterior", "enhancement", "band", 1.0, None),
        )
    )


@pytest.fixture
def picture(sample):
    """Return a smooth dark ellipse in speckle with a bright band behind it, and its mask."""
    _, mask = sample()
    rows = np.arange(256)[:, None]
    behind = (rows > 129) & mask.any(axis=0)
    speckle = np.random.default_rng(0).normal(0, 8, mask.shape)
    return np.rint(120 + speckle - 60 * mask + 40 * behind).astype(np.uint8), mask


def test_images_of_rare_terms_are_drawn_more_often_within_a_limit():
    common, rare = Caption(echo_pattern="hypoechoic"), Caption(echo_pattern="anechoic")
    assert weigh([common] * 4 + [rare]).tolist() == [1, 1, 1, 1, 2]
    assert weigh([common] * 40 + [rare, Caption()])[-2:].tolist() == [4, 1]
    both = replace(common, posterior="shadowing")
    assert weigh([both, *[replace(common, posterior="none")] * 4])[0] == 2  # the rarest counts


def test_a_breast_rows_caption_is_its_table(picture, bounds):
    caption = make_caption(BLANK | TABLE | {"dataset": "breast"}, *picture, bounds)
    assert {**vars(caption), "margin": list(caption.margin)} == TABLE
    unsaid = make_caption(
        BLANK | TABLE | {"dataset": "breast", "posterior": None}, *picture, bounds
    )
    assert unsaid == replace(caption, posterior=None)


def test_what_no_reader_described_is_measured(picture, bounds):
    row = BLANK | {"dataset": "busi", "pathology": "malignant"}
    assert make_caption(row, *picture, bounds) == Caption(
        pathology="malignant",
        shape="oval",
        orientation="parallel",
        margin=("circumscribed",),
        echo_pattern="hypoechoic",
        posterior="enhancement",
    )
    assert make_caption(row, *picture, Bounds(())) == Caption(pathology="malignant")


def test_a_normal_image_has_no_lesion_terms(picture, bounds):
    row = BLANK | {"dataset": "busi", "pathology": "normal", "tissue": "homogeneous_fat"}
    image, mask = picture
    caption = make_caption(row, image, 0 * mask, bounds)
    assert caption == Caption(pathology="normal", tissue="homogeneous_fat")
    assert {thin_caption(caption, np.random.default_rng(seed), 0.0) for seed in range(20)} == {
        Caption(pathology="normal")
    }


def test_a_disputed_label_is_not_stated(picture, bounds):
    row = BLANK | {"dataset": "bus_bra", "pathology": "benign", "birads": "2"}
    sure = make_caption(row, *picture, bounds)
    disputed = make_caption(row | {"flags": ["label_conflict"]}, *picture, bounds)
    assert disputed == replace(sure, pathology=None, birads=None)


@pytest.mark.parametrize(
    ("changes", "term"),
    [
        ({"band": 1.0}, "enhancement"),
        ({"band": 0.99}, None),
        ({"band": -1.01}, "shadowing"),
        ({"band": float("nan")}, None),
    ],
)
def test_between_the_terms_nothing_is_stated(bounds, changes, term):
    assert bounds.term("posterior", replace(READING, **changes)) == term


def test_all_bounds_of_a_term_must_hold_and_one_term_only(bounds):
    assert bounds.term("shape", READING) == "oval"
    assert bounds.term("shape", replace(READING, axes=0.85)) is None
    overlapping = Bounds((*bounds.bounds, Bound("shape", "irregular", "axes", None, None)))
    assert overlapping.term("shape", READING) is None


def read_by_rule(n=300):
    """Return rows and readings; readers see none of four bands in a row, shadowing in the fifth."""
    rows, readings = [], []
    for k in range(n):
        rough = 0.06 * k / n
        smooth = rough < 0.02 or (rough < 0.04 and k % 2)
        echo = ("anechoic", "heterogeneous", "hypoechoic", "isoechoic", "isoechoic")[5 * k // n]
        row = {"shape": "oval" if smooth else "irregular", "echo_pattern": echo}
        row |= {"margin": ["circumscribed"] if smooth else ["indistinct"]}
        row |= {"posterior": "shadowing" if k % 5 == 4 else "none"}
        rows.append(row)
        band = -9.0 if k % 5 == 4 else 2 * k / n - 1
        readings.append(replace(READING, roughness=rough, darkness=k / n, band=band))
    return rows, readings


def test_bounds_are_fitted_to_the_share_on_which_readers_agree():
    rows, readings = read_by_rule()
    bounds = fit_bounds(rows, readings)
    for field, term, share in (
        ("shape", "oval", 0.85),
        ("shape", "irregular", 0.85),
        ("margin", "circumscribed", 0.85),
        ("echo_pattern", "anechoic", 0.8),
        ("echo_pattern", "hypoechoic", 0.8),
    ):
        phrases = [k for k, r in enumerate(readings) if bounds.term(field, r) == term]
        own = [term] if field == "margin" else term
        right = [rows[k][field] == own for k in phrases]
        assert np.mean(right) == pytest.approx(share, abs=0.02)
        assert np.mean(right) >= share
    assert bounds.term("shape", replace(READING, axes=0.95)) == "round"
    assert bounds.term("shape", replace(READING, axes=0.85)) is None
    band = {b.term: (b.low, b.high) for b in bounds.bounds if b.field == "posterior"}
    assert band["shadowing"] == (None, pytest.approx(-0.8, abs=0.02))
    assert band["none"] == pytest.approx((-0.5, 0.5), abs=0.02)
    assert band["enhancement"] == (pytest.approx(0.8, abs=0.02), None)
    assert bounds_from_json(json.loads(json.dumps(asdict(bounds)))["bounds"]) == bounds


def test_a_term_on_which_readers_never_agree_has_no_bounds():
    rows, readings = read_by_rule()
    mixed = [
        row | {"echo_pattern": ("anechoic", "hypoechoic")[k % 2]} for k, row in enumerate(rows)
    ]
    fields = {bound.field for bound in fit_bounds(mixed, readings).bounds}
    assert fields == {"orientation", "shape", "margin", "posterior"}


def test_bounds_need_images():
    rows, readings = read_by_rule(4)
    with pytest.raises(DataError, match=r"need 5 images or more .* got 4"):
        fit_bounds(rows, readings)


def stated(caption):
    """Return the terms that the network is told, by slot, unstated ones left out."""
    row = terms_of([caption])[0]
    found = {}
    for (name, terms), (start, end) in zip(SLOTS, slot_bounds(), strict=True):
        assert row[start:end].sum() == 1
        found[name] = terms[int(row[start:end].argmax())]
    return {name: term for name, term in found.items() if term != UNSTATED}


@pytest.mark.parametrize("missing", sorted(set(FIELDS) - {"width_mm", "height_mm"}))
def test_what_is_not_stated_is_not_told(missing):
    full = Caption(**TABLE | {"margin": ("indistinct", "angular")})
    whole, result = stated(full), stated(replace(full, **{missing: None}))
    lost = {"margin_indistinct", "margin_angular"} if missing == "margin" else {missing}
    assert result == {name: term for name, term in whole.items() if name not in lost}
    assert len(whole) == len(FIELDS) - 2 + 1  # without sizes, with two margin terms
    assert set(stated(Caption(**{missing: getattr(full, missing)}))) == lost


def test_fields_are_kept_as_often_as_asked():
    caption = Caption(**TABLE | {"margin": ("indistinct", "angular")})
    chosen = [thin_caption(caption, np.random.default_rng(seed), 0.3) for seed in range(400)]
    for field in ("shape", "posterior", "birads", "width_mm"):
        left = [getattr(one, field) for one in chosen]
        assert set(left) == {getattr(caption, field), None}
        assert np.mean([value is not None for value in left]) == pytest.approx(0.3, abs=0.07)
    assert all((one.width_mm is None) == (one.height_mm is None) for one in chosen)
    bare = {thin_caption(caption, np.random.default_rng(seed), 0.0) for seed in range(5)}
    assert bare == {Caption()}
    assert thin_caption(caption, np.random.default_rng(3), 1.0) == caption


@pytest.fixture
def read_busi(real_data, no_overlays):
    """Return a function: step -> rows of every so manieth image of BUSI, with image and mask."""

    def read(step):
        for entry in list_images("busi", real_data / "BUSI").entries[::step]:
            row = to_row("busi", entry.source_file, entry.load())
            yield row, *crop(row)[:2]

    return read


def test_measured_terms_are_the_readers_on_patients_that_were_not_fitted(published, read_busi):
    """Counts of BrEaST's held-out patients, and what BUSI's images get."""
    pairs = [(row, crop(row | {"ignore": None})[:2]) for row in published.table.to_pylist()]
    seen = [(row, read_lesion(*pair), pair) for row, pair in pairs]
    parts = {"train": ([], []), "held out": ([], [])}
    for row, reading, _ in seen:
        if reading is not None:
            part = parts["train" if assign_split(row["patient_id"]) == "train" else "held out"]
            part[0].append(row)
            part[1].append(reading)
    bounds = fit_bounds(*parts["train"])
    for field, least_said, least_right in (
        ("shape", 0.6, 0.85),
        ("margin", 0.15, 0.85),
        ("echo_pattern", 0.4, 0.6),
        ("posterior", 0.7, 0.7),
    ):
        pairs = [
            (bounds.term(field, reading), row[field])
            for row, reading in zip(*parts["held out"], strict=True)
        ]
        result = [(term, known) for term, known in pairs if term]
        assert len(result) >= least_said * len(pairs), field
        assert np.mean([known in (term, [term]) for term, known in result]) >= least_right, field
    for row, _, pair in seen[::40]:
        caption = make_caption(row, *pair, bounds)
        assert all(getattr(caption, name) == row[name] for name in set(FIELDS) - {"margin"})
    busi = [make_caption(row, *pair, bounds) for row, *pair in read_busi(12)]
    lesions = [caption for caption in busi if caption.has_lesion]
    assert {caption.birads for caption in busi} == {caption.halo for caption in busi} == {None}
    assert np.mean([caption.shape is not None for caption in lesions]) > 0.6
    assert np.mean([caption.posterior is not None for caption in lesions]) > 0.6
    assert all(caption == Caption(pathology="normal") for caption in busi if caption not in lesions)
