"""Near-duplicates: planted copies are found, other images are not."""

import cv2
import numpy as np
import pytest

from busgen.errors import DataError
from busgen.similarity.registration import describe_texture, find_duplicates, make_thumbnail


def scan(seed: int, shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Return layered speckle: an image of its own for each seed."""
    rng = np.random.default_rng(seed)
    fine = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 2)
    coarse = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 14)
    layers = np.sin(np.linspace(0, 12, shape[0]))[:, None]
    generated = 100 + 25 * fine / fine.std() + 25 * coarse / coarse.std() + 20 * layers
    return np.clip(generated, 6, 255).astype(np.uint8)


def mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def cropped(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image[40:215, 25:270], None, fx=1.3, fy=1.3)


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(255 * (image / 255.0) ** 0.75 * 1.1, 6, 255).astype(np.uint8)


def compressed(image: np.ndarray) -> np.ndarray:
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)


def measured(image: np.ndarray) -> np.ndarray:
    drawn = image.copy()
    for place in ((120, 90), (200, 90), (160, 60), (160, 120)):
        cv2.drawMarker(drawn, place, 255, cv2.MARKER_CROSS, 12, 1)
    cv2.putText(drawn, "L BREAST 10H", (8, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    return drawn


def bordered(image: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(image, 30, 60, 80, 10, cv2.BORDER_CONSTANT, value=0)


def all_of_it(image: np.ndarray) -> np.ndarray:
    return bordered(compressed(measured(brighter(mirrored(cropped(image))))))


COPIES = [mirrored, cropped, brighter, compressed, measured, bordered, all_of_it]


@pytest.mark.parametrize("copy", COPIES)
def test_a_planted_copy_is_linked_and_nothing_else(copy):
    images = [scan(seed) for seed in range(6)] + [copy(scan(3))]
    (link,) = find_duplicates([make_thumbnail(image) for image in images])
    assert (link.first, link.second) == (3, 6)


def test_a_link_depends_on_its_two_images_alone():
    few = [scan(1), all_of_it(scan(1))]
    many = [scan(seed) for seed in range(20, 40)]
    (alone,) = find_duplicates([make_thumbnail(image) for image in few])
    (among,) = find_duplicates([make_thumbnail(image) for image in [*many[:7], *few, *many[7:]]])
    assert (among.first, among.second) == (7, 8)
    assert among.similarity == pytest.approx(alone.similarity, abs=1e-6)


def test_images_without_texture_are_no_copies_of_each_other():
    flat = [np.full((50, 60), grey, np.uint8) for grey in (0, 0, 90, 90)]
    assert find_duplicates([make_thumbnail(image) for image in flat]) == []
    assert find_duplicates([]) == []


def test_equal_pixels_are_linked_whatever_they_show():
    tiny = np.tile(np.arange(50, 130, dtype=np.uint8), (60, 1))
    (link,) = find_duplicates([make_thumbnail(tiny), make_thumbnail(tiny)])
    assert link.similarity == pytest.approx(1.0, abs=1e-3)


def test_a_signature_of_another_version_is_an_error():
    with pytest.raises(DataError, match="9216 bytes, got 2304 bytes"):
        describe_texture(bytes(48 * 48))
