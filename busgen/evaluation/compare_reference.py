"""A release beside real images: how far apart their distributions are.

In: a release folder and a reference (`busgen.evaluation.reference`). Out: scores with n, interval
and floor, of each class, of both together, and against each scanner. Names say the feature space:
`ks_<statistic>.<class>` is the Kolmogorov-Smirnov distance of one statistic, `ks_<group>.<class>`
the mean over a group.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from busgen.evaluation.reference import Reference
from busgen.evaluation.release_statistics import measure
from busgen.imaging.statistics import GROUPS, MEASURED, contrast_name, group_name
from busgen.io import read_json
from busgen.metrics.descriptor_auc import descriptor_auc
from busgen.schema import JUDGED
from busgen.seeds import rng
from busgen.stats.ks import MIN_N, Distance, ks_distance, make_draws, summarise
from busgen.stats.patients import Floats

CLASSES = ("benign", "malignant")
LEVELS = tuple(round(k / 20, 2) for k in range(21))  # of the quantiles that are shown
QUANTILE_DIGITS = 5
ABOUT = (
    "KS distance in [0, 1] between release and held-out real images; floor: the same between real "
    "images of other patients, brought to these sizes; interval: 95 % bootstrap, by patient"
)


@dataclass(frozen=True)
class Side:
    """One sample: `values` {statistic: (n,)}, NaN where it does not apply; `patients` (n,)."""

    values: Mapping[str, Floats]
    patients: NDArray[np.int64]


def compare(release: Path, reference: Reference, max_samples: int = 1000) -> dict[str, Any]:
    """Return the distances between a release and a reference.

    Raises `DataError` if the release has no readable samples.

    Parameters
    ----------
    release
        Release folder; its ``data/*.parquet`` is read row group by row group.
    reference
        Samples of real images.
    max_samples
        Images to measure; of a larger release, whole row groups are picked at random, always
        the same ones.

    Returns
    -------
    dict
        ``headline`` and ``scores`` by class, each {name: {value, n, n_real, interval, floor}}; a
        score has its ``group`` and both sides' quantiles at ``levels`` too (``quantiles``,
        ``real_quantiles``); ``skipped`` {name: reason} for what has fewer than 20 images on a
        side. ``pooled`` (lesions of both classes, each side in its own mix) and ``scanners``
        {scanner: ...} (all lesions of the release against the real ones of a scanner) hold ``n``,
        ``n_real`` and a ``headline`` each. ``about``, ``reference`` (sources, n), ``n_measured``.
    """
    table, rows = measure(release, int(reference.facts["size_px"]), max_samples)
    own = {term: _own([s for name, s in rows if name == term]) for term in CLASSES}
    real = {term: _real(reference.samples, term) for term in CLASSES}
    if _judges(release) != reference.facts.get("judges_sha256"):
        own = {term: _unjudged(side) for term, side in own.items()}
    headline: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for term in CLASSES:
        found, few = score(own[term], real[term], term)
        headline |= {f"{name}.{term}": one for name, one in _mean(found).items()}
        skipped |= {f"ks_{name}.{term}": reason for name, reason in few.items()}
        scores |= {
            f"ks_{name}.{term}": _show(name, one, own[term], real[term])
            for name, one in found.items()
        }
    return {
        "about": ABOUT,
        "n_measured": len(rows),
        "reference": {
            "sources": reference.facts.get("sources", []),
            "n": {term: real[term].patients.size for term in CLASSES},
        },
        "headline": headline | _measure(table, reference),
        "levels": list(LEVELS),
        "scores": scores,
        "skipped": skipped,
        "pooled": _sum(_both(own.values()), _both(real.values()), "pooled"),
        "scanners": _by_scanner(_both(own.values()), reference.samples),
    }


def score(own: Side, real: Side, name: str) -> tuple[dict[str, Distance], dict[str, str]]:
    """Return the distance of each statistic that both sides have, and why others have none.

    `name` decides the resamples: the same for all statistics, because they go into one mean.
    """
    nothing = np.full(own.patients.size, np.nan)
    sides = {key: (own.values.get(key, nothing), values) for key, values in real.values.items()}
    n = {key: [int(np.count_nonzero(~np.isnan(v))) for v in pair] for key, pair in sides.items()}
    few = {
        key: f"n {ours}, n_real {theirs}: below {MIN_N}"
        for key, (ours, theirs) in n.items()
        if min(ours, theirs) < MIN_N
    }
    if len(few) == len(sides):
        return {}, few
    draws = make_draws(own.patients.size, real.patients, rng(0, f"compare/{name}"))
    found = {key: ks_distance(*pair, draws) for key, pair in sides.items() if key not in few}
    return found, few


def _mean(found: Mapping[str, Distance]) -> dict[str, Any]:
    """Return the mean distance of each group of statistics, ``ks_<group>``."""
    members = {g: [found[n] for n in names if n in found] for g, names in GROUPS.items()}
    return {f"ks_{group}": summarise(ones) for group, ones in members.items() if ones}


def _show(name: str, one: Distance, own: Side, real: Side) -> dict[str, Any]:
    return summarise([one]) | {
        "group": group_name(name),
        "quantiles": _quantiles(own.values[name]),
        "real_quantiles": _quantiles(real.values[name]),
    }


def _quantiles(values: Floats) -> list[float]:
    return [float(f"{q:.{QUANTILE_DIGITS}g}") for q in np.nanquantile(values, LEVELS)]


def _sum(own: Side, real: Side, name: str) -> dict[str, Any]:
    return {
        "n": own.patients.size,
        "n_real": real.patients.size,
        "headline": _mean(score(own, real, name)[0]),
    }


def _by_scanner(own: Side, samples: pa.Table) -> dict[str, Any]:
    """Return all lesions of the release against the real ones of each scanner with enough."""
    counted = samples["scanner"].value_counts().to_pylist()
    found = {}
    for name in sorted(row["values"] for row in counted if row["counts"] >= MIN_N):
        part = samples.filter(pc.equal(samples["scanner"], name))
        real = _both([_real(part, term) for term in CLASSES])
        if real.patients.size >= MIN_N:
            found[name] = _sum(own, real, f"scanner/{name}")
    return found


def _real(samples: pa.Table, pathology: str) -> Side:
    """Return a class of the reference, its statistics and what judges said of it."""
    rows = samples.filter(pc.equal(samples["pathology"], pathology))
    named = {name: name for name in MEASURED} | {name: f"gate_{name}" for name in JUDGED}
    columns = {
        name: rows[column].to_numpy(zero_copy_only=False).astype(np.float64)
        for name, column in named.items()
    }
    echo = np.array(rows["echo_pattern"].to_pylist(), object)
    columns |= {
        contrast_name(term): np.where(echo == term, columns["contrast"], np.nan)
        for term in sorted({term for term in echo.tolist() if term})
    }
    return Side(columns, rows["patient"].to_numpy().astype(np.int64))


def _own(found: Sequence[Mapping[str, float]]) -> Side:
    """Return a class of the release, in the precision of the reference."""
    names = sorted({name for one in found for name in one})
    values = {
        name: np.array([one.get(name, np.nan) for one in found], np.float32).astype(np.float64)
        for name in names
    }
    return Side(values, np.arange(len(found)))


def _both(sides: Iterable[Side]) -> Side:
    """Return samples put together; a statistic that one has not is NaN there."""
    parts = list(sides)
    names = sorted({name for side in parts for name in side.values})
    nothing = [np.full(side.patients.size, np.nan) for side in parts]
    values = {
        name: np.concatenate([s.values.get(name, n) for s, n in zip(parts, nothing, strict=True)])
        for name in names
    }
    return Side(values, np.concatenate([side.patients for side in parts]))


def _unjudged(side: Side) -> Side:
    """Return the sample without judges' scores: other judges' cannot be compared."""
    return Side({n: v for n, v in side.values.items() if n not in JUDGED}, side.patients)


def _judges(release: Path) -> str | None:
    """Return the hash of the judges that scored the release."""
    path = release / "provenance.json"
    plan = read_json(path).get("plan", {}) if path.is_file() else {}
    return plan.get("judges_sha256") if isinstance(plan, dict) else None


def _measure(table: pa.Table, reference: Reference) -> dict[str, Any]:
    """Return the AUC of the class from the descriptors; its floor is real data's."""
    ours, real = descriptor_auc(table, "family_id"), reference.facts.get("descriptor_auc")
    if ours is None or real is None:
        return {}
    return {"descriptor_auc": ours | {"n_real": real["n"], "floor": real["value"]}}
