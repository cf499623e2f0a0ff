"""The figure of a reader study: ROC curves of the readers and their mean, AUCs with intervals.

In: ratings and scores. Out: SVG and PNG, the same bytes for the same scores.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from busgen.reader_study.records import RATINGS, Record
from busgen.stats.mrmc import CHANCE, Ratings, roc

STYLE = {
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "busgen",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
READER, MEAN, SOFT = "#7d9db8", "#8a3a00", "#7d858e"
NAMES = ("figure.svg", "figure.png")
MAX_LABEL = 24  # letters of a reader's code beside the AUCs


def draw(ratings: Ratings, scores: Record, folder: Path) -> None:
    """Write ``figure.svg`` and ``figure.png`` to `folder`."""
    with matplotlib.rc_context(STYLE):
        height = max(3.6, 1.4 + 0.24 * len(scores["readers"]))
        figure = Figure(figsize=(7.4, height), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
        _curves(left, ratings, pooled=scores["pooled"]["auc"] is not None)
        _areas(right, scores)
        svg, png = (folder / name for name in NAMES)
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
        figure.savefig(png, dpi=200, metadata={"Software": None})


def _curves(axes: Axes, ratings: Ratings, *, pooled: bool) -> None:
    """Draw each reader's ROC curve and, of several, their mean at each level of the scale."""
    points = roc(ratings, range(2, len(RATINGS) + 1))
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":", linewidth=1)
    axes.annotate("chance", (0.68, 0.61), color=SOFT, rotation=45, fontsize=8)
    for k, own in enumerate(points):
        label = "reader" if k == 0 else None
        axes.plot(*own.T, color=READER, linewidth=1, marker="o", markersize=2.5, label=label)
    if pooled:
        mean = np.mean(points, axis=0)
        axes.plot(*mean.T, color=MEAN, linewidth=2.2, marker="o", markersize=4, label="mean")
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
        xlabel="real images called synthetic",
        ylabel="synthetic images called synthetic",
    )
    axes.legend(loc="lower right", frameon=False)


def _areas(axes: Axes, scores: Record) -> None:
    """Draw the AUCs with their intervals, the pooled one last."""
    rows = [(one["reader"][:MAX_LABEL], one["auc"], READER) for one in scores["readers"]]
    if scores["pooled"]["auc"]:
        rows.append(("pooled", scores["pooled"]["auc"], MEAN))
    for place, (_, auc, colour) in enumerate(rows):
        axes.plot(auc["interval"], [place, place], color=colour, linewidth=2)
        axes.plot(auc["value"], place, color=colour, marker="s", markersize=5)
    axes.axvline(CHANCE, color=SOFT, linestyle=":", linewidth=1)
    # without dollar signs, between which matplotlib reads formulas
    axes.set_yticks(range(len(rows)), [label.replace("$", "\\$") for label, _, _ in rows])
    lowest = min(auc["interval"][0] for _, auc, _ in rows)
    axes.set(
        xlim=(min(0.3, lowest) - 0.02, 1.02),
        ylim=(len(rows) - 0.5, -0.5),
        xlabel="AUC with 95 % interval (.5: chance)",
    )
