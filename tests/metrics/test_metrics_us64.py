"""`us64`: what ships, what it is blind to, and a training small enough for tests."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_judges import ellipses

from busgen.errors import DataError, UserError
from busgen.io import sha256_file
from busgen.metrics.spaces.us64.features import SHIPPED, WEIGHTS, Spec, load_model
from busgen.metrics.spaces.us64.training import (
    WAYS,
    Examples,
    Recipe,
    compute_loss,
    make_examples,
    principal_axes,
    train,
)
from busgen.seeds import rng

TINY = Spec(size_px=32, widths=(4, 8), features=12, dimensions=5)
QUICK = Recipe(steps=4, batch=8, half_precision=False)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return the folder of a tiny space."""
    folder = tmp_path_factory.mktemp("us64 é")
    train(ellipses(24), folder, 3, TINY, QUICK)
    return folder


def test_training_again_gives_the_same_bytes(tiny, tmp_path):
    before = torch.get_rng_state()
    train(ellipses(24), tmp_path / "again", 3, TINY, QUICK)
    train(ellipses(24), tmp_path / "other", 4, TINY, QUICK)
    assert torch.equal(torch.get_rng_state(), before)
    result = [sha256_file(folder / WEIGHTS) for folder in (tiny, tmp_path / "again")]
    assert result[0] == result[1] != sha256_file(tmp_path / "other" / WEIGHTS)


def test_coordinates_depend_on_the_image_alone(tiny):
    space, images = load_model(tiny), ellipses(40, seed=1).images
    together = space.embed(images)
    assert together.shape == (40, 5)
    alone = np.concatenate([space.embed(one[None]) for one in images])
    assert alone == pytest.approx(together, abs=1e-4)
    assert space.embed(images[:, :, ::-1]) == pytest.approx(together, abs=1e-4)
    assert space.embed(images[:0]).shape == (0, 5)


def test_training_images_lie_around_the_origin(tiny):
    points = load_model(tiny).embed(ellipses(24).images)
    assert points.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-3)
    assert 0.9 < points[:, 0].std() < 1.1


def test_axes_whiten_but_do_not_blow_up_noise():
    points = rng(0, "basis").normal(size=(4000, 3)) * [10, 3, 0.01]
    centre, axes = principal_axes(points, 3)
    spread = ((points - centre) @ axes).std(axis=0)
    assert spread == pytest.approx([0.99, 0.90, 0.007], abs=0.03)
    assert np.cov(((points - centre) @ axes).T)[0, 1] == pytest.approx(0, abs=1e-6)


def test_what_ships_is_small_and_described():
    space = load_model()
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 1.5e6
    assert sha256_file(SHIPPED / WEIGHTS) in (SHIPPED / "README.md").read_text()
    points = space.embed(ellipses(4, side=300).images)
    assert points.shape == (4, 64)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_spoilt_images_differ_and_stay_images(way):
    image = ellipses(1).images[0]
    spoilt = way(image, rng(0, "spoil"))
    assert spoilt.shape == image.shape
    assert spoilt.dtype == np.uint8
    assert 0.2 < np.abs(spoilt.astype(float) - image).mean() < 30
    assert np.array_equal(spoilt, way(image, rng(0, "spoil")))


def test_what_is_not_known_costs_nothing():
    lesson = Examples(np.array([-100, 1]), np.array([0, 0]), np.float32([[np.nan, 1], [0, 2]]))
    answers = {
        "label": torch.zeros(2, 3),
        "scanner": torch.zeros(2, 1),
        "statistics": torch.zeros(2, 2),
        "spoilt": torch.zeros(2, 9),
    }
    chosen, ways = np.array([0, 1]), np.array([0, 4])
    result = compute_loss(answers, lesson, chosen, ways)
    # one class of three, one statistic off by 1 in smooth L1, nine ways
    assert float(result) == pytest.approx(np.log(3) + 4 * 0.5 + 2 * np.log(9), rel=1e-5)
    changed = answers | {"statistics": torch.tensor([[7.0, 0], [7, 7]])}
    assert compute_loss(changed, lesson, chosen, ways) == result


def test_a_lesson_leaves_unknown_labels_and_statistics_open():
    crops = replace(ellipses(12), labels=np.array(["benign", "", "normal"] * 4))
    lesson = make_examples(crops)
    assert lesson.labels[:3].tolist() == [0, -100, 2]
    assert np.isnan(lesson.statistics[5]).any()  # no lesson of geometry without a lesion
    assert np.nanmax(np.abs(lesson.statistics)) <= 4


def test_broken_spaces_and_images_are_refused(tiny, tmp_path):
    with pytest.raises(UserError, match="more crops"):
        train(ellipses(5), tmp_path / "few", 0, TINY, QUICK)
    with pytest.raises(UserError, match="S at least 32"):
        load_model(tiny).embed(np.zeros((2, 40, 30), np.uint8))
    broken = tmp_path / "broken"
    broken.mkdir()
    record = json.loads((tiny / "us64.json").read_text())
    (broken / "us64.json").write_text(json.dumps(record | {"features": 9}))
    (broken / WEIGHTS).write_bytes((tiny / WEIGHTS).read_bytes())
    with pytest.raises(DataError, match="whole feature space"):
        load_model(broken)
