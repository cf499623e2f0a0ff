"""Overlays planted into images: what a finder of overlays is tuned and measured on.

In: a grey image without overlays and a generator. Out: the image with text, calipers, a ruler,
a body mark, a logo burned in, and which pixels each of them strokes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from busgen.arrays import Bools, Floats32, Pixels
from busgen.errors import UserError
from busgen.imaging.overlays import planted_shapes as shapes

KINDS = ("text", "caliper", "ruler", "body_mark", "logo")
FOUND = 0.5  # share of an overlay's strokes that must be ignored for it to be found


@dataclass(frozen=True)
class Overlay:
    """One planted overlay: its kind and the pixels (H, W) bool covered half or more."""

    kind: str
    strokes: Bools


@dataclass(frozen=True)
class _Example:
    """An image (H, W) uint8 with overlays; `touched` (H, W) bool is every pixel they changed."""

    image: Pixels
    overlays: tuple[Overlay, ...]
    touched: Bools


@dataclass(frozen=True)
class Recall:
    """How many planted overlays of a kind were found, and what share of their strokes."""

    n_found: int
    planted: int
    pixels: float


def plant_overlays(
    image: Pixels, rng: np.random.Generator, kinds: Sequence[str] = KINDS
) -> _Example:
    """Burn one overlay of each kind into a copy of an image.

    `image`: (H, W) uint8, at least 96 pixels a side; `rng`: draws words, fonts (capitals of 7 to 20
    px), grey (150 to 255), places, outlines, blur; `kinds`: of `KINDS`, in the order of planting;
    one may stand several times. Raises `UserError` if the image is too small or a kind unknown.
    """
    if min(image.shape) < 96:
        raise UserError("an image to plant into must have 96 px a side", image.shape, "enlarge it")
    result, touched = image, np.zeros(image.shape, np.bool_)
    overlays = []
    for kind in kinds:
        cover = coverage(kind, image.shape, rng)
        before = result
        result = _burn(result, cover, rng)
        touched |= result != before
        overlays.append(Overlay(kind, cover >= 0.5 * max(float(cover.max()), 0.5)))
    return _Example(result, tuple(overlays), touched)


def coverage(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Floats32:
    """Return how much (H, W) in [0, 1] of each pixel an overlay of this kind covers."""
    if kind not in KINDS:
        raise UserError(f"kind must be one of {', '.join(KINDS)}", kind, "choose one of them")
    height, width = shape[0], shape[1]
    if kind == "caliper":
        return shapes.draw_calipers((height, width), rng)
    canvas = np.zeros((height, width), np.float32)
    if kind == "ruler":
        _scale_at_edge(canvas, rng)
    elif kind == "text":
        _lines_of_text(canvas, rng)
    else:
        if kind == "logo":
            brand = shapes.BRANDS[int(rng.integers(len(shapes.BRANDS)))]
            tile = shapes.draw_text(brand, int(rng.integers(8, 18)), rng)
        else:
            draw = shapes.draw_body_mark if rng.random() < 0.7 else shapes.draw_arrow
            tile = draw(rng)
        # near one of the four corners; at times cut by the edge, as by a crop
        row, col = (int(rng.integers(-4, 12)) for _ in range(2))
        row = row if rng.random() < 0.5 else height - tile.shape[0] - row
        _write(canvas, tile, row, col if rng.random() < 0.5 else width - tile.shape[1] - col)
    return canvas


def _burn(image: Pixels, cover: Floats32, rng: np.random.Generator) -> Pixels:
    """Return the image with a cover of one grey level burned in; some outlined, some blurred."""
    strokes = cover >= 0.5
    lit = float(image[strokes].mean()) if strokes.any() else 0.0
    level = 255.0 if rng.random() < 0.5 else rng.uniform(min(max(150.0, lit + 60), 250), 255)
    base = image.astype(np.float32)
    manner = rng.random()
    if manner < 0.25:
        around = cv2.dilate(cover, np.ones((3, 3), np.uint8))
        base *= 1 - around
    elif manner < 0.35:
        cover = cv2.GaussianBlur(cover, (3, 3), rng.uniform(0.3, 0.6))
    return np.rint(base * (1 - cover) + level * cover).astype(np.uint8)


def recall(overlays: Sequence[Overlay], ignore: Bools) -> dict[str, Recall]:
    """Return, by kind, how many overlays have `FOUND` or more of their strokes ignored."""
    record = {}
    for kind in dict.fromkeys(overlay.kind for overlay in overlays):
        strokes = [overlay.strokes for overlay in overlays if overlay.kind == kind]
        hits, sizes = [int((s & ignore).sum()) for s in strokes], [int(s.sum()) for s in strokes]
        found = sum(hit >= FOUND * size for hit, size in zip(hits, sizes, strict=True))
        record[kind] = Recall(found, len(strokes), sum(hits) / max(sum(sizes), 1))
    return record


def _lines_of_text(canvas: Floats32, rng: np.random.Generator) -> None:
    """Write one or two lines anywhere in the image."""
    height = int(rng.integers(7, 21 if min(canvas.shape) > 400 else 14))
    row = int(rng.integers(2, max(3, canvas.shape[0] - 3 * height - 8)))
    for _ in range(int(rng.integers(1, 3))):
        words = shapes.WORDS[int(rng.integers(len(shapes.WORDS)))]
        tile = shapes.draw_text(words, height, rng)
        _write(canvas, tile, row, int(rng.integers(0, max(1, canvas.shape[1] - tile.shape[1]))))
        row += tile.shape[0] + int(rng.integers(2, height))


def _scale_at_edge(canvas: Floats32, rng: np.random.Generator) -> None:
    """Put a ruler at the left, right, top or bottom edge."""
    turns = int(rng.choice((0, 0, 2, 2, 1, 3)))
    length = canvas.shape[1 if turns % 2 else 0] - 2
    tile = np.ascontiguousarray(np.rot90(shapes.draw_ruler(length, rng), turns))
    inset = int(rng.integers(0, 6))
    far = np.array(canvas.shape) - tile.shape - inset
    row = {1: int(far[0]), 3: inset}.get(turns, 0)
    _write(canvas, tile, row, {0: inset, 2: int(far[1])}.get(turns, 0))


def _write(canvas: Floats32, tile: Floats32, row: int, col: int) -> None:
    """Lay a tile on the canvas at (row, col); what reaches over its edges is cut."""
    top, left = max(row, 0), max(col, 0)
    part = canvas[top : row + tile.shape[0], left : col + tile.shape[1]]
    start = (top - row, left - col)
    tile = tile[start[0] : start[0] + part.shape[0], start[1] : start[1] + part.shape[1]]
    np.maximum(part, tile, out=part)
