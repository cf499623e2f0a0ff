"""Whether the prior fits: what it draws beside lesions of patients that it never saw.

In: the checks that stand beside a prior (`busgen.priors.fitting.checks`). Out: gains in likelihood,
shares of every term, sizes, dependencies, and where the sources disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.report import words
from busgen.report.sections.realism import CLASSES, CLOSE, axis_ends

Floats = NDArray[np.float64]
Record = Mapping[str, Any]
OPEN_FIELDS = 3  # fields of descriptors that stand open; the others are a click away
OTHERS = {
    "published": ("Published tables alone", "what was known before these datasets were read"),
    "by_class": ("Descriptors one by one", "the same data, nothing depends on anything but class"),
    "apart": ("Descriptors one by one, class unknown", "not even on the class"),
}
LOGS = ("log_area", "log_aspect")
SIZES = {"log_area": "box_area_fraction", "log_aspect": "aspect", "x": "center_x", "y": "center_y"}


@dataclass(frozen=True)
class Gain:
    """Held-out log-likelihood of the prior above another's, nats a lesion, 95 % interval."""

    name: str
    about: str
    value: float
    low: float
    high: float

    @property
    def factor(self) -> float:
        """How many times as likely the prior holds what was found, geometric mean."""
        return exp(self.value)

    @property
    def verdict(self) -> str:
        """Say whether the interval leaves 0 out."""
        if self.low <= 0 <= self.high:
            return CLOSE
        return "better" if self.low > 0 else "worse"


@dataclass(frozen=True)
class Share:
    """One term in one class: its drawn share, and the real one with its 95 % interval."""

    term: str
    pathology: str
    requested: float
    realised: float
    low: float
    high: float
    n: int

    @property
    def within(self) -> bool:
        """Whether the drawn share lies in the interval of the real one."""
        return self.low <= self.requested <= self.high


@dataclass(frozen=True)
class Field:
    """One field of descriptors: its terms, each with the share in every class."""

    field: str
    totals: tuple[int, ...]
    terms: tuple[tuple[str, tuple[Share, ...]], ...]


@dataclass(frozen=True)
class Size:
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
class Distance:
    """How far one source is from what was pooled; the base, no sample, has no floor."""

    value: float
    floor: float | None
    n: int | None

    @property
    def beyond(self) -> bool:
        """Whether fewer than 5 of 100 samples of the pooled prior are as far away."""
        return self.floor is not None and self.value > self.floor


@dataclass(frozen=True)
class Section:
    """All checks of one prior.

    `trials`: title, record, how many were left out, gains; `rows` of dissent: (field, class, one a
    source or None).
    """

    prior_sha256: str
    drawn: int
    trials: tuple[tuple[str, Record, int, tuple[Gain, ...]], ...]
    fields: tuple[Field, ...]
    tall: tuple[tuple[str, tuple[Share, ...]], ...]
    sizes: tuple[Size, ...]
    pairs: tuple[Record, ...]
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
        gains = [gain for *_, own in self.trials for gain in own]
        return axis_ends([0.0, *(end for one in gains for end in (one.low, one.high))])


def make_section(checks: Record | None) -> Section | None:
    """Return what the checks of a prior tell, None where there are none of held-out patients."""
    if not checks or not checks.get("held_out") or "predictive" not in checks:
        return None
    seen = checks["predictive"]
    sources, rows = _dissent(checks["disagreement"])
    tall: dict[str, list[Share]] = {}
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


def _trials(checks: Record) -> tuple[tuple[str, Record, int, tuple[Gain, ...]], ...]:
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
        found.append((title, record, excluded, gains))
    return tuple(found)


def _share(record: Record, term: str) -> Share:
    (low, high), n = record["interval"], int(record["n"])
    return Share(term, record["pathology"], record["drawn"], record["real"], low, high, n)


def _fields(records: Sequence[Record]) -> tuple[Field, ...]:
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
) -> tuple[tuple[str, ...], tuple[tuple[str, str, tuple[Distance | None, ...]], ...]]:
    """Return the sources, and for each field and class the distance of every one."""
    sources = tuple(dict.fromkeys(record["source"] for record in records))
    found: dict[tuple[str, str], dict[str, Distance]] = {}
    for record in records:
        one = Distance(record["distance"], record["floor"], record["n"])
        found.setdefault((record["node"], record["pathology"]), {})[record["source"]] = one
    rows = ((*place, tuple(row.get(name) for name in sources)) for place, row in found.items())
    return sources, tuple(rows)
