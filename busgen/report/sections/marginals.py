"""Requested against realised: whether the gates bent what the prior asked for.

In: `Evidence`. Out: for each field the requested share of every term with the share realised among
accepted samples and its 95 % interval; for sizes the requested and the measured distributions.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from busgen.arrays import Floats
from busgen.priors.draw import strata
from busgen.priors.network import make_prior
from busgen.priors.plan import marginals
from busgen.priors.request import parse_request
from busgen.report import words
from busgen.report.evidence import Evidence
from busgen.stats.proportions import wilson_interval

SLACK = 1e-9  # rounding is no deviation
LEVELS = np.linspace(0, 1, 41)
LESIONS = ("benign", "malignant")
SIZES = (("width_mm", "mask_width_mm"), ("height_mm", "mask_height_mm"), ("aspect", "mask_aspect"))


@dataclass(frozen=True)
class Share:
    """One term: its requested share, how often it was drawn and accepted, the 95 % interval."""

    term: str
    requested: float
    drawn: float
    count: int
    realised: float
    low: float
    high: float

    @property
    def within(self) -> bool:
        """Whether the requested share lies in the interval of the realised one."""
        return self.low - SLACK <= self.requested <= self.high + SLACK


class Marginal(NamedTuple):
    """One field: its shares among `total` accepted samples (lesions, where it is a lesion's)."""

    field: str
    total: int
    shares: tuple[Share, ...]


class Quantiles(NamedTuple):
    """One size of one class: (41,) quantiles of requested and of measured values."""

    statistic: str
    pathology: str
    total: int
    requested: Floats
    realised: Floats


def make_section(evidence: Evidence) -> tuple[Marginal, ...]:
    """Return one `Marginal` for each field that the request leaves anything of.

    A counterfactual family counts once, and the field that varies has no share of its own.
    """
    plan = evidence.plan.request
    request = parse_request(plan.where, plan.text, plan.targets)
    prior = make_prior(evidence.plan.resolution.prior)
    requested = marginals(prior, strata(prior, request, plan.counts, plan.n))
    fields = [name for name in words.FIELDS if requested.get(name) and name != plan.vary]
    found = (_marginal(name, requested[name], evidence) for name in fields)
    return tuple(marginal for marginal in found if marginal.total)


def _marginal(name: str, request: dict[str, float], evidence: Evidence) -> Marginal:
    drawn, accepted = (rows[name].dropna() for rows in _once(evidence))
    shares = []
    for term, requested in request.items():
        count = int(_has(accepted, term).sum())
        if requested == 0 and count == 0:
            continue
        low, high = wilson_interval(count, len(accepted))
        at_first = float(_has(drawn, term).mean()) if len(drawn) else 0.0
        realised = count / max(len(accepted), 1)
        shares.append(Share(term, requested, at_first, count, realised, low, high))
    return Marginal(name, len(accepted), tuple(shares))


def _once(evidence: Evidence) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what was drawn and what was accepted, the first row of each family."""
    drawn, accepted = evidence.first_attempts, evidence.accepted_rows
    return drawn.drop_duplicates("family_id"), accepted.drop_duplicates("family_id")


def _has(values: pd.Series, term: str) -> "pd.Series[bool]":
    """Return which of a column's values are, or for a margin include, `term`."""
    if values.name == "margin":
        return values.map(lambda terms: term in terms).astype(bool)
    if values.name == "halo":
        return values.astype(bool) == (term == "yes")
    return values == term


def make_spreads(evidence: Evidence) -> tuple[Quantiles, ...]:
    """Return requested and measured sizes of each class that has lesions."""
    drawn, accepted = (
        rows.assign(
            aspect=rows["width_mm"] / rows["height_mm"],
            mask_aspect=rows["mask_width_mm"] / rows["mask_height_mm"],
        )
        for rows in _once(evidence)
    )
    spreads = []
    for request, measured in SIZES:
        for pathology in LESIONS:
            one = drawn.loc[drawn["pathology"] == pathology, request]
            other = accepted.loc[accepted["pathology"] == pathology, measured]
            if len(other):
                quantiles = (np.quantile(values.to_numpy(), LEVELS) for values in (one, other))
                spreads.append(Quantiles(request, pathology, len(other), *quantiles))
    return tuple(spreads)


class _Summary(NamedTuple):
    """All shares at once: how many miss, how far the gates shifted any, and which."""

    shares: int
    outside: int
    shift: float
    shifted: str


def summarise(found: tuple[Marginal, ...]) -> _Summary:
    """Return the one line that says whether the gates bent the distribution."""
    pairs = [(marginal.field, share) for marginal in found for share in marginal.shares]
    open_ = [share for _, share in pairs if 0 < share.requested < 1]
    field, worst = max(pairs, key=lambda pair: abs(pair[1].realised - pair[1].drawn))
    outside, title = sum(not share.within for share in open_), words.name_field(field)
    shifted = f"{title}: {words.name_term(worst.term)}"
    return _Summary(len(open_), outside, worst.realised - worst.drawn, shifted)
