"""Mask engine `semantic_curvature` with the weights that ship: contract, control, families."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from busgen.errors import DataError, FindingError, UserError
from busgen.imaging.geometry import measure
from busgen.io import dumps, read_json, write_text
from busgen.masks.closed import POINTS, is_simple
from busgen.masks.engines import load_mask_engine
from busgen.masks.semantic_curvature.codes import (
    CONDITIONS,
    PARTS,
    STYLES,
    Lesion,
    forget,
    to_conditions,
    to_lesion,
)
from busgen.masks.semantic_curvature.engine import SHIPPED, SPEC, WEIGHTS

ENGINE = "semantic_curvature"
PAIRS = 60


@pytest.fixture(scope="module")
def engine():
    return load_mask_engine(ENGINE)


def geometries(engine, make_finding, **changes):
    findings = [
        make_finding(seed, **{"width_mm": 16.0, "height_mm": 11.0} | changes)
        for seed in range(PAIRS)
    ]
    return findings, [measure(mask, 0.15) for mask in engine.draw(findings)]


def test_alone_equals_in_a_batch(engine, mixed, normal):
    batch = engine.draw([normal, *mixed])
    assert batch.dtype == np.uint8
    assert batch.shape == (241, 256, 256)
    assert not batch[0].any()
    for k in range(0, 240, 17):
        assert engine.draw([mixed[k]])[0].tobytes() == batch[k + 1].tobytes()


def test_threads_do_not_change_the_masks(engine, mixed):
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(engine.draw, [mixed[k : k + 60] for k in range(0, 240, 60)]))
    assert np.concatenate(parts).tobytes() == engine.draw(mixed).tobytes()


def test_outlines_are_simple_and_fill_the_box(engine, mixed):
    outlines = engine.outlines(mixed)
    assert outlines.shape == (240, POINTS, 2)
    assert is_simple(np.moveaxis(outlines, 1, 2)).all()
    size = np.array([(f.width_mm, f.height_mm) for f in mixed])
    assert np.allclose(np.ptp(outlines, axis=1), size)
    assert np.allclose(outlines.max(axis=1), size / 2)


def test_a_mask_is_one_component_without_holes(engine, mixed):
    for mask in engine.draw(mixed[::5]):
        count, _ = cv2.connectedComponents(mask, connectivity=4)
        holes, _ = cv2.connectedComponents(1 - np.pad(mask, 1), connectivity=8)
        assert count == holes == 2


def test_seeds_draw_other_outlines(engine, make_finding):
    masks = engine.draw([make_finding(seed) for seed in range(20)])
    assert len({mask.tobytes() for mask in masks}) == 20


@pytest.mark.parametrize(
    ("field", "smooth", "rough"),
    [
        ("margin", ("circumscribed",), ("spiculated",)),
        ("margin", ("circumscribed",), ("angular",)),
        ("shape", "oval", "irregular"),
    ],
)
def test_the_same_seed_with_another_term_is_rougher(engine, make_finding, field, smooth, rough):
    lots = [geometries(engine, make_finding, **{field: term})[1] for term in (smooth, rough)]
    rises = [b.solidity < a.solidity for a, b in zip(*lots, strict=True)]
    assert np.mean(rises) > 0.85


def test_the_same_seed_keeps_the_rest(engine, make_finding):
    """A member is more like its family's other member than like the next family's."""
    masks = [
        engine.draw([make_finding(s, width_mm=16.0, margin=(term,)) for s in range(PAIRS)])
        for term in ("circumscribed", "indistinct")
    ]
    own = [(a & b).sum() / (a | b).sum() for a, b in zip(*masks, strict=True)]
    other = [
        (a & b).sum() / (a | b).sum()
        for a, b in zip(masks[0], np.roll(masks[1], 1, axis=0), strict=True)
    ]
    assert np.mean(np.array(own) > other) > 0.9


def test_size_and_orientation_change_alone(engine, make_finding):
    for changes in ({"width_mm": 8.0, "height_mm": 12.0}, {"width_mm": 20.0, "height_mm": 13.0}):
        findings, shapes = geometries(engine, make_finding, **changes)
        for finding, shape in zip(findings, shapes, strict=True):
            assert shape.width_mm == pytest.approx(finding.width_mm, abs=0.16)
            assert shape.height_mm == pytest.approx(finding.height_mm, abs=0.16)


def test_other_sizes_of_images(engine, make_finding):
    finding = make_finding(3, pixel_mm=0.075)
    (mask,) = load_mask_engine(ENGINE, 512).draw([finding])
    assert measure(mask, 0.075).width_mm == pytest.approx(14.0, abs=0.1)
    assert load_mask_engine(ENGINE, 512).sha256 != engine.sha256


def test_a_lesion_outside_the_frame_is_refused(engine, make_finding):
    with pytest.raises(FindingError, match="inside the frame"):
        engine.draw([make_finding(0, center_x=0.99)])


def test_what_is_not_known_is_zero(make_finding):
    finding = make_finding(0, shape="irregular", margin=("angular", "spiculated"))
    known = to_lesion(finding, 256)
    nothing = Lesion(None, known.width, known.height, None, None, None, None)
    row, blank = to_conditions([known, nothing])
    assert row.shape == (CONDITIONS,)
    assert not blank[2:].any()
    assert np.array_equal(row[:2], blank[:2])
    assert row[2:].sum() != 0


def test_parts_are_forgotten_together():
    rows = np.ones((4000, CONDITIONS), np.float32)
    kept = forget(rows, 0.1, np.random.default_rng(0))
    assert rows.all()
    assert kept[:, :2].all()
    start = 2
    for width in PARTS.values():
        part = kept[:, start : start + width]
        assert (part == part[:, :1]).all()
        assert part.mean() == pytest.approx(0.9, abs=0.02)
        start += width


def test_annotators_are_drawn_by_their_shares(make_finding):
    drawn = [to_lesion(make_finding(seed), 256).style for seed in range(2000)]
    for name, share in STYLES.items():
        assert drawn.count(name) / 2000 == pytest.approx(share, abs=0.03)
    assert sum(STYLES.values()) == pytest.approx(1)


def test_weights_that_are_missing_or_others_are_refused(tmp_path):
    with pytest.raises(UserError, match="busgen train masks"):
        load_mask_engine(ENGINE, 256, tmp_path)
    copy = shutil.copytree(SHIPPED, tmp_path / "copy")
    spec = read_json(copy / SPEC)
    write_text(copy / SPEC, dumps(spec | {"version": 0}))
    with pytest.raises(DataError, match="must be of version 1, got 0"):
        load_mask_engine(ENGINE, 256, copy)
    shutil.copy(SHIPPED / SPEC, copy / SPEC)
    with (copy / WEIGHTS).open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="restore the folder"):
        load_mask_engine(ENGINE, 256, copy)


def test_the_weights_are_small():
    assert (SHIPPED / WEIGHTS).stat().st_size <= 2 * 2**20


def test_replaced_findings_keep_their_noise(engine, make_finding):
    one = make_finding(5)
    assert np.array_equal(engine.draw([one]), engine.draw([replace(one, sample_id="other")]))
