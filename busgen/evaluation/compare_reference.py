"""A release compared with real images: how far apart their distributions are.

In: a release folder and a reference (`busgen.evaluation.reference`). Out: scores with n, interval
and floor, of each class, of both together, and against each scanner. Names say the feature space:
`ks_<statistic>.<class>` is the Kolmogorov-Smirnov distance of one statistic, `ks_<group>.<class>`
the mean over a group.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from busgen.evaluation.reference import Reference
from busgen.evaluation.release_statistics import measure
from busgen.imaging.statistics import GROUPS, MEASURED, contrast_name, group_name
from busgen.io import read_json
from busgen.metrics.descriptor_auc import descriptor_auc
from busgen.schema import JUDGED
from busgen.seeds import rng
from busgen.stats.ks import MIN_N, Distance, ks_distance, make_draws, summarise

Measured = tuple[pa.Table, int, dict[str, pd.DataFrame]]
Distances = dict[str, Distance]
CLASSES = ("benign", "malignant")
LEVELS = tuple(round(k / 20, 2) for k in range(21))  # of the quantiles that are shown
QUANTILE_DIGITS = 5
ABOUT = (
    "KS distance in [0, 1] between release and held-out real images; floor: the same between real "
    "images of other patients, brought to these sizes; interval: 95 % bootstrap, by patient"
)


def compare(release: Path, reference: Reference, max_samples: int = 1000) -> dict[str, Any]:
    """Return the distances between a release and a reference.

    At most `max_samples` images are measured; of a larger release whole row groups are picked at
    random, always the same ones. Raises `DataError` if the release has no readable samples.

    It holds ``headline`` and ``scores`` by class, each {name: {value, n, n_real, interval, floor}};
    a score has its ``group`` and both sides' quantiles at ``levels`` too (``quantiles``,
    ``real_quantiles``); ``skipped`` {name: reason} for what has fewer than 20 images on a side.
    ``pooled`` (lesions of both classes, each side in its own mix) and ``scanners`` {scanner: ...}
    (all lesions of the release against the real ones of a scanner) hold ``n``, ``n_real`` and a
    ``headline`` each. ``about``, ``reference`` (sources, n), ``n_measured``.
    """
    table, n, own = _measure_classes(release, reference, max_samples)
    real = {term: _real(reference.samples, term) for term in CLASSES}
    headline: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for term in CLASSES:
        found, few = score(own[term], real[term], term)
        headline |= {f"{name}.{term}": one for name, one in _mean(found).items()}
        skipped |= {f"ks_{name}.{term}": reason for name, reason in few.items()}
        for name, one in found.items():
            scores[f"ks_{name}.{term}"] = summarise([one]) | {
                "group": group_name(name),
                "quantiles": _quantiles(own[term][name]),
                "real_quantiles": _quantiles(real[term][name]),
            }
    words, known = descriptor_auc(table, "family_id"), reference.facts.get("descriptor_auc")
    if words is not None and known is not None:  # the floor is real data's
        headline["descriptor_auc"] = words | {"n_real": known["n"], "floor": known["value"]}
    lesions = pd.concat(own.values())
    return {
        "about": ABOUT,
        "n_measured": n,
        "reference": {
            "sources": reference.facts.get("sources", []),
            "n": {term: len(real[term]) for term in CLASSES},
        },
        "headline": headline,
        "levels": list(LEVELS),
        "scores": scores,
        "skipped": skipped,
        "pooled": _pool(lesions, pd.concat(real.values()), "pooled"),
        "scanners": _by_scanner(lesions, reference.samples),
    }


def _measure_classes(release: Path, reference: Reference, max_samples: int) -> Measured:
    """Return the release's rows, how many are measured, and what is measured by class.

    Judges' scores are left out where other judges scored the reference.
    """
    table, rows = measure(release, int(reference.facts["size_px"]), max_samples)
    own = {
        term: pd.DataFrame([s for name, s in rows if name == term], dtype=np.float32).astype(float)
        for term in CLASSES  # in the precision of the reference
    }
    path = release / "provenance.json"
    plan = read_json(path).get("plan", {}) if path.is_file() else {}
    judges = plan.get("judges_sha256") if isinstance(plan, dict) else None
    if judges != reference.facts.get("judges_sha256"):
        own = {term: side.drop(columns=[*JUDGED], errors="ignore") for term, side in own.items()}
    return table, len(rows), own


def score(own: pd.DataFrame, real: pd.DataFrame, name: str) -> tuple[Distances, dict[str, str]]:
    """Return the distance of each statistic that both sides have, and why others have none.

    Columns are statistics, NaN where one does not apply; the index of `real` is the patient.
    `name` decides the resamples: the same for all statistics, because they go into one mean.
    """
    own = own.reindex(columns=real.columns)
    sizes = {str(key): (int(own[key].count()), int(real[key].count())) for key in real}
    few = {
        key: f"n {ours}, n_real {theirs}: below {MIN_N}"
        for key, (ours, theirs) in sizes.items()
        if min(ours, theirs) < MIN_N
    }
    if len(few) == len(sizes):
        return {}, few
    draws = make_draws(len(own), real.index.to_numpy(), rng(0, f"compare/{name}"))
    pairs = {key: (own[key].to_numpy(), real[key].to_numpy()) for key in sizes if key not in few}
    return {key: ks_distance(*pair, draws) for key, pair in pairs.items()}, few


def _mean(found: Distances) -> dict[str, Any]:
    """Return the mean distance of each group of statistics, ``ks_<group>``."""
    members = {g: [found[n] for n in names if n in found] for g, names in GROUPS.items()}
    return {f"ks_{group}": summarise(ones) for group, ones in members.items() if ones}


def _quantiles(values: pd.Series) -> list[float]:
    return [float(f"{q:.{QUANTILE_DIGITS}g}") for q in np.nanquantile(values, LEVELS)]


def _pool(own: pd.DataFrame, real: pd.DataFrame, name: str) -> dict[str, Any]:
    headline = _mean(score(own, real, name)[0])
    return {"n": len(own), "n_real": len(real), "headline": headline}


def _by_scanner(own: pd.DataFrame, samples: pa.Table) -> dict[str, Any]:
    """Return all lesions of the release against the real ones of each scanner with enough."""
    counted = samples["scanner"].value_counts().to_pylist()
    found = {}
    for name in sorted(row["values"] for row in counted if row["counts"] >= MIN_N):
        part = samples.filter(pc.equal(samples["scanner"], name))
        real = pd.concat([_real(part, term) for term in CLASSES])
        if len(real) >= MIN_N:
            found[name] = _pool(own, real, f"scanner/{name}")
    return found


def _real(samples: pa.Table, pathology: str) -> pd.DataFrame:
    """Return a class of the reference, its statistics and what judges said of it, by patient."""
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
    return pd.DataFrame(columns, index=rows["patient"].to_numpy().astype(np.int64))
