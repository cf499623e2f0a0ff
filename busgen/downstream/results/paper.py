"""What of a comparison goes into a paper: a table, its sentences, curves of learning.

In: the record of `busgen.downstream.library`. Out: Markdown and LaTeX, a sentence for each
comparison, a figure. The table has a row for each public dataset; one that was not there says how
it is filled.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from busgen.downstream.arms import find_arm
from busgen.downstream.results.compare import HEADLINE, NONE
from busgen.io import replace_file, write_text
from busgen.real.readers.registry import DATASETS
from busgen.templates import to_markdown

Record = Mapping[str, Any]
TABLE, SENTENCES, CURVES = "table", "sentences.md", "learning_curves.png"
MISSING = "not here: busgen real {name}=DIR --out D"
ABOUT = (
    "Score on the training set's own test patients, mean over seeds, 95 % interval over patients "
    "and seeds. * better, + worse than {base} on the same patients."
)
MARKS = {"better": "*", "worse": "+"}
PANEL, WIDE = (3.6, 2.8), 3  # inches; panels side by side
UNITS = {"auc": "AUC", "dice": "Dice"}


def write_paper(record: Record, folder: Path) -> None:
    """Write ``table.md``, ``table.tex``, ``sentences.md`` and ``learning_curves.png``."""
    tables = list(_tables(record))
    parts = [f"## {title}\n\n{_to_markdown(table)}\n{note}\n" for title, table, note in tables]
    write_text(folder / f"{TABLE}.md", "\n".join(parts))
    write_text(folder / f"{TABLE}.tex", "\n".join(_to_latex(*each) for each in tables))
    lines = [f"- {sentence}" for sentence in to_sentences(record)]
    write_text(folder / SENTENCES, "\n".join(lines) + "\n")
    with replace_file(folder / CURVES) as partial:
        figure = draw_curves(record)
        figure.savefig(partial, format="png", dpi=150, metadata={"Software": "busgen"})


def to_sentences(record: Record) -> list[str]:
    """Return one sentence for each comparison on a training set's own test patients."""
    return [
        _to_sentence(one)
        for one in record["results"]
        if one["train"] == one["test"] and "gain" in one
    ]


def _to_sentence(one: Record) -> str:
    gain = one["gain"]
    low, high = gain["interval"]
    count = one["metrics"][gain["metric"]]["patients"]
    metric = UNITS[gain["metric"]]
    told = {"better": "is better than", "worse": "is worse than", NONE: "makes no difference to"}
    return (
        f"{one['task'].capitalize()} on {one['train']}: {one['arm']} {told[gain['verdict']]} "
        f"{gain['against']} on the same {count} test patients, {metric} {gain['value']:+.3f} "
        f"({low:+.3f} to {high:+.3f}) from {gain['base']:.3f}."
    )


def _tables(record: Record) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Yield of each task a title, a table (data sets, arms), and what its cells are."""
    own = [one for one in record["results"] if one["train"] == one["test"]]
    for task in dict.fromkeys(one["task"] for one in own):
        cells = {
            (one["train"], one["arm"]): _to_cell(one, HEADLINE[task])
            for one in own
            if one["task"] == task
        }
        arms = list(dict.fromkeys(arm for _, arm in cells))
        trained = list(dict.fromkeys(name for name, _ in cells))
        rows = [[cells.get((name, arm), "-") for arm in arms] for name in trained]
        others = [name for name in DATASETS if name not in trained]
        rows += [[MISSING.format(name=name), *["-"] * (len(arms) - 1)] for name in others]
        table = pd.DataFrame(rows, index=[*trained, *others], columns=arms)
        bases = dict.fromkeys(one["gain"]["against"] for one in own if "gain" in one)
        yield (
            f"{task.capitalize()}, {UNITS[HEADLINE[task]]}",
            table,
            ABOUT.format(base=", ".join(bases)),
        )


def _to_cell(one: Record, metric: str) -> str:
    score = one["metrics"].get(metric)
    if score is None:
        return "-"
    low, high = score["interval"]
    mark = MARKS.get(one["gain"]["verdict"], "") if "gain" in one else ""
    return f"{score['value']:.3f}{mark} ({low:.3f} to {high:.3f})"


def _to_markdown(table: pd.DataFrame) -> str:
    rows = [
        [str(name), *map(str, row)] for name, row in zip(table.index, table.values, strict=True)
    ]
    return to_markdown(["", *map(str, table.columns)], rows)


def _to_latex(title: str, table: pd.DataFrame, note: str) -> str:
    styled = table.style.format(escape="latex").format_index(escape="latex", axis=0)
    styled = styled.format_index(escape="latex", axis=1)
    caption = f"{title}. {note}".replace("%", "\\%").replace("_", "\\_")
    return str(styled.to_latex(hrules=True, caption=caption, position="htbp"))


def draw_curves(record: Record) -> Figure:
    """Return validation loss over steps; a panel for each task and training set, a line an arm.

    Where arms have several shares of the patients, panels below show the score over the share.
    """
    losses, shares = _by_panel(record["validation_loss"]), _shares(record["results"])
    panels = [(one, "share of the steps", "validation loss") for one in losses.items()]
    panels += [(one, "share of the patients", "score, test patients") for one in shares.items()]
    rows = max(ceil(len(panels) / WIDE), 1)
    figure = Figure(figsize=(PANEL[0] * WIDE, PANEL[1] * rows), layout="constrained")
    axes = figure.subplots(rows, WIDE, squeeze=False)
    for axis in axes.flat:
        axis.set_visible(False)
    for axis, ((title, lines), x, y) in zip(axes.flat, panels, strict=False):
        _draw(axis, title, lines, x, y)
    return figure


def _draw(axis: Axes, title: str, lines: Mapping[str, Sequence[Any]], x: str, y: str) -> None:
    axis.set_visible(True)
    for arm, (places, values) in lines.items():
        axis.plot(places, values, marker="o", markersize=3, linewidth=1.2, label=arm)
    axis.set(title=title, xlabel=x, ylabel=y)
    axis.legend(fontsize=6, frameon=False)


def _by_panel(losses: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, values in losses.items():
        task, train, arm = name.split("/")
        places = [(k + 1) / len(values) for k in range(len(values))]
        found.setdefault(f"{task}, {train}", {})[arm] = places, list(values)
    return found


def _shares(results: Sequence[Record]) -> dict[str, dict[str, Any]]:
    points: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for one in results:
        score = one["metrics"].get(HEADLINE[one["task"]])
        if one["train"] == one["test"] and score:
            panel = points.setdefault(f"{one['task']}, {one['train']}", {})
            kind, share = one["arm"].partition("@")[0], find_arm(one["arm"]).share
            panel.setdefault(kind, []).append((share, score["value"]))
    several = {
        title: {
            kind: tuple(zip(*sorted(own), strict=True))
            for kind, own in panel.items()
            if len(own) > 1
        }
        for title, panel in points.items()
    }
    return {title: panel for title, panel in several.items() if panel}
