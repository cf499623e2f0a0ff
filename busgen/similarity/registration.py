"""Near-duplicates: pairs of images that show the same scan, mirrored, cropped or drawn upon too.

In: grey images as published, then their signatures: short byte strings, and the texture that they
stand for, what is left when brightness, gain and depth compensation are taken out. Out: links.
Three steps, each on what the one before left: low frequencies of whole images against those of a
bank of windows of every image (one matrix product), the same with more frequencies and finer
windows, and an affine registration whose correlation decides. Whether two images are linked depends
on these two alone, so that links stay when data is added.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Bools, Floats32, Indices, Pixels
from busgen.errors import DataError
from busgen.imaging.decode import Box, bounding_box
from busgen.imaging.square import find_field

SIDE = 96
WIDTH = 6.0  # standard deviation, in pixels of the thumbnail, of what counts as local
FAINT = 4.0  # grey levels of local contrast below which texture counts less
LIMIT = 3.0  # local standard deviations at which texture is cut: letters and calipers are bright


COARSE, FINE, SAME = 0.69, 0.72, 0.62  # least correlation that each of the three steps lets pass
BLURS = (9, 3)  # of the registration, in pixels: a wide basin first, then what decides
AREA = (0.35, 1.3)  # share of an image that the other may cover
VALUES_AT_ONCE = 16_000_000


class Link(NamedTuple):
    """Two images, by position, `first` before `second`; `similarity` is their correlation."""

    first: int
    second: int
    similarity: float


def make_thumbnail(image: Pixels) -> bytes:
    """Return the thumbnail of the image's ultrasound field: SIDE x SIDE grey bytes.

    The field's box is stretched to a square, so borders of any width leave the same signature.
    """
    box = bounding_box(find_field(image).astype(np.uint8)) or Box(0, 0, *image.shape)
    field = image[box.row : box.row + box.height, box.col : box.col + box.width]
    return np.asarray(cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_AREA)).tobytes()


def describe_texture(signature: bytes) -> Pixels:
    """Return local contrast (SIDE, SIDE) uint8: 128 is the local mean, 40 one local deviation.

    Raises `DataError` if the signature has another length: another version wrote it.
    """
    if len(signature) != SIDE * SIDE:
        got = f"{len(signature)} bytes"
        raise DataError(f"a signature must have {SIDE * SIDE} bytes", got, "run `busgen real` anew")
    grey = np.frombuffer(signature, np.uint8).reshape(SIDE, SIDE).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), WIDTH)
    local = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), WIDTH))
    clipped = np.clip(detail / (local + FAINT), -LIMIT, LIMIT)
    return np.asarray(np.rint(128 + 40 * clipped), np.uint8)


class _Guess(NamedTuple):
    """The image `part`, mirrored if so, looks like a window of `whole` (start and length)."""

    score: float
    whole: int
    part: int
    mirrored: bool
    rows: tuple[float, float]
    cols: tuple[float, float]


@dataclass(frozen=True)
class _Bank:
    """Cosine transforms of all windows of an image.

    `spans` starts and lengths of windows along one axis, as shares of the side; `basis`
    (len(spans) * order, SIDE); `kept` (order, order) which frequencies describe; `signs` of the
    described frequencies in the mirror.
    """

    spans: tuple[tuple[float, float], ...]
    order: int
    basis: Floats32
    kept: Bools
    signs: Floats32

    def describe(self, image: Pixels) -> Floats32:
        """Return unit descriptions (len(spans) ** 2, d), rows outermost; the whole comes first."""
        found = self.basis @ (image.astype(np.float32) - 128) @ self.basis.T
        n, k = len(self.spans), self.order
        return _normalise(found.reshape(n, k, n, k).transpose(0, 2, 1, 3)[:, :, self.kept])


def find_duplicates(signatures: Sequence[bytes]) -> list[Link]:
    """Return all pairs of images that show the same scan, in order of position.

    An image may be the mirror image of the other, a window of at least .7 of its sides,
    stretched, compressed, brighter, under other borders and overlays.

    `signatures`: as `make_thumbnail` makes them. Raises `DataError` if
    a signature is of another version.
    """
    images = [describe_texture(one) for one in signatures]
    guesses: dict[tuple[int, int], _Guess] = {}
    for guess in _guesses(images):
        key = (min(guess.whole, guess.part), max(guess.whole, guess.part))
        guesses[key] = max(guess, guesses.get(key, guess))
    keys = sorted(guesses)
    with ThreadPoolExecutor() as pool:  # OpenCV releases the lock
        scores = pool.map(lambda key: _register(images, guesses[key]), keys)
    return [Link(*key, score) for key, score in zip(keys, scores, strict=True) if score >= SAME]


def _bank(order: int, lengths: Sequence[float], step: float) -> _Bank:
    """Return the bank of windows of these lengths, at most `step` of the side apart."""
    place = (np.arange(SIDE) + 0.5) / SIDE
    spans, parts = [], []
    for length in lengths:
        count = int(np.ceil((1 - length) / step - 1e-9)) + 1
        for start in np.linspace(0.0, 1.0 - length, count):
            inside = (place - start) / length
            waves = np.cos(np.pi * np.arange(order)[:, None] * inside)
            waves *= (inside > 0) & (inside < 1)
            parts.append(waves / np.linalg.norm(waves, axis=1, keepdims=True))
            spans.append((float(start), float(length)))
    radius = np.hypot(*np.indices((order, order)))
    kept = (radius >= 2) & (radius < order)
    signs = np.broadcast_to((-1.0) ** np.arange(order), (order, order))[kept]
    basis = np.concatenate(parts).astype(np.float32)
    return _Bank(tuple(spans), order, basis, kept, signs.astype(np.float32))


ROUGH = _bank(7, (1.0, 0.89, 0.79, 0.7), 0.075)
EXACT = _bank(9, (1.0, 0.92, 0.85, 0.78, 0.7), 0.05)


def _guesses(images: Sequence[Pixels]) -> Iterator[_Guess]:
    """Yield the pairs that two steps of matrix products let pass, with the window of the match."""
    rough = _wholes(ROUGH, images)
    exact = _wholes(EXACT, images)
    for whole, parts in _rough_pairs(images, rough):
        score = EXACT.describe(images[whole]) @ exact[parts].T
        window = score.argmax(axis=0)
        for part, best, at in zip(parts, score.max(axis=0), window, strict=True):
            if best >= FINE:
                rows, cols = divmod(int(at), len(EXACT.spans))
                index, mirrored = divmod(int(part), 2)
                spans = EXACT.spans[rows], EXACT.spans[cols]
                yield _Guess(float(best), whole, index, bool(mirrored), *spans)


def _wholes(bank: _Bank, images: Sequence[Pixels]) -> Floats32:
    """Return unit descriptions (2 n, d): every image and, after it, its mirror image."""
    found = [np.zeros((0, int(bank.kept.sum())), np.float32)]
    first = bank.basis[: bank.order]
    for image in images:
        plain = _normalise((first @ (image.astype(np.float32) - 128) @ first.T)[bank.kept])
        found += [plain, plain * bank.signs]
    return np.concatenate(found)


def _rough_pairs(images: Sequence[Pixels], wholes: Floats32) -> Iterator[tuple[int, Indices]]:
    """Yield each image with the rows of `wholes` that look like one of its windows."""
    windows = len(ROUGH.spans) ** 2
    count = max(1, VALUES_AT_ONCE // (windows * max(1, len(wholes))))
    for start in range(0, len(images), count):
        group = images[start : start + count]
        bank = np.concatenate([ROUGH.describe(image) for image in group])
        best = (bank @ wholes.T).reshape(len(group), windows, -1).max(axis=1)
        for whole, scores in enumerate(best, start):
            scores[2 * whole : 2 * whole + 2] = 0.0
            yield whole, np.flatnonzero(scores >= COARSE)


def _register(images: Sequence[Pixels], guess: _Guess) -> float:
    """Return the correlation of the registered images, 0 where they cannot be.

    Enhanced correlation coefficient, affine (Evangelidis and Psarakis 2008,
    doi:10.1109/TPAMI.2008.113).
    """
    part = images[guess.part]
    part = np.ascontiguousarray(part[:, ::-1]) if guess.mirrored else part
    lines = [
        (length, (start + length / 2) * SIDE - 0.5 - length * (SIDE - 1) / 2)
        for start, length in (guess.cols, guess.rows)
    ]
    (wide, left), (tall, top) = lines
    warp = np.array([[wide, 0, left], [0, tall, top]], np.float32)
    score = 0.0
    for blur in BLURS:
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
        try:
            score, found = cv2.findTransformECC(
                part, images[guess.whole], warp, cv2.MOTION_AFFINE, stop, None, blur
            )
        except cv2.error:  # did not converge
            return 0.0
        warp = np.asarray(found, np.float32)
    covered = abs(float(np.linalg.det(warp[:, :2])))
    return float(score) if AREA[0] <= covered <= AREA[1] else 0.0


def _normalise(rows: NDArray[np.floating]) -> Floats32:
    """Return (..., d) as rows (m, d) of length 1; what has none stays 0."""
    flat = rows.reshape(-1, rows.shape[-1])
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(length, 1e-6), np.float32)
