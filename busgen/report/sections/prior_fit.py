"""Whether the prior fits: what it draws beside lesions of patients that it never saw.

In: the checks that stand beside a prior (`busgen.priors.fitting.checks`). Out: gains in likelihood,
shares of every term, sizes, dependencies, and where the sources disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from busgen.report import words
from busgen.report.charts.prior_checks import Distance, Field, Gain, Pair, Share, Size, Trial
from busgen.report.sections.realism import CLASSES

OPEN_FIELDS = 3  # fields of descriptors that stand open; the others are a click away
OTHERS = {
    "published": ("Published tables alone", "what was known before these datasets were read"),
    "by_class": ("Descriptors one by one", "the same data, nothing depends on anything but class"),
    "apart": ("Descriptors one by one, class unknown", "not even on the class"),
}
LOGS = ("log_area", "log_aspect")
SIZES = {"log_area": "box_area_fraction", "log_aspect": "aspect", "x": "center_x", "y": "center_y"}


@dataclass(frozen=True)
class Section:
    """All checks of one prior; `rows` of dissent are (field, class, one a source or None)."""

    prior_sha256: str
    drawn: int
    trials: tuple[Trial, ...]
    fields: tuple[Field, ...]
    tall: tuple[tuple[str, tuple[Share, ...]], ...]
    sizes: tuple[Size, ...]
    pairs: tuple[Pair, ...]
    sources: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Distance | None, ...]], ...]
    geometry: Mapping[str, Any]
    auc: Mapping[str, Any] | None

    @property
    def shares(self) -> tuple[Share, ...]:
        """Every share of every field."""
        return tuple(share for one in self.fields for _, part in one.terms for share in part)

    @property
    def count(self) -> int:
        """Number of distances of sources that have a floor."""
        return sum(one.floor is not None for *_, row in self.rows for one in row if one)

    @property
    def beyond(self) -> int:
        """Number of those that are larger than chance."""
        return sum(one.beyond for *_, row in self.rows for one in row if one)

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of an axis for all gains, 0 included."""
        gains = [gain for trial in self.trials for gain in trial.gains]
        low, high = min(0.0, *(g.low for g in gains)), max(0.0, *(g.high for g in gains))
        margin = 0.04 * (high - low) or 1.0
        return low - margin, high + margin


def make_section(checks: Mapping[str, Any] | None) -> Section | None:
    """Return what the checks of a prior tell, None where there are none of held-out patients."""
    if not checks or not checks.get("held_out") or "predictive" not in checks:
        return None
    seen = checks["predictive"]
    sources, rows = _dissent(checks["disagreement"])
    return Section(
        str(checks["prior"]["sha256"]),
        int(seen["drawn"]),
        _trials(checks),
        _fields(seen["terms"]),
        _tall(seen["tall"]),
        tuple(_size(record) for record in seen["boxes"]),
        tuple(_pair(record) for record in seen["pairs"]),
        sources,
        rows,
        checks.get("geometry", {}),
        seen["auc"],
    )


def _trials(checks: Mapping[str, Any]) -> tuple[Trial, ...]:
    split = "test" if "test" in checks["held_out"] else "validation"
    tried = (
        ("This prior", "held_out"),
        ("Fitted without the published tables", "held_out_unaided"),
    )
    found = []
    for title, key in tried:
        record = checks[key][split]["all"]
        gains = tuple(
            Gain(*OTHERS[name], one["value"], *one["interval"])
            for name, one in record["gain"].items()
        )
        excluded = max(record["impossible"].values())
        found.append(Trial(title, int(record["n"]), int(record["patients"]), excluded, gains))
    return tuple(found)


def _share(record: Mapping[str, Any], term: str) -> Share:
    (low, high), n = record["interval"], int(record["n"])
    return Share(term, record["pathology"], record["drawn"], record["real"], low, high, n)


def _fields(records: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """Return the fields of descriptors, in the order of the page's other section."""
    found: dict[str, dict[str, list[Share]]] = {}
    for record in records:
        share = _share(record, record["term"])
        found.setdefault(record["node"], {}).setdefault(record["term"], []).append(share)
    order = [name for name in words.FIELDS if name in found]
    fields = []
    for name in (*order, *(other for other in found if other not in order)):
        terms = tuple((term, tuple(shares)) for term, shares in found[name].items())
        totals = {s.pathology: s.n for _, shares in terms for s in shares}
        fields.append(Field(name, tuple(totals[c] for c in CLASSES if c in totals), terms))
    return tuple(fields)


def _tall(records: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, tuple[Share, ...]], ...]:
    found: dict[str, list[Share]] = {}
    for record in records:
        found.setdefault(record["dataset"], []).append(_share(record, "not_parallel"))
    return tuple((name, tuple(shares)) for name, shares in found.items())


def _size(record: Mapping[str, Any]) -> Size:
    name, (low, high) = record["node"], record["interval"]
    real, drawn = (np.array(record.get(key, ())) for key in ("quantiles", "drawn_quantiles"))
    if name in LOGS:
        real, drawn = np.exp(real), np.exp(drawn)
    return Size(
        SIZES[name],
        record["pathology"],
        int(record["n"]),
        record["distance"],
        low,
        high,
        record["floor"],
        drawn,
        real,
    )


def _pair(record: Mapping[str, Any]) -> Pair:
    (first, second), (low, high) = record["nodes"], record["interval"]
    return Pair(
        first,
        second,
        record["pathology"],
        int(record["n"]),
        record["real"],
        record["drawn"],
        low,
        high,
        record["within"],
    )


def _dissent(
    records: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, ...], tuple[tuple[str, str, tuple[Distance | None, ...]], ...]]:
    """Return the sources, and for each field and class the distance of every one."""
    sources = tuple(dict.fromkeys(record["source"] for record in records))
    found: dict[tuple[str, str], dict[str, Distance]] = {}
    for record in records:
        one = Distance(record["distance"], record["floor"], record["n"])
        found.setdefault((record["node"], record["pathology"]), {})[record["source"]] = one
    rows = ((*place, tuple(row.get(name) for name in sources)) for place, row in found.items())
    return sources, tuple(rows)
