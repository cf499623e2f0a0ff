"""Every descriptor shows where it should, on the envelope or the image."""

import cv2
import numpy as np
import pytest

from busgen import seeds
from busgen.bench.phantom.benchmark import mean_chord, posterior_band
from busgen.images.phantom import beams, engine, lesion
from busgen.images.phantom.anatomy import to_tissue
from busgen.schema import ECHO_PATTERNS, SCANNERS

SEEDS = range(8)


def level_db(envelope, where):
    return 10 * np.log10((envelope[where] ** 2).mean())


def rings(finding, mask):
    """Signed distance (mm) of every pixel to the outline, negative inside."""
    return lesion.signed_distance_mm(mask, finding.pixel_mm)


def change_db(sample, where, plain, changed):
    """Mean change of level (dB) at `where(distance)` between two findings of the same seeds."""
    changes = []
    for seed in SEEDS:
        one, mask = sample(seed=seed, **plain)
        two, _ = sample(seed=seed, **changed)
        at = where(rings(one, mask))
        changes.append(
            level_db(engine.envelope(two, mask), at) - level_db(engine.envelope(one, mask), at)
        )
    return float(np.mean(changes))


@pytest.mark.parametrize(("posterior", "sign"), [("enhancement", 1), ("shadowing", -1)])
def test_posterior_features_have_the_right_sign(sample, posterior, sign):
    pairs = [
        sample(seed=s, posterior=posterior, scanner=SCANNERS[s % 4], height_mm=4 + 0.4 * s)
        for s in range(20)
    ]
    excess = [sign * posterior_band(engine.envelope(f, m), m, f.pixel_mm) for f, m in pairs]
    assert np.mean(np.array(excess) > 0) >= 0.95


@pytest.mark.parametrize(("posterior", "sign"), [("enhancement", 1), ("shadowing", -1)])
def test_posterior_features_grow_with_thickness(sample, posterior, sign):
    means = []
    for height_mm in (4.0, 8.0, 14.0):
        pairs = [sample(seed=s, posterior=posterior, height_mm=height_mm) for s in range(8)]
        excess = [posterior_band(engine.envelope(f, m), m, f.pixel_mm) for f, m in pairs]
        assert mean_chord(pairs[0][1], 0.15) == pytest.approx(0.95 * height_mm, rel=0.06)
        means.append(sign * np.mean(excess))
    assert means[0] < means[1] < means[2]
    assert means[2] > means[0] + 2


def test_combined_features_shadow_on_one_side_and_enhance_on_the_other(sample):
    big = {"width_mm": 16.0, "height_mm": 12.0}
    for seed in range(6):
        f, mask = sample(seed=seed, posterior="combined", **big)
        g, _ = sample(seed=seed, posterior="none", **big)
        added = 20 * np.log10(engine.envelope(f, mask) / engine.envelope(g, mask))[160:200]
        sides = sorted([added[:, 85:110].mean(), added[:, 146:171].mean()])
        assert sides[0] < -2
        assert sides[1] > 0.5


@pytest.mark.parametrize("echo", [e for e in ECHO_PATTERNS if e != "isoechoic"])
def test_contrast_has_the_sign_of_the_echo_pattern(sample, echo):
    sign = 1 if echo == "hyperechoic" else -1
    contrasts = []
    for seed in SEEDS:
        f, mask = sample(seed=seed, echo_pattern=echo, scanner=SCANNERS[seed % 4])
        image, d = engine.render(f, mask), rings(f, mask)
        contrasts.append(image[d < 0].mean() - image[(d > 0.5) & (d < 3)].mean())
    assert np.mean(sign * np.array(contrasts) > 0) >= 0.93


def test_isoechoic_is_close_to_its_fat(sample):
    contrasts = []
    for seed in SEEDS:
        f, mask = sample(seed=seed, echo_pattern="isoechoic", tissue="homogeneous_fat")
        image, d = engine.render(f, mask), rings(f, mask)
        contrasts.append(image[d < 0].mean() - image[(d > 0.5) & (d < 3)].mean())
    assert abs(np.median(contrasts)) < 15


def test_anechoic_is_darkest(sample):
    def core(d):
        return d < -2

    assert change_db(sample, core, {}, {"echo_pattern": "anechoic"}) < -8


def test_halo_brightens_the_rim_outside(sample):
    def rim(d):
        return (d > 0.3) & (d < 1.5)

    assert change_db(sample, rim, {}, {"halo": True}) > 3


def test_indistinct_blurs_the_outline(sample):
    rise = {}
    for margin in ("circumscribed", "indistinct"):
        steps = []
        for seed in SEEDS:
            f, mask = sample(seed=seed, margin=(margin,), tissue="homogeneous_fibroglandular")
            envelope, d = engine.envelope(f, mask), rings(f, mask)
            inner, outer = (d > -0.6) & (d < -0.1), (d > 0.1) & (d < 0.6)
            steps.append(level_db(envelope, outer) - level_db(envelope, inner))
        rise[margin] = np.mean(steps)
    assert rise["indistinct"] < rise["circumscribed"] - 2


def test_spiculation_reaches_beyond_the_outline(sample):
    f, mask = sample(margin=("indistinct",))
    g, _ = sample(margin=("spiculated",))
    far = (rings(f, mask) > 1) & (rings(f, mask) < 3)
    one, two = engine.envelope(f, mask), engine.envelope(g, mask)
    assert np.abs(np.log(two[far] / one[far])).mean() > 0.2


@pytest.mark.parametrize(
    ("where", "near"),
    [
        ("in_a_mass", lambda d: d < 0),
        ("outside_a_mass", lambda d: (d > 0.3) & (d < 5.5)),
        ("intraductal", lambda d: (d > -1.5) & (d < 9)),
    ],
)
def test_calcifications_are_bright_points_where_they_belong(sample, where, near):
    for seed in SEEDS:
        f, mask = sample(seed=seed, calcification="none")
        g, _ = sample(seed=seed, calcification=where)
        added = engine.envelope(g, mask) - engine.envelope(f, mask)
        brightest = np.unravel_index(added.argmax(), added.shape)
        assert added.max() > 0.4
        assert near(rings(f, mask))[brightest]


def test_smooth_sides_cast_edge_shadows(sample):
    edge, reference = [], []
    for seed in SEEDS:
        f, mask = sample(seed=seed, height_mm=10.0, width_mm=12.0)
        level = 20 * np.log10(engine.envelope(f, mask)[150:190] + 1e-6).mean(0)
        edge.append(level[[86, 87, 88, 89, 167, 168, 169, 170]].mean())
        reference.append(level[[70, 72, 74, 76, 180, 182, 184, 186]].mean())
    assert np.mean(edge) < np.mean(reference) - 1


def test_a_curved_array_leaves_black_corners_and_shows_the_lesion(sample):
    f, mask = sample(scanner="curved_5mhz", center_x=0.2, center_y=0.15, width_mm=10.0)
    image = engine.render(f, mask)
    assert (image[mask > 0] > 0).mean() > 0.9
    f, mask = sample(scanner="curved_5mhz")
    assert engine.render(f, mask)[:8, :8].max() == 0


def test_normal_has_tissue_and_no_lesion(normal):
    images = [engine.render(*normal(seed=s)) for s in range(4)]
    assert all(p.std() > 10 for p in images)
    coarse = [cv2.GaussianBlur(p[60:140], (0, 0), 8) for p in images]
    assert all(c.min() > 0.25 * np.median(p) for c, p in zip(coarse, images, strict=True))


def test_masks_are_not_changed(sample):
    f, mask = sample()
    before = mask.copy()
    engine.render(f, mask)
    assert np.array_equal(mask, before)


def test_an_empty_mask_draws_no_lesion(sample):
    f, mask = sample()
    assert engine.render(f, np.zeros_like(mask)).std() > 10


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("calcification", ["in_a_mass", "outside_a_mass", "intraductal"])
def test_a_lesion_of_one_pixel_is_no_error(sample, scanner, calcification):
    f, mask = sample(scanner=scanner, calcification=calcification, posterior="combined")
    mask = np.zeros_like(mask)
    mask[100, 120] = 1
    assert engine.render(f, mask).std() > 10


def test_a_halo_only_adds_echo_and_leaves_the_spicules_where_they_were(sample):
    grid = beams.linear_grid(256, 0.15)
    flat = np.zeros(grid.shape, np.float32)
    for seed in SEEDS:
        echoes = []
        for halo in (False, True):
            finding, mask = sample(margin=("spiculated",), halo=halo)
            parts = (finding, rings(finding, mask), grid, to_tissue(flat, flat, flat, 0.7))
            generated = lesion.insert_lesion(seeds.rng(seed, "image"), *parts, 5.0)
            echoes.append(generated.echo_db)
        added = echoes[1] - echoes[0]
        assert added.min() > -1e-4
        assert added.max() > 2
