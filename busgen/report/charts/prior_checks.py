"""What checks of a prior consist of: gains, shares, sizes, dependencies, disagreements.

In: numbers as `busgen.priors.fitting.checks` records them. Out: records with the verdicts that the
page shows.
"""

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from busgen.report.sections.realism import CLOSE

Floats = NDArray[np.float64]


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
class Trial:
    """One prior's gains over the others, on `n` lesions of `patients`; `excluded` were left out."""

    title: str
    n: int
    patients: int
    excluded: int
    gains: tuple[Gain, ...]


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
class Pair:
    """How much two descriptors tell of each other in one class; range of samples of the prior."""

    first: str
    second: str
    pathology: str
    n: int
    real: float
    drawn: float
    low: float
    high: float
    within: bool


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
