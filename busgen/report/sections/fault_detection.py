"""Proof that the checks work: faults planted into real images, and how many were detected.

In: the reference's `proof` (`busgen.gates.calibration.fault_injection`). Out: rows of a table,
detection curves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from busgen.report import words
from busgen.report.charts.plots import Axes, Chart, Curve, plot

# no one strength of these is asked for
CURVES = ("shift_px", "blur_px", "inside_grey", "contrary_band")
LABEL = "wrong_label"
FEWEST = 3  # strengths that make a curve
MOST = 4  # checks that are named in a row, those that refuse most
Record = Mapping[str, Any]


class Section(NamedTuple):
    """The table, clean images first, detection curves, what the classifier can tell at all.

    `rows`: a recorded fault, with its `name`, what it is `about` and the `checks` that refuse it.
    """

    rows: tuple[Record, ...]
    charts: tuple[Chart, ...]
    auc: float
    n: int


def make_section(reference: Record) -> Section | None:
    """Return what is known of planted faults, None where the reference does not tell it."""
    record = reference.get("proof")
    if not record:
        return None
    series: dict[str, list[Record]] = {}
    for one in record["faults"]:
        series.setdefault(one["fault"], []).append(one)
    rows = [_row(record["clean"])]
    rows += [_row(found[0]) for name, found in series.items() if name not in CURVES]
    charts = [_chart(found) for found in series.values() if len(found) >= FEWEST]
    labels = record["labels"]
    if labels["curve"]:  # the share of wrong labels found against that of right ones refused
        curve = np.array([(0.0, 0.0), *labels["curve"]], np.float64) * 100
        title = f"{_fault(LABEL)[0]}: the classifier alone, AUC {labels['auc']:.3f}"
        axes = Axes("% of right labels refused", "% of wrong labels found")
        lines = (Curve("malignant", "solid", curve[:, 0], curve[:, 1]),)
        charts.append(plot(title, f"{title}, n {labels['n']}", axes, lines))
    return Section(tuple(rows), tuple(charts), labels["auc"], labels["n"])


def _row(one: Record) -> Record:
    name, about, unit = _fault(one["fault"])
    counts = sorted(one["gates"].items(), key=lambda item: -item[1])
    told_by = [f"{words.name_gate(gate)[0]}: {count}" for gate, count in counts if count]
    others = [f"{len(told_by) - MOST} more"] if len(told_by) > MOST else []
    checks = "; ".join(told_by[:MOST] + others)
    about += f", {words.format_number(one['strength'])} {unit}".rstrip() if unit else ""
    return {**one, "name": name, "about": about, "checks": checks}


def _chart(found: Sequence[Record]) -> Chart:
    """Return the share rejected against the strength of a fault, with its interval."""
    name, about, unit = _fault(found[0]["fault"])
    ordered = sorted(found, key=lambda one: float(one["strength"]))
    strength = np.array([one["strength"] for one in ordered], np.float64)
    share = np.array([100 * one["rejected"] / one["n"] for one in ordered])
    low, high = (np.array([100 * one["interval"][k] for one in ordered]) for k in (0, 1))
    curves = (
        Curve("benign", "solid", strength, low, high),
        Curve("benign", "solid", strength, share),
    )
    points = "; ".join(
        f"{words.format_number(s)}: {words.format_number(p)} %"
        for s, p in zip(strength.tolist(), share.tolist(), strict=True)
    )
    label = unit or "Share of the image that is replaced"
    axes = Axes(label, "% rejected", x=(0.0, float(strength.max())))
    return plot(name, f"{name}, {about}. {points}", axes, curves)


def _fault(name: str) -> tuple[str, str, str]:
    """Return (what was planted, how, unit of its strength) of a fault."""
    return words.FAULTS.get(name, (words.to_words(name).capitalize(), "", ""))
