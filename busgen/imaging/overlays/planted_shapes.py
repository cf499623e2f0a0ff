"""Shapes of overlays as scanners burn them in, drawn as coverage on small tiles.

In: a generator. Out: tiles (h, w) float32 in [0, 1] of text, calipers, rulers, body marks, logos.
Fonts are DejaVu's (with matplotlib) and OpenCV's Hershey. No published image is copied.
"""

from functools import cache
from typing import Literal

import cv2
import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from busgen.arrays import Floats, Floats32, Pixels

Point = tuple[int, int]
Style = Literal["normal", "oblique"]

WORDS = (
    *("LEFT BREAST", "RT AXILLA", "LT LOQ", "RT 12 C", "LT 3-4", "MAMA DIR. QSE", "RETROAREOLAR"),
    *("D1 17.5 mm", "1 L 2.31 cm", "L12-5/50", "MI 0.9", "TIS 0.4", "Gen", "60/100", "FR 31Hz"),
    *("9H", "RAD", "ARAD", "SATELLITE", "B", "Z 1.2", "2D 71%", "P Med", "Breast", "4.2cm"),
)
BRANDS = ("LOGIQ", "E9", "GE", "Q", "PHILIPS", "SIEMENS", "TOSHIBA", "V", "esaote", "SuperSonic")
FAMILIES = ("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "DejaVu Sans Display")
SCALE = 4  # strokes are drawn this much larger, then reduced: anti-aliased as in a resized image


@cache
def _font(family: str, weight: str, style: Style, pixels: int) -> ImageFont.FreeTypeFont:
    properties = font_manager.FontProperties(family=family, weight=weight, style=style)
    return ImageFont.truetype(font_manager.findfont(properties), pixels)


def draw_text(words: str, height: int, rng: np.random.Generator) -> Floats32:
    """Return words whose capitals are some `height` px tall, in a drawn font, smooth or not."""
    if rng.random() < 0.3:
        return _hershey(words, height, rng)
    family = FAMILIES[int(rng.integers(len(FAMILIES) - 1))]
    weight = "bold" if rng.random() < 0.5 else "normal"
    style: Style = "oblique" if rng.random() < 0.1 else "normal"
    scale = 1 if rng.random() < 0.4 else SCALE
    font = _font(family, weight, style, round(height / 0.73 * scale))  # capitals are .73 em
    left, top, right, bottom = font.getbbox(words)
    size = (int(right - left) + 2 * scale, int(bottom - top) + 2 * scale)
    canvas = Image.new("1" if scale == 1 and rng.random() < 0.5 else "L", size)
    white = 1 if canvas.mode == "1" else 255
    ImageDraw.Draw(canvas).text((scale - left, scale - top), words, fill=white, font=font)
    return _resize(np.asarray(canvas.convert("L")), scale)


def _hershey(words: str, height: int, rng: np.random.Generator) -> Floats32:
    """Return words in a stroke font, as early scanners write."""
    face = cv2.FONT_HERSHEY_SIMPLEX if rng.random() < 0.7 else cv2.FONT_HERSHEY_PLAIN
    thick = 1 if height < 12 else int(rng.integers(1, 3))
    line = cv2.LINE_AA if rng.random() < 0.5 else cv2.LINE_8
    scale = cv2.getFontScaleFromHeight(face, height, thick)
    (width, _), below = cv2.getTextSize(words, face, scale, thick)
    canvas = np.zeros((height + below + 4, width + 4), np.uint8)
    cv2.putText(canvas, words, (2, height + 2), face, scale, 255, thick, line)
    return _resize(canvas, 1)


def _resize(canvas: Pixels, scale: int) -> Floats32:
    """Return a canvas (h, w) of 0..255 as coverage, `scale` times smaller."""
    size = (-(-canvas.shape[1] // scale), -(-canvas.shape[0] // scale))
    small = canvas if scale == 1 else cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.float32(255)


def draw_body_mark(rng: np.random.Generator) -> Floats32:
    """Return the outline of a breast with a nipple and the probe's bar."""
    radius, thick = int(rng.integers(10, 30)), int(rng.integers(1, 3))
    side, scale = 2 * radius + 8, SCALE if rng.random() < 0.6 else 1
    canvas = np.zeros((side * scale, side * scale), np.uint8)
    centre, stroke = (side * scale // 2, side * scale // 2), thick * scale
    start = 0 if rng.random() < 0.6 else 180
    cv2.ellipse(canvas, centre, (radius * scale, radius * scale), 0, start, 360, 255, stroke)
    cv2.circle(canvas, centre, max(2, radius // 6) * scale, 255, stroke)
    turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.8) * radius * scale
    middle = np.array(centre) + away * np.array([np.cos(turn), np.sin(turn)])
    across = 0.35 * radius * scale * np.array([-np.sin(turn), np.cos(turn)])
    cv2.line(canvas, _point(middle - across), _point(middle + across), 255, 2 * stroke)
    return _resize(canvas, scale)


def draw_arrow(rng: np.random.Generator) -> Floats32:
    """Return a hollow arrow, as put beside a finding; in one of four directions."""
    height, scale = int(rng.integers(12, 26)), SCALE if rng.random() < 0.6 else 1
    half, neck = height * 0.35, height * 0.15
    corners = [(0.0, 0.0), (half, half), (neck, half), (neck, height), (-neck, height)]
    corners += [(-neck, half), (-half, half)]
    shifted = [(x + height / 2 + 2, y + 2) for x, y in corners]
    outline = np.rint(np.array(shifted) * scale).astype(np.int32)
    canvas = np.zeros(((height + 5) * scale, (height + 5) * scale), np.uint8)
    cv2.polylines(canvas, [outline], isClosed=True, color=255, thickness=scale)
    return np.ascontiguousarray(np.rot90(_resize(canvas, scale), int(rng.integers(4))))


def draw_ruler(length: int, rng: np.random.Generator) -> Floats32:
    """Return a vertical scale `length` px long: ticks or dots, numbers at the long ones."""
    step, every = int(rng.integers(6, 22)), int(rng.choice((1, 2, 5, 10)))
    short, thick = int(rng.integers(2, 6)), int(rng.integers(1, 3))
    canvas, numbered = np.zeros((length, 34), np.float32), rng.random() < 0.5
    height = int(rng.integers(7, 12))
    for count, row in enumerate(range(int(rng.integers(3, 9)), length - height - 2, step)):
        long = count % every == 0
        canvas[row : row + thick, : short * 2 if long and every > 1 else short] = 1
        if long and numbered:
            tile = draw_text(str(count // every + 1), height, rng)[: length - row, :18]
            canvas[row : row + tile.shape[0], 14 : 14 + tile.shape[1]] = tile
    return canvas[:, : int(np.flatnonzero(canvas.any(axis=0))[-1]) + 2]


def draw_calipers(shape: tuple[int, int], rng: np.random.Generator) -> Floats32:
    """Return one or two pairs of crosses over a lesion, on a tile of the image's shape."""
    height, width = shape
    canvas = np.zeros((height, width), np.float32)
    middle = rng.uniform(0.3, 0.7, 2) * (width, height)
    half, turn = rng.uniform(0.06, 0.25) * min(shape), rng.uniform(-0.4, 0.4)
    arm, thick = int(rng.integers(3, 8)), 1 if rng.random() < 0.7 else 2
    oblique, dotted = rng.random() < 0.3, rng.random() < 0.5
    for pair in range(int(rng.integers(1, 3))):
        along = half * np.array([np.cos(turn), np.sin(turn)]) * (1 - 0.3 * pair)
        ends = [_point(middle - along), _point(middle + along)]
        for col, row in ends:  # a + or an x
            for right, down in [(arm, arm), (arm, -arm)] if oblique else [(arm, 0), (0, arm)]:
                start, stop = (col - right, row - down), (col + right, row + down)
                cv2.line(canvas, start, stop, 1.0, thick)
        if dotted:
            _dots(canvas, ends[0], ends[1], int(rng.integers(3, 7)))
        if rng.random() < 0.6:
            _stamp(canvas, draw_text(str(pair + 1), int(rng.integers(7, 11)), rng), ends[0], arm)
        turn += np.pi / 2
    return canvas


def _dots(canvas: Floats32, start: Point, end: Point, step: int) -> None:
    """Draw dots of one pixel every `step` px between two points."""
    count = max(2, int(np.hypot(end[0] - start[0], end[1] - start[1]) / step))
    for part in np.linspace(0, 1, count)[1:-1]:
        col, row = _point(np.array(start) * (1 - part) + np.array(end) * part)
        if 0 <= row < canvas.shape[0] and 0 <= col < canvas.shape[1]:
            canvas[row, col] = 1


def _stamp(canvas: Floats32, tile: Floats32, reference: Point, gap: int) -> None:
    """Put a tile left above a point, where it fits."""
    row, col = reference[1] - gap - tile.shape[0], reference[0] - gap - tile.shape[1]
    if row < 0 or col < 0:
        return
    part = canvas[row : row + tile.shape[0], col : col + tile.shape[1]]
    np.maximum(part, tile[: part.shape[0], : part.shape[1]], out=part)


def _point(place: Floats) -> Point:
    """Return a place (x, y) as whole pixels."""
    return round(float(place[0])), round(float(place[1]))
