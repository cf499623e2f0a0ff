"""What `busgen study score` writes: scores, figure, and both in words.

In: files of answers and the key. Out: a folder with ``scores.json``, ``README.md``, and the figure
as SVG and PNG: the same bytes for the same scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from busgen import NOT_FOR_CLINICAL_USE, io
from busgen.folders import lock_folder, write_folder
from busgen.reader_study.records import RATINGS, Record, read_all, read_key
from busgen.reader_study.scores import collect_ratings, score
from busgen.report import words
from busgen.stats.mrmc import CHANCE, Ratings, roc

STYLE = Path(__file__).with_suffix(".mplstyle")
READER, MEAN, SOFT = "#7d9db8", "#8a3a00", "#7d858e"
NAMES = ("figure.svg", "figure.png")
MAX_LABEL = 24  # letters of a reader's code beside the AUCs
SCORES, README = "scores.json", "README.md"
READERS = "scores of readers"
CATEGORY = "BI-RADS, 4A to 4C as one"
WEIGHTED = "quadratic weights, of ratings"
FIGURES = ("sensitivity", "specificity", "accuracy", "auc")
ABOUT = Path(__file__).with_name("about.md").read_text(encoding="utf-8")


def write_scores(answers: Sequence[Path], key: Path, out: Path) -> Record:
    """Score the readers, write the folder `out`, whole or not at all, and return the scores.

    Raises `UserError` if `out` holds anything but earlier scores, no answers are given, or a
    reader's twice; `DataError` if a file is damaged, changed, unfinished or of another study.
    """
    with lock_folder(out, READERS):
        truth = read_key(key)
        readers = read_all(answers, truth)
        scores = score(readers, truth)
        with write_folder(out, READERS) as folder:
            (folder / SCORES).write_text(io.dumps(scores), encoding="utf-8")
            page = "\n".join(_to_lines(scores)) + "\n"
            (folder / README).write_text(page, encoding="utf-8")
            _draw(collect_ratings(readers, truth), scores, folder)
    return scores


def to_rows(scores: Record) -> list[dict[str, str]]:
    """Return a row for each reader and for all together, figures in words."""
    rows = [
        {"reader": one["reader"]}
        | {name: _figure(one[name]) for name in FIGURES}
        | {"s an image": f"{one['seconds']['median']:.1f}"}
        for one in scores["readers"]
    ]
    if scores["pooled"]["auc"]:
        rows.append({"reader": "all"} | {n: _figure(scores["pooled"][n]) for n in FIGURES})
    return rows


def _to_lines(scores: Record) -> Iterator[str]:
    """Yield the lines of a page of Markdown."""
    yield f"# Reader study {scores['study']}\n\n**{NOT_FOR_CLINICAL_USE}**\n"
    yield f"**{scores['verdict']}**\n"
    yield f"{scores['n_real']} real and {scores['n_synthetic']} synthetic images.\n"
    yield f"![ROC curves and AUCs of the readers]({NAMES[0]})\n"
    yield from _grid(to_rows(scores))
    yield ABOUT
    if scores["agreement"]:
        yield "## Agreement between readers\n"
        agreement = scores["agreement"]
        calls, pairs = agreement["fleiss_kappa_calls"], agreement["weighted_kappa_ratings"]
        yield from _grid(
            [{"readers": "all", "kappa": "Fleiss, of calls", **_value(calls)}]
            + [
                {"readers": " and ".join(one["readers"]), "kappa": WEIGHTED, **_value(one)}
                for one in pairs
            ]
        )
    yield "## Called synthetic, by descriptor\n"
    yield (
        "Of synthetic images, by what was asked for; of real ones, by what their publisher "
        "states. n counts images; the interval is as of one reading an image.\n"
    )
    yield from _grid([_name(one) for one in scores["called_synthetic"]])
    if scores["said_as_asked"]:
        yield "## Readers say what was asked for, or is published\n"
        yield from _grid([_name(one) for one in scores["said_as_asked"]])


def _name(one: Record) -> dict[str, str]:
    """Return a share by field as a row in words."""
    term = {"term": words.name_term(one["term"])} if "term" in one else {}
    field = CATEGORY if one["field"] == "birads_category" else words.name_field(one["field"])
    return {"images": one["kind"], "field": field, **term, **_value(one)}


def _value(one: Record) -> dict[str, str]:
    return {"value": _figure(one), "n": str(one["n"])}


def _figure(one: Record) -> str:
    """Return a figure with its interval, "-" where it is undefined."""
    if one["value"] is None:
        return "-"
    low, high = one["interval"]
    return f"{one['value']:.2f} ({low:.2f} to {high:.2f})"


def _grid(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, columns as the first row has them."""
    names = list(rows[0])
    yield f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    for row in rows:
        yield "| " + " | ".join(row.get(name, "").replace("|", "\\|") for name in names) + " |"
    yield ""


def _draw(ratings: Ratings, scores: Record, folder: Path) -> None:
    """Write ``figure.svg`` and ``figure.png`` to `folder`."""
    with style.context(STYLE):
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
