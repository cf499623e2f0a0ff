"""The charts of the page: sizes as asked and made, the prior's fit, brightness by depth.

In: numbers of `marginals`, `fit` and `realism`. Out: `Chart`s.
"""

from collections.abc import Sequence

import numpy as np

from busgen.report import words
from busgen.report.charts.plots import Axes, Chart, Curve, plot
from busgen.report.sections.marginals import LESIONS, LEVELS, Quantiles
from busgen.report.sections.prior_fit import Size
from busgen.report.sections.realism import Group

MIN_N = 20  # fewer lesions make no curve


def plot_sizes(spreads: Sequence[Quantiles]) -> tuple[Chart, ...]:
    """Return, for each size, the cumulative curves of both classes, requested and measured.

    Classes with fewer than `MIN_N` lesions have none.
    """
    drawn = [spread for spread in spreads if spread.total >= MIN_N]
    names = dict.fromkeys(spread.statistic for spread in drawn)
    return tuple(_size_chart([s for s in drawn if s.statistic == name]) for name in names)


def _size_chart(spreads: Sequence[Quantiles]) -> Chart:
    title, about, unit = words.name_statistic(spreads[0].statistic)
    curves = [
        Curve(s.pathology, kind, values[:-1], 100 * LEVELS[:-1])
        for s in spreads
        for kind, values in (("wide", s.requested), ("solid", s.realised))
    ]
    medians = "; ".join(
        f"{s.pathology}, n {s.total}: median requested "
        f"{words.format_number(float(np.median(s.requested)))}, "
        f"realised {words.format_number(float(np.median(s.realised)))}"
        for s in spreads
    )
    x_label = f"{title}, {unit}" if unit else f"{title} ({about})"
    axes = Axes(x_label, "% of lesions up to this size", x=_ends(curves))
    return plot(title, f"{title}. {medians}", axes, curves)


def _ends(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the ends of the x axis: from 0 where the smallest value is near it."""
    low = min(float(curve.x.min()) for curve in curves)
    high = max(float(curve.x.max()) for curve in curves)
    return (low if low > high / 4 else 0.0), high


def plot_fit(sizes: Sequence[Size]) -> tuple[Chart, ...]:
    """Return, for each size, the cumulative curves of both classes, drawn and real."""
    shown = [one for one in sizes if one.drawn.size and one.real.size]
    names = dict.fromkeys(one.statistic for one in shown)
    return tuple(_fit_chart([one for one in shown if one.statistic == name]) for name in names)


def _fit_chart(sizes: Sequence[Size]) -> Chart:
    title, _, unit = words.name_statistic(sizes[0].statistic)
    scale = 100.0 if unit == "%" else 1.0
    pairs = [(one, scale * one.drawn, scale * one.real) for one in sizes]
    # the outermost hundredths, a few lesions, would leave the curves a corner
    curves = [
        Curve(one.pathology, kind, values[1:-1], np.linspace(0, 100, values.size)[1:-1])
        for one, drawn, real in pairs
        for kind, values in (("solid", drawn), ("dashed", real))
    ]
    medians = "; ".join(
        f"{one.pathology}: median drawn {words.format_number(float(np.median(drawn)))}, "
        f"real {words.format_number(float(np.median(real)))}"
        for one, drawn, real in pairs
    )
    axes = Axes(words.AXES[sizes[0].statistic], "% of lesions up to it", x=_ends(curves))
    return plot(title, f"{title}. {medians}", axes, curves)


def plot_depth(group: Group) -> tuple[Chart, ...]:
    """Return mean brightness by depth for each class: median and middle half, beside real."""
    return tuple(chart for name in LESIONS if (chart := _depth_chart(group, name)))


def _depth_chart(group: Group, pathology: str) -> Chart | None:
    strips = {o.name: s for o in group.statistics for s in o.strips if s.pathology == pathology}
    if len(strips) < 2:
        return None
    bands = np.array(sorted(int(name.removeprefix("depth_")) for name in strips))
    depth = 100 * (bands + 0.5) / words.DEPTH_BANDS
    real = np.array([strips[f"depth_{k:02d}"].real for k in bands])
    generated = np.array([strips[f"depth_{k:02d}"].synthetic for k in bands])
    top = 1.05 * max(float(values[:, 3].max()) for values in (real, generated))
    curves = []
    for who, kind, values in (("real", "dashed", real), (pathology, "solid", generated)):
        curves.append(Curve(who, kind, depth, values[:, 1], values[:, 3]))  # the middle half
        curves.append(Curve(who, kind, depth, values[:, 2]))
    most = words.format_number(float(np.abs(real[:, 2] - generated[:, 2]).max()))
    alt = f"Brightness by depth, {pathology}: medians differ by at most {most} levels"
    axes = Axes("Depth, % of the image", "Grey level", y=(0.0, top), x=(0.0, 100.0))
    return plot(pathology.capitalize(), alt, axes, curves)
