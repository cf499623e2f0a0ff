"""Line charts by Matplotlib, as SVG whose colours follow the page: light, dark and print.

In: curves in their own units. Out: `Chart`s, the same bytes for the same curves.
"""

import re
from collections.abc import Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from busgen.arrays import Floats

# what Matplotlib draws with, and the page's colour that takes its place
COLOURS = {
    "benign": "#0072b2",
    "malignant": "#c04a00",
    "real": "#7d858e",
    "ink": "#1b1f24",
    "soft": "#525b66",
    "line": "#d9dde2",
}
KINDS: dict[str, dict[str, Any]] = {  # of curves
    "solid": {"linewidth": 1.6},
    "dashed": {"linewidth": 1.6, "linestyle": (0, (3.5, 2.5))},
    "wide": {"linewidth": 5.5, "alpha": 0.3},
}
STYLE = dict(
    matplotlib.rc_params_from_file(
        Path(__file__).with_suffix(".mplstyle"), use_default_template=False
    )
)
INCHES = (4.2, 2.75)


class Curve(NamedTuple):
    """One line, or with `high` the area between `y` and it; `who` names a colour, `kind` a line."""

    who: str
    kind: str
    x: Floats
    y: Floats
    high: Floats | None = None


class Chart(NamedTuple):
    """A chart: its `title`, words that say what it shows (`alt`), and the SVG itself."""

    title: str
    alt: str
    svg: str


class Axes(NamedTuple):
    """Labels and ends of both axes; no end of x: where the curves end."""

    x_label: str
    y_label: str
    y: tuple[float, float] = (0.0, 100.0)
    x: tuple[float, float] | None = None


def plot(title: str, alt: str, axes: Axes, curves: Sequence[Curve]) -> Chart:
    """Return the chart of `curves`, in that order from back to front."""
    ends = np.concatenate([curve.x for curve in curves])
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": title + alt}):
        figure = Figure(figsize=INCHES, layout="constrained")
        area = figure.subplots()
        for curve in curves:
            colour = COLOURS[curve.who]
            if curve.high is None:
                area.plot(curve.x, curve.y, color=colour, **KINDS[curve.kind])
            else:
                area.fill_between(
                    curve.x, curve.y, curve.high, color=colour, alpha=0.25, linewidth=0
                )
        area.set(xlabel=axes.x_label, ylabel=axes.y_label, ylim=axes.y)
        area.set_xlim(axes.x or (float(ends.min()), float(ends.max())))
        area.xaxis.grid(visible=False)
        text = StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return Chart(title, alt, _inline(text.getvalue(), alt))


def _inline(svg: str, alt: str) -> str:
    """Return the SVG as a part of a page: with words, the page's colours, no ids but its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r'(<g) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)
