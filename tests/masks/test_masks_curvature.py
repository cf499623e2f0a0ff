"""Mask engine `curvature`: contract, exactness, and whether the terms can be distinguished."""

import csv
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from busgen.errors import FindingError, UserError
from busgen.imaging.geometry import measure
from busgen.masks.closed import POINTS, is_simple
from busgen.masks.curvature import draw_outlines
from busgen.masks.engines import load_mask_engine

TERMS = ("circumscribed", "indistinct", "angular", "microlobulated", "spiculated")


@pytest.fixture(scope="module")
def engine():
    return load_mask_engine("curvature")


@pytest.fixture(scope="module")
def by_term(engine, make_finding):
    """Return geometries of 150 irregular masses of 16 x 12 mm for each margin term alone."""
    return {
        term: [
            measure(mask, 0.15)
            for mask in engine.draw(
                [
                    make_finding(s, shape="irregular", margin=(term,), width_mm=16, height_mm=12)
                    for s in range(150)
                ]
            )
        ]
        for term in TERMS
    }


def median(geometries, name):
    return np.median([getattr(g, name) for g in geometries], axis=0)


def test_alone_equals_in_a_batch(engine, mixed, normal):
    batch = engine.draw([normal, *mixed])
    assert batch.dtype == np.uint8
    assert batch.shape == (241, 256, 256)
    outlines = draw_outlines(mixed)
    for k in range(0, 240, 7):
        assert engine.draw([mixed[k]])[0].tobytes() == batch[k + 1].tobytes()
        assert draw_outlines([mixed[k]])[0].tobytes() == outlines[k].tobytes()


def test_threads_do_not_change_the_masks(engine, mixed):
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(engine.draw, [mixed[k : k + 60] for k in range(0, 240, 60)]))
    assert np.concatenate(parts).tobytes() == engine.draw(mixed).tobytes()


def test_seed_decides(engine, make_finding):
    a, b, again = engine.draw([make_finding(1), make_finding(2), make_finding(1)])
    assert (a == again).all()
    assert (a != b).any()


def test_normal_is_empty(engine, normal, make_finding):
    masks = engine.draw([normal, make_finding(1), normal])
    assert masks.any(axis=(1, 2)).tolist() == [False, True, False]
    assert np.isnan(draw_outlines([normal])).all()
    assert engine.draw([]).shape == (0, 256, 256)


def test_box_is_the_findings(engine, mixed):
    for mask, f in zip(engine.draw(mixed), mixed, strict=True):
        g = measure(mask, f.pixel_mm)
        error = np.abs([g.width_mm - f.width_mm, g.height_mm - f.height_mm])
        assert error.max() <= 1.001 * f.pixel_mm
        assert abs(g.center_x - f.center_x) * 256 <= 1
        assert abs(g.center_y - f.center_y) * 256 <= 1
    boxes = np.ptp(draw_outlines(mixed), axis=1)
    np.testing.assert_allclose(boxes, [(f.width_mm, f.height_mm) for f in mixed])


def test_outlines_are_simple_and_masks_whole(engine, mixed):
    outlines = draw_outlines(mixed)
    assert outlines.shape == (240, POINTS, 2)
    assert is_simple(np.moveaxis(outlines, 2, 1)).all()
    for mask in engine.draw(mixed):
        assert set(np.unique(mask)) == {0, 1}
        found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        assert len(found) == 1  # one outline: one component, no holes


@pytest.mark.parametrize(("width", "height"), [(35.0, 1.2), (1.0, 30.0), (0.5, 0.5), (38.0, 38.0)])
@pytest.mark.parametrize("margin", [("circumscribed",), TERMS[1:]])
def test_extremes(engine, make_finding, width, height, margin):
    findings = [
        make_finding(
            seed, shape="irregular", margin=margin, width_mm=width, height_mm=height, center_y=0.5
        )
        for seed in range(20)
    ]
    assert is_simple(np.moveaxis(draw_outlines(findings), 2, 1)).all()
    for mask in engine.draw(findings):
        g = measure(mask, 0.15)
        assert abs(g.width_mm - width) <= 0.1501
        assert abs(g.height_mm - height) <= 0.1501


def test_out_of_frame_is_refused(engine, make_finding):
    with pytest.raises(FindingError, match=r"inside the frame.*s7"):
        engine.draw([make_finding(6), make_finding(7, center_x=0.1)])


def test_size_of_the_masks(make_finding):
    finding = make_finding(3, pixel_mm=0.075)
    (mask,) = load_mask_engine("curvature", 512).draw([finding])
    g = measure(mask, 0.075)
    assert mask.shape == (512, 512)
    assert (g.width_mm, g.height_mm) == pytest.approx((14.0, 9.0), abs=0.08)


def test_engines_are_looked_up_by_name(engine):
    with pytest.raises(UserError, match="curvature"):
        load_mask_engine("curvatura")
    with pytest.raises(UserError, match="size_px"):
        load_mask_engine("curvature", 0)
    assert engine.sha256 == load_mask_engine("curvature").sha256
    assert engine.sha256 != load_mask_engine("curvature", 512).sha256
    assert pickle.loads(pickle.dumps(engine)) == engine


def test_orientation_is_the_boxs(engine, make_finding):
    tall = [make_finding(s, width_mm=9, height_mm=14) for s in range(40)]
    for mask in engine.draw(tall):
        assert abs(measure(mask, 0.15).angle_deg) > 45


def test_roughness_orders_the_margins(by_term):
    rough = {term: median(by_term[term], "roughness") for term in TERMS}
    assert rough["circumscribed"] < rough["indistinct"] < min(rough[t] for t in TERMS[2:])
    assert rough["spiculated"] == max(rough.values())
    assert median(by_term["spiculated"], "solidity") < median(by_term["angular"], "solidity")


def test_microlobules_are_1_to_3_mm(make_finding):
    """The band of one cycle every 1.5 to 3 mm holds most of the outline's curvature."""
    shares = {}
    for term in ("microlobulated", "indistinct", "circumscribed"):
        findings = [make_finding(s, margin=(term,), width_mm=16, height_mm=12) for s in range(60)]
        xy = draw_outlines(findings)
        z = xy[..., 0] + 1j * xy[..., 1]
        step = np.diff(z, axis=1, append=z[:, :1])
        bend = np.angle(step / np.roll(step, 1, axis=1))
        power = np.abs(np.fft.rfft(bend, axis=1))[:, 4:] ** 2
        mm = np.abs(step).sum(axis=1)[:, None] / np.arange(4, power.shape[1] + 4)
        shares[term] = np.median(np.where((mm > 1.2) & (mm < 3.3), power, 0).sum(1) / power.sum(1))
    assert shares["microlobulated"] > 0.6
    assert shares["microlobulated"] > 2 * max(shares["indistinct"], shares["circumscribed"])


def test_shape_terms_differ(engine, make_finding):
    def circularity(shape, width=12, height=11.5):
        findings = [
            make_finding(s, shape=shape, width_mm=width, height_mm=height) for s in range(100)
        ]
        return [measure(m, 0.15).circularity for m in engine.draw(findings)]

    oval, irregular, round_ = (circularity(s) for s in ("oval", "irregular", "round"))
    assert np.median(irregular) < np.median(oval) < np.median(round_)
    assert np.percentile(irregular, 75) < np.percentile(oval, 25)
    assert np.percentile(round_, 10) > 0.88


def test_a_classifier_tells_margins_apart(by_term):
    """Five single terms, chance is .2: a linear rule on five measures is right in most cases."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_score

    x = [
        [g.solidity, g.circularity, np.log(g.roughness), *np.log(np.add(g.curvature, 1e-3))]
        for term in TERMS
        for g in by_term[term]
    ]
    y = np.repeat(TERMS, 150)
    assert cross_val_score(LinearDiscriminantAnalysis(), x, y, cv=5).mean() > 0.7


def test_alike_to_experts_outlines(real_data, engine, make_finding):
    """Medians of solidity and roughness against BrEaST, drawn at the real boxes and terms."""
    table = real_data / "BrEaST" / "clinical.csv"
    rows = list(csv.DictReader(table.open(encoding="utf-8-sig")))
    real, findings = [], []
    for row in rows:
        path = (
            real_data / "BrEaST" / "BrEaST-Lesions_USG-images_and_masks"
            / f"case{int(row['CaseID']):03d}_tumor.png"
        )  # fmt: skip
        if not path.exists():
            continue
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR).max(axis=2)
        scale = float(row["Pixel_size"]) * 10 / 0.15
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        geometry = measure((pixels > 127).astype(np.uint8), 0.15)
        if max(geometry.width_mm, geometry.height_mm) > 37:
            continue
        margin = tuple(row["Margin"].replace("not circumscribed - ", "").split("&"))
        box = {"width_mm": geometry.width_mm, "height_mm": geometry.height_mm, "center_y": 0.5}
        findings.append(make_finding(len(real), shape=row["Shape"], margin=margin, **box))
        real.append((row["Shape"], geometry))
    copies = [replace(f, seed=f.seed + 1000 * k) for k in range(3) for f in findings]
    drawn = [measure(mask, 0.15) for mask in engine.draw(copies)]
    for shape, solidity, roughness in (("oval", 0.02, 0.008), ("irregular", 0.025, 0.008)):
        theirs = [g for s, g in real if s == shape]
        ours = [g for f, g in zip(copies, drawn, strict=True) if f.shape == shape]
        assert median(ours, "solidity") == pytest.approx(median(theirs, "solidity"), abs=solidity)
        assert median(ours, "roughness") == pytest.approx(
            median(theirs, "roughness"), abs=roughness
        )
