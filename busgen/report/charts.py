"""Line charts as plain numbers: paths and ticks that the page's template draws as SVG.

In: values in their own units. Out: `Chart`s in pixels of a box of `WIDTH` x `HEIGHT`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from busgen.report import words
from busgen.report.fit_parts import Size
from busgen.report.marginals import LESIONS, LEVELS, Spread
from busgen.report.realism import Group

WIDTH, HEIGHT = 336, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 42
AXES = {
    "box_area_fraction": "Share of the frame that its box covers, %",
    "aspect": "Below 1 is taller than wide",
    "center_x": "From the left edge, 0, to the right, 1",
    "center_y": "From the skin, 0, to the bottom, 1",
}
MIN_N = 20  # fewer lesions make no curve

Floats = NDArray[np.float64]
Tick = tuple[float, str]  # position in pixels, label


@dataclass(frozen=True)
class Line:
    """One line or filled band; `style` is a CSS class, e.g. ``"benign real"``."""

    style: str
    path: str


@dataclass(frozen=True)
class Chart:
    """A chart with its words: `title`, axis labels, and `alt` that says what it shows."""

    title: str
    alt: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Frame:
    """Ranges of both axes in their own units."""

    x: tuple[float, float]
    y: tuple[float, float]

    def to_x(self, value: float) -> float:
        """Return the pixel of a value of the x axis."""
        low, high = self.x
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    def to_y(self, value: float) -> float:
        """Return the pixel of a value of the y axis."""
        low, high = self.y
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    def path(self, x: Floats, y: Floats) -> str:
        """Return an SVG path through the points."""
        points = zip(x.tolist(), y.tolist(), strict=True)
        return "M" + "L".join(f"{self.to_x(a):.1f} {self.to_y(b):.1f}" for a, b in points)

    def band(self, x: Floats, low: Floats, high: Floats) -> str:
        """Return an SVG path around the area between two lines."""
        return self.path(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])) + "Z"

    def ticks(self) -> tuple[tuple[Tick, ...], tuple[Tick, ...]]:
        """Return the ticks of both axes."""
        x = tuple((self.to_x(v), words.number(v)) for v in round_values(*self.x))
        return x, tuple((self.to_y(v), words.number(v)) for v in round_values(*self.y))


def round_values(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers in [low, high], for an axis."""
    raw = (high - low) / count
    power = 10.0 ** floor(log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= 0.8 * raw)
    first = np.ceil(low / step - 1e-9)
    return [float(k * step) for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def size_charts(spreads: Sequence[Spread]) -> tuple[Chart, ...]:
    """Return, for each size, the cumulative curves of both classes, requested and measured.

    Classes with fewer than `MIN_N` lesions have none.
    """
    drawn = [spread for spread in spreads if spread.total >= MIN_N]
    names = dict.fromkeys(spread.statistic for spread in drawn)
    return tuple(_size_chart([s for s in drawn if s.statistic == name]) for name in names)


def _size_chart(spreads: Sequence[Spread]) -> Chart:
    title, about, unit = words.statistic(spreads[0].statistic)
    low = min(float(min(s.requested[0], s.realised[0])) for s in spreads)
    high = max(float(max(s.requested[-2], s.realised[-2])) for s in spreads)
    frame = Frame((low if low > high / 4 else 0.0, high), (0.0, 100.0))
    lines = [
        Line(f"{s.pathology} {kind}", frame.path(values[:-1], 100 * LEVELS[:-1]))
        for s in spreads
        for kind, values in (("asked", s.requested), ("got", s.realised))
    ]
    medians = "; ".join(
        f"{s.pathology}: median requested {words.number(float(np.median(s.requested)))}, "
        f"realised {words.number(float(np.median(s.realised)))}"
        for s in spreads
    )
    x_label = f"{title}, {unit}" if unit else f"{title} ({about})"
    y_label = "% of lesions up to this size"
    return Chart(title, f"{title}. {medians}", x_label, y_label, *frame.ticks(), tuple(lines))


def fit_charts(sizes: Sequence[Size]) -> tuple[Chart, ...]:
    """Return, for each size, the cumulative curves of both classes, drawn and real."""
    shown = [one for one in sizes if one.drawn.size and one.real.size]
    names = dict.fromkeys(one.statistic for one in shown)
    return tuple(_fit_chart([one for one in shown if one.statistic == name]) for name in names)


def _fit_chart(sizes: Sequence[Size]) -> Chart:
    title, _, unit = words.statistic(sizes[0].statistic)
    scale = 100.0 if unit == "%" else 1.0
    pairs = [(one, scale * one.drawn, scale * one.real) for one in sizes]
    # the outermost hundredths, a few lesions, would leave the curves a corner
    low = min(float(values[1]) for _, *both in pairs for values in both)
    high = max(float(values[-2]) for _, *both in pairs for values in both)
    frame = Frame((low if low > high / 4 else 0.0, high), (0.0, 100.0))
    lines = []
    for one, drawn, real in pairs:
        for kind, values in (("drawn", drawn), ("dashed", real)):
            share = np.linspace(0, 100, values.size)[1:-1]
            lines.append(Line(f"{one.pathology} {kind}", frame.path(values[1:-1], share)))
    medians = "; ".join(
        f"{one.pathology}: median drawn {words.number(float(np.median(drawn)))}, "
        f"real {words.number(float(np.median(real)))}"
        for one, drawn, real in pairs
    )
    x_label, y_label = AXES[sizes[0].statistic], "% of lesions up to it"
    return Chart(title, f"{title}. {medians}", x_label, y_label, *frame.ticks(), tuple(lines))


def depth_charts(group: Group) -> tuple[Chart, ...]:
    """Return mean brightness by depth for each class: median and middle half, beside real."""
    return tuple(chart for name in LESIONS if (chart := _depth_chart(group, name)))


def _depth_chart(group: Group, pathology: str) -> Chart | None:
    strips = {
        one.name: strip
        for one in group.statistics
        for strip in one.strips
        if strip.pathology == pathology
    }
    if len(strips) < 2:
        return None
    bands = np.array(sorted(int(name.removeprefix("depth_")) for name in strips))
    depth = 100 * (bands + 0.5) / words.DEPTH_BANDS
    kinds = {
        "real": np.array([strips[f"depth_{k:02d}"].real for k in bands]),
        "synthetic": np.array([strips[f"depth_{k:02d}"].synthetic for k in bands]),
    }
    top = max(float(values[:, 3].max()) for values in kinds.values())
    frame = Frame((0.0, 100.0), (0.0, 1.05 * top))
    lines = []
    for kind, values in kinds.items():
        lines.append(
            Line(f"{pathology} {kind} band", frame.band(depth, values[:, 1], values[:, 3]))
        )
        lines.append(Line(f"{pathology} {kind}", frame.path(depth, values[:, 2])))
    gap = float(np.abs(kinds["real"][:, 2] - kinds["synthetic"][:, 2]).max())
    alt = f"Brightness by depth, {pathology}: medians differ by at most {words.number(gap)} levels"
    x_label, y_label = "Depth, % of the picture", "Grey level"
    title = pathology.capitalize()
    return Chart(title, alt, x_label, y_label, *frame.ticks(), tuple(lines))
