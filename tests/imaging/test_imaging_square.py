"""Square crops: never stretched, the lesion always inside, padding only where it must be."""

import numpy as np
import pytest

from busgen.errors import UserError
from busgen.imaging.decode import bounding_box
from busgen.imaging.square import find_field, has_black_border, is_sector, square_crop


def scene(height, width, lesion):
    """Return a grey image and a mask whose box is (row, col, height, width)."""
    image = np.full((height, width), 90, np.uint8)
    mask = np.zeros_like(image)
    row, col, tall, wide = lesion
    mask[row : row + tall, col : col + wide] = 255
    return image, mask


def test_a_square_image_is_only_scaled():
    image, mask = scene(512, 512, (100, 200, 80, 120))
    square = square_crop(image, mask)
    assert square.scale == 2.0
    assert square.padded == 0.0
    box = bounding_box(square.mask)
    assert (box.row, box.col, box.height, box.width) == (50, 100, 40, 60)
    assert set(np.unique(square.mask)) == {0, 1}


@pytest.mark.parametrize("col", [0, 10, 300, 739])
def test_a_wide_image_is_cut_about_the_lesion_and_keeps_its_shape(col):
    image, mask = scene(400, 800, (150, col, 100, 60))
    square = square_crop(image, mask, size_px=400)
    assert square.scale == 1.0
    assert square.padded == 0.0
    box = bounding_box(square.mask)
    assert (box.row, box.height, box.width) == (150, 100, 60)  # not stretched, depth kept


def test_a_tall_image_starts_at_the_skin_if_the_lesion_lets_it():
    image, mask = scene(900, 300, (100, 100, 50, 50))
    assert bounding_box(square_crop(image, mask, size_px=300).mask).row == 100
    image, mask = scene(900, 300, (700, 100, 50, 50))
    box = bounding_box(square_crop(image, mask, size_px=300).mask)
    assert (box.height, box.row + box.height) == (50, 300 - 8)  # its surroundings are 8 px


def test_a_lesion_wider_than_the_field_is_high_is_padded_below():
    image, mask = scene(200, 500, (50, 50, 100, 400))
    square = square_crop(image, mask, size_px=500)
    assert square.padded == pytest.approx(0.6)
    assert square.image[:200].min() == 90
    assert square.image[200:].max() == 0
    assert square.mask.sum() == mask.sum() / 255


def test_black_borders_are_left_outside():
    image, mask = scene(600, 800, (200, 300, 60, 60))
    image[:, :150] = image[:, 700:] = image[:40] = 0
    square = square_crop(image, mask, size_px=256)
    assert square.image.min() == 90
    assert square.padded == 0.0


def test_a_image_without_lesion_or_light():
    image, mask = scene(300, 300, (0, 0, 0, 0))
    assert not square_crop(image, mask).mask.any()
    assert not find_field(np.zeros((50, 50), np.uint8)).any()
    assert not square_crop(np.zeros_like(image), mask).image.any()


def test_field_ignores_rulers_and_fills_cysts():
    image = np.zeros((300, 400), np.uint8)
    image[20:280, 50:300] = 80
    image[100:180, 120:200] = 0  # a cyst
    image[:, 397:] = 255  # a ruler
    field = find_field(image)
    assert field[20:280, 50:300].all()
    assert field.sum() == 260 * 250


def test_sector_is_told_from_a_shadow():
    rows, cols = np.mgrid[:300, :400]
    fan = (np.abs(cols - 200) < 120 + rows * 0.25).astype(np.uint8) * 80
    assert is_sector(find_field(fan))
    shadow = np.full((300, 400), 80, np.uint8)
    shadow[100:, :120] = 0
    assert not is_sector(find_field(shadow))


@pytest.mark.parametrize("side", [np.s_[:, :60], np.s_[:, 740:], np.s_[:60], np.s_[540:]])
def test_a_black_border_is_found_on_every_side(side):
    image, _ = scene(600, 800, (200, 300, 60, 60))
    assert not has_black_border(image, find_field(image))
    image[side] = 2
    assert has_black_border(image, find_field(image))


def test_echoes_that_fade_with_depth_are_no_border():
    image, _ = scene(600, 800, (200, 300, 60, 60))
    image[400:] = np.random.default_rng(1).integers(0, 4, (200, 800))
    assert not has_black_border(image, find_field(image))
    assert has_black_border(np.zeros_like(image), find_field(np.zeros_like(image)))


def test_a_field_that_is_known_need_not_be_found():
    image, mask = scene(600, 800, (200, 300, 60, 60))
    known = square_crop(image, mask, field=find_field(image))
    assert np.array_equal(known.image, square_crop(image, mask).image)


def test_sizes_must_agree():
    with pytest.raises(UserError, match="one size"):
        square_crop(np.zeros((20, 20), np.uint8), np.zeros((20, 21), np.uint8))
