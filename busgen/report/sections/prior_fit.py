"""Whether the prior fits: what it draws beside lesions of patients that it never saw.

In: the checks that stand beside a prior (`busgen.priors.fitting.checks`). Out: gains in likelihood,
shares of every term, sizes, dependencies, and where the sources disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, NamedTuple

import numpy as np

from busgen.arrays import Floats
from busgen.report import words
from busgen.report.sections.realism import CLASSES, CLOSE, axis_ends

Record = Mapping[str, Any]
Shares = tuple[tuple[str, tuple[Record, ...]], ...]  # by term or dataset, one a class
OPEN_FIELDS = 3  # fields of descriptors that stand open; the others are a click away
LOGS = ("log_area", "log_aspect")
SIZES = {"log_area": "box_area_fraction", "log_aspect": "aspect", "x": "center_x", "y": "center_y"}


class Size(NamedTuple):
    """One size of one class: KS distance of drawn and real; quantiles at even steps of both."""

    statistic: str
    pathology: str
    n: int
    distance: float
    low: float
    high: float
    floor: float
    drawn: Floats
    real: Floats

    @property
    def within(self) -> bool:
        """Whether 5 of 100 samples of the prior itself are as far away."""
        return self.distance <= self.floor


@dataclass(frozen=True)
class Section:
    """All checks of one prior.

    `trials`: title, record, how many were left out, gains in held-out log-likelihood above others,
    nats a lesion. `fields` of descriptors: name, real lesions of each class, and by term the drawn
    share (`requested`) and the real one (`realised`) of every class; `tall` likewise by dataset.
    `rows` of dissent: field, class, how far each source is from what was pooled, None where unsaid.
    """

    prior_sha256: str
    drawn: int
    trials: tuple[tuple[str, Record, int, tuple[Record, ...]], ...]
    fields: tuple[tuple[str, tuple[int, ...], Shares], ...]
    tall: Shares
    sizes: tuple[Size, ...]
    pairs: tuple[Record, ...]
    sources: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Record | None, ...]], ...]
    geometry: Mapping[str, Any]
    auc: Mapping[str, Any] | None

    @property
    def shares(self) -> tuple[Record, ...]:
        """Every share of every field."""
        return tuple(share for *_, terms in self.fields for _, part in terms for share in part)

    @property
    def count(self) -> int:
        """Number of distances of sources that have a floor."""
        return sum(one["floor"] is not None for *_, row in self.rows for one in row if one)

    @property
    def beyond(self) -> int:
        """Number of those that are larger than chance."""
        return sum(one["beyond"] for *_, row in self.rows for one in row if one)

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of an axis for all gains, 0 included."""
        gains = [gain for *_, own in self.trials for gain in own]
        return axis_ends([0.0, *(end for one in gains for end in one["interval"])])


def make_section(checks: Record | None) -> Section | None:
    """Return what the checks of a prior tell, None where there are none of held-out patients."""
    if not checks or not checks.get("held_out") or "predictive" not in checks:
        return None
    seen = checks["predictive"]
    sources, rows = _dissent(checks["disagreement"])
    tall: dict[str, list[Record]] = {}
    for record in seen["tall"]:
        tall.setdefault(record["dataset"], []).append(_share(record, "not_parallel"))
    return Section(
        str(checks["prior"]["sha256"]),
        int(seen["drawn"]),
        _trials(checks),
        _fields(seen["terms"]),
        tuple((name, tuple(shares)) for name, shares in tall.items()),
        tuple(_size(record) for record in seen["boxes"]),
        tuple(seen["pairs"]),
        sources,
        rows,
        checks.get("geometry", {}),
        seen["auc"],
    )


def _trials(checks: Record) -> tuple[tuple[str, Record, int, tuple[Record, ...]], ...]:
    split = "test" if "test" in checks["held_out"] else "validation"
    tried = (
        ("This prior", "held_out"),
        ("Fitted without the published tables", "held_out_unaided"),
    )
    found = []
    for title, key in tried:
        record = checks[key][split]["all"]
        gains = tuple(_gain(name, one) for name, one in record["gain"].items())
        excluded = max(record["impossible"].values())
        found.append((title, record, excluded, gains))
    return tuple(found)


def _gain(name: str, record: Record) -> Record:
    """Return the gain over another prior: how many times as likely this one holds what was found.

    That is the geometric mean; the verdict says whether the interval leaves 0 out.
    """
    (title, about), (low, high) = words.RIVALS[name], record["interval"]
    verdict = CLOSE if low <= 0 <= high else "better" if low > 0 else "worse"
    factor = exp(record["value"])
    return {**record, "name": title, "about": about, "verdict": verdict, "factor": factor}


def _share(record: Record, term: str) -> Record:
    (low, high), drawn = record["interval"], record["drawn"]
    shown = {"term": term, "requested": drawn, "realised": record["real"], "low": low, "high": high}
    return {**record, **shown, "within": low <= drawn <= high}


def _fields(records: Sequence[Record]) -> tuple[tuple[str, tuple[int, ...], Shares], ...]:
    """Return the fields of descriptors, in the order of the page's other section."""
    found: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        share = _share(record, record["term"])
        found.setdefault(record["node"], {}).setdefault(record["term"], []).append(share)
    order = [name for name in words.FIELDS if name in found]
    fields = []
    for name in (*order, *(other for other in found if other not in order)):
        terms = tuple((term, tuple(shares)) for term, shares in found[name].items())
        totals = {s["pathology"]: int(s["n"]) for _, shares in terms for s in shares}
        fields.append((name, tuple(totals[c] for c in CLASSES if c in totals), terms))
    return tuple(fields)


def _size(record: Record) -> Size:
    name, (low, high) = record["node"], record["interval"]
    real, drawn = (np.array(record.get(key, ())) for key in ("quantiles", "drawn_quantiles"))
    if name in LOGS:
        real, drawn = np.exp(real), np.exp(drawn)
    n, distance = int(record["n"]), record["distance"]
    where = (SIZES[name], record["pathology"], n)
    return Size(*where, distance, low, high, record["floor"], drawn, real)


def _dissent(
    records: Sequence[Record],
) -> tuple[tuple[str, ...], tuple[tuple[str, str, tuple[Record | None, ...]], ...]]:
    """Return the sources, and for each field and class the distance of every one.

    It is `beyond` chance where fewer than 5 of 100 samples of the pooled prior are as far away; the
    base is no sample and has no floor.
    """
    sources = tuple(dict.fromkeys(record["source"] for record in records))
    found: dict[tuple[str, str], dict[str, Record]] = {}
    for record in records:
        floor, distance = record["floor"], record["distance"]
        one = {**record, "beyond": floor is not None and distance > floor}
        found.setdefault((record["node"], record["pathology"]), {})[record["source"]] = one
    rows = ((*place, tuple(row.get(name) for name in sources)) for place, row in found.items())
    return sources, tuple(rows)
