"""Levels: what is measured comes back from what is told, and terms keep their order."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_diffusion as tiny
import torch

from busgen.images.diffusion.conditions import SLOTS, leave_out, one_hot, slot_bounds
from busgen.images.diffusion.levels import (
    FEWEST,
    FIELDS,
    HALO,
    LEVELS,
    SCALES,
    draw_place,
    measure,
    paint,
    weigh,
)
from busgen.images.diffusion.scanners import NO_STYLE, STYLES
from busgen.images.diffusion.training import ranges as fitting
from busgen.images.diffusion.training.ranges import fit_ranges
from busgen.images.training.examples import Caption, ImageSet
from busgen.imaging.surroundings import band_behind, rim_around

SIDE = 256
TERMS = {"echo_pattern": ("anechoic", "hypoechoic", "isoechoic"), "posterior": ("none", "combined")}


@pytest.fixture
def mask():
    rows, cols = np.mgrid[:SIDE, :SIDE]
    return ((((rows - 110) / 30) ** 2 + ((cols - 128) / 45) ** 2) < 1).astype(np.uint8)


def image(mask, inside=40, behind=120, rim=100, seed=0):
    """Return grey 100 with noise, another grey inside, behind and around the lesion."""
    grey = np.full(mask.shape, 100.0)
    grey[rim_around(mask)] = rim
    grey[band_behind(mask)] = behind
    grey[mask > 0] = inside
    return (
        (grey + np.random.default_rng(seed).normal(0, 10, mask.shape)).clip(1, 255).astype(np.uint8)
    )


@pytest.mark.parametrize(("name", "level"), [("inside", 0), ("behind", 1), ("rim", 2)])
def test_each_level_rises_with_its_grey_and_others_hardly(mask, name, level):
    rises = np.diff([measure(image(mask, **{name: g}), mask) for g in (92, 96, 100)], axis=0)
    assert (rises[:, level] > 0).all()
    others = np.delete(rises, level, axis=1)
    assert (np.abs(others) < 0.5 * rises[:, [level]]).all()


def test_what_cannot_be_seen_is_nan(mask):
    assert np.isnan(measure(image(mask), np.zeros_like(mask))).all()
    low = np.roll(mask, SIDE - 141, axis=0)  # nothing of the image lies behind it
    assert np.isnan(measure(image(low), low)).tolist() == [False, True, False]


def test_places_are_shares_of_each_latent(mask):
    shown = weigh(mask)
    assert shown.shape == (LEVELS, SIDE // 8, SIDE // 8)
    assert shown[0].sum() == mask.sum()
    assert shown.max() == 64
    below = np.flatnonzero(shown[1].any(axis=1))
    assert below.max() > np.flatnonzero(shown[0].any(axis=1)).max() > below.min()
    assert not weigh(np.zeros_like(mask)).any()


def test_painted_holds_each_level_where_it_shows_and_nothing_elsewhere(mask):
    shown = weigh(mask)[None]
    planes = paint(torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[1.0, 1.0, 0.25]]), shown)
    assert planes.shape == (1, 2 * LEVELS, SIDE // 8, SIDE // 8)
    for level, value in enumerate((1.0, -2.0, 0.5)):
        assert np.allclose(planes[0, level], value * shown[0, level] / 64)
    assert np.allclose(planes[0, LEVELS + 2], 0.25 * shown[0, 2] / 64)


@pytest.fixture
def ranges():
    """Return ranges of terms whose levels are -2, -1, 0 (echo) and 1, 2 (posterior)."""
    rng = np.random.default_rng(0)
    captions, values = [], []
    for echo, mean in zip(TERMS["echo_pattern"], (-2, -1, 0), strict=True):
        for posterior, band in zip(TERMS["posterior"], (1, 2), strict=True):
            for _ in range(40):
                captions.append(Caption("benign", echo_pattern=echo, posterior=posterior))
                values.append(np.array([mean, band, 0]) + rng.normal(0, (0.3, 0.5, 1)))
    captions += [Caption("benign", halo=False)] * 50
    values += list(np.c_[np.full((50, 2), np.nan), rng.normal(0.2, 0.4, 50)])
    captions += [Caption("benign", echo_pattern="hyperechoic")] * (FEWEST - 1)
    values += [np.array([1.0, np.nan, np.nan])] * (FEWEST - 1)
    return fit(captions, values)


def fit(captions, values, datasets="breast"):
    """Return the ranges of images of BrEaST, or of `datasets`, whose levels are `values`."""
    crops = tiny.make_crops(len(captions), 8)
    datasets = np.broadcast_to(datasets, len(captions))
    scanners = np.where(datasets == "breast", "BrEaST", "BUSI")
    crops = replace(crops, datasets=datasets, scanners=scanners)
    return fit_ranges(ImageSet(crops, tuple(captions)), np.array(values, np.float32))


def told(ranges, place=0.0, style="BrEaST", **stated):
    text = torch.from_numpy(one_hot(stated))[None]
    styles = torch.tensor([STYLES.index(style)])
    values, sure = ranges(text, torch.full((1, LEVELS), place), styles)
    return values[0].numpy(), sure[0].numpy()


def spread(ranges):
    """Return the levels' spread about a term's mean on BrEaST."""
    return (ranges.spread * ranges.widths[STYLES.index("BrEaST")]).numpy()


def test_ranges_are_the_measured_means_with_one_spread(ranges):
    values, sure = told(ranges, echo_pattern="anechoic", posterior="combined", halo=False)
    assert np.allclose(values, (-2, 2, 0), atol=0.15)  # of a rim the mean of all lesions
    assert sure.tolist() == [1, 1, 1]
    assert np.allclose(spread(ranges), (0.3, 0.5, 0.4), atol=0.08)


def test_a_term_that_is_not_stated_or_hardly_known_tells_no_level(ranges):
    assert told(ranges, pathology="benign")[1].tolist() == [0, 0, 0]
    assert told(ranges, place=2.0, echo_pattern="hyperechoic")[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("place", [-2.5, 0.0, 2.5])
def test_the_same_place_keeps_terms_in_order(ranges, place):
    levels = [told(ranges, place, echo_pattern=term)[0][0] for term in TERMS["echo_pattern"]]
    assert np.allclose(np.diff(levels), 1, atol=0.15)


def test_a_halo_is_brighter_as_the_lexicon_has_it(ranges):
    rims = [told(ranges, halo=value)[0][2] for value in (False, True)]
    assert rims[1] - rims[0] == pytest.approx(HALO * spread(ranges)[2], rel=1e-4)


def test_rims_are_as_bright_in_the_mean_whatever_share_has_a_halo():
    rims = np.random.default_rng(0).normal(0.3, 0.4, 60)
    captions = [Caption("benign", halo=bool(k % 3 == 0)) for k in range(60)]
    ranges = fit(captions, np.c_[np.full((60, 2), np.nan), rims])
    drawn = [told(ranges, halo=caption.halo)[0][2] for caption in captions]
    assert np.mean(drawn) == pytest.approx(rims.mean(), abs=1e-4)


def test_a_term_is_as_far_from_the_mean_of_each_scanner_in_its_own_spread():
    rng = np.random.default_rng(0)
    echo = np.repeat(["anechoic", "hypoechoic"], 40)
    captions = [Caption("benign", echo_pattern=term) for term in (*echo, *echo)]
    level = np.where(echo == "anechoic", -2.0, 0.0) + rng.normal(0, 0.3, 80)
    values = np.full((160, LEVELS), np.nan)
    values[:80, 0], values[80:, 0] = level, 3 * level - 1
    ranges = fit(captions, values, np.repeat(["breast", "busi"], 80))
    for term, mean in (("anechoic", -2.0), ("hypoechoic", 0.0)):
        assert told(ranges, echo_pattern=term)[0][0] == pytest.approx(mean, abs=0.15)
        other = told(ranges, style="BUSI", echo_pattern=term)[0][0]
        assert other == pytest.approx(3 * mean - 1, abs=0.4)
    assert torch.equal(ranges.centres[STYLES.index("GE Logiq 5")], ranges.centres[NO_STYLE])


def test_half_a_statement_is_told_by_half(ranges):
    rows = [one_hot({"echo_pattern": term}) for term in ("anechoic", "isoechoic")]
    both = torch.from_numpy(np.mean(rows, axis=0))[None]
    values, sure = ranges(both, torch.zeros(1, LEVELS), torch.tensor([STYLES.index("BrEaST")]))
    assert float(sure[0, 0]) == pytest.approx(1)
    assert float(values[0, 0]) == pytest.approx(-1, abs=0.15)


def test_places_of_seeds_are_standard_normal_and_repeat():
    drawn = torch.stack([draw_place(seed) for seed in range(2000)])
    assert abs(float(drawn.mean())) < 0.05
    assert abs(float(drawn.std()) - 1) < 0.05
    assert torch.equal(draw_place(3), drawn[3])
    assert len(SCALES) == len(FIELDS) == LEVELS


def test_fields_never_seen_have_no_range():
    generated = fit([Caption("benign")] * 9, np.zeros((9, LEVELS)))
    values, sure = told(generated, echo_pattern="anechoic", posterior="none", halo=True)
    assert not values.any()
    assert not sure.any()


def test_a_style_is_told_what_captions_of_its_images_state():
    crops = tiny.make_crops(4)  # of BrEaST and BUSI in turn
    captions = tuple(
        Caption("benign", shape="oval", halo=False if dataset == "breast" else None)
        for dataset in crops.datasets
    )
    told = fitting.find_told(ImageSet(crops, captions))
    slots = [name for name, _ in SLOTS]
    for dataset, style in (("breast", "BrEaST"), ("busi", "BUSI")):
        known = told[STYLES.index(style)]
        assert bool(known[slots.index("halo")]) == (dataset == "breast")
        assert known[slots.index("shape")] == 1
        assert known[slots.index("birads")] == 0
    assert told[NO_STYLE].all()
    assert told[STYLES.index("GE Logiq 5")].all()  # of whose images there is none


def test_a_term_that_is_left_out_is_unstated_and_others_stay():
    terms = torch.from_numpy(one_hot({"halo": True, "shape": "oval"}))[None].repeat(2, 1)
    told = torch.ones(2, len(SLOTS))
    told[1, [name for name, _ in SLOTS].index("halo")] = 0
    both, less = leave_out(terms, told)
    assert torch.equal(both, terms[0])
    assert torch.equal(less, torch.from_numpy(one_hot({"shape": "oval"})))


def test_what_is_told_moves_until_lesions_are_drawn_so(monkeypatch):
    """A generator that draws half of what it is told needs twice as much."""
    pipeline, slots = tiny.make_pipeline(), dict(SLOTS)
    starts = dict(zip(slots, slot_bounds(), strict=True))
    echo = starts["echo_pattern"][0] + slots["echo_pattern"].index("anechoic")
    below = starts["posterior"][0] + slots["posterior"].index("shadowing")
    means, known = pipeline.ranges.means, pipeline.ranges.known
    known[echo, 0], means[echo, 0] = 1.0, -1.5
    known[below, 1], means[below, 1] = 1.0, -1.0
    pipeline.ranges.centres[3, 1], pipeline.ranges.widths[3, 1] = 0.7, 2.0
    monkeypatch.setattr(fitting, "_draw_lesions", lambda *_: [(None, None, 3)])
    tell = {"contrast": lambda: -20 + 10 * float(means[echo, 0])}
    monkeypatch.setattr(fitting, "measure_image", lambda *_: {k: v() for k, v in tell.items()})
    monkeypatch.setattr(
        fitting.levels, "measure", lambda *_: np.array([0, 0.7 + float(means[below, 1]), 0])
    )
    fitting.calibrate(pipeline, rounds=6, drawn=2)
    assert tell["contrast"]() == pytest.approx(fitting.CONTRASTS["anechoic"], abs=0.1)
    assert float(means[below, 1]) == pytest.approx(-2, abs=0.05)
    assert not means[:, 2].any()


def test_lesions_are_drawn_of_findings_that_hold_the_term():
    lesions = fitting._draw_lesions(tiny.make_pipeline(), "posterior", "shadowing", 2)
    assert len(lesions) == 2
    assert all(image.shape == mask.shape and mask.any() for image, mask, _ in lesions)
    assert all(0 <= style < NO_STYLE for *_, style in lesions)
