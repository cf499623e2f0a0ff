"""For whom it works: the headline score by scanner, size, BI-RADS, descriptor; the shortcut test.

In: predictions, real data. Out: predictions with the columns `ADDED`, what is known of the test
patients beside their class: their split, and how radiologists read them; records for
`metrics.json`.
Explorations: intervals, no p-values, and nothing where patients are too few to tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from busgen.downstream.arms import BASE, PRIMARY
from busgen.downstream.data.pools import SIZES
from busgen.downstream.data.real_images import RealData
from busgen.downstream.results.compare import HEADLINE, KEYS, score
from busgen.real.cohort import read_rows
from busgen.stats.roc import auc
from busgen.stats.two_way_bootstrap import estimate, patient_weights, resample

ARMS = (BASE, PRIMARY, "synthetic")
LEAST = 20  # patients, and half as many of each class: fewer are refused
DRAWS = 4000
CALLIPER = 0.2  # of the standard deviation of log size (Austin 2011, doi:10.1002/pst.433)

FINDINGS = ("birads", "shape", "orientation", "margin", "echo_pattern", "posterior")
ADDED = ("split", *FINDINGS)

Record = dict[str, Any]
Words = dict[str, str | None]


def read_findings(real: RealData) -> dict[str, Words]:
    """Return what is known of each image by its name, missing where it is not.

    Several margins stand in one word, joined with "+".
    """
    columns = ["sample_id", *FINDINGS]
    rows = read_rows(real.tables, real.cohort, columns=columns, usable=lambda _: True)
    return {row["sample_id"]: {name: _to_text(row[name]) for name in ADDED} for row in rows}


def join(predictions: pa.Table, known: Mapping[str, Words]) -> pa.Table:
    """Return predictions with what is known of each image, text."""
    own = [known[name] for name in predictions["sample_id"].to_pylist()]
    for name in ADDED:
        column = pa.array([row[name] for row in own], pa.string())
        predictions = predictions.append_column(pa.field(name, pa.string()), column)
    return predictions


def _to_text(value: object) -> str | None:
    if isinstance(value, list):
        return "+".join(sorted(map(str, value))) or None
    return None if value is None else str(value)


def score_groups(predictions: pd.DataFrame) -> list[Record]:
    """Return ``task, train, test, arm, by, group, n, patients`` and ``metric, value, interval``.

    Or ``refused``, the reason, where there are fewer than `LEAST` patients, or for AUC fewer than
    half as many of either class. Margins that stand together count as one group; sizes are
    terciles of the test lesions' share of the image.
    """
    records = []
    for keys, runs in _tests(predictions):
        shares = runs[0]["lesion_share"]
        cuts = np.searchsorted(np.quantile(shares, [1 / 3, 2 / 3]), shares)
        first = runs[0].assign(size=[SIZES[k] for k in cuts])
        for name in ("scanner", "size", *FINDINGS):
            for group, rows in first.groupby(name, sort=True):
                own = [run.loc[rows.index] for run in runs]
                records.append(keys | {"by": name, "group": str(group)} | _score(keys, own))
    return records


def match_sizes(predictions: pd.DataFrame) -> list[Record]:
    """Return the AUC where benign and malignant test lesions are equally large, for each arm.

    Each malignant lesion is paired with the benign one that is nearest in log size, within
    `CALLIPER`, each once. ``size_auc`` what size alone tells, of all and of the matched: what it
    still tells there is what the pairing left. A model that sees size alone falls to .5.
    """
    records = []
    for keys, runs in _tests(predictions):
        if keys["task"] != "classification":
            continue
        own = [run.loc[runs[0].index[_match(runs[0])]] for run in runs]
        sizes: dict[str, float | None] = {}
        for name, rows in (("all", runs[0]), ("matched", own[0])):
            malignant = (rows["pathology"] == "malignant").to_numpy(np.bool_)
            value = auc(malignant, rows["lesion_share"].to_numpy(np.float64))
            sizes[name] = value if np.isfinite(value) else None
        records.append(keys | {"size_auc": sizes} | _score(keys, own))
    return records


def _tests(predictions: pd.DataFrame) -> Iterator[tuple[Record, Sequence[pd.DataFrame]]]:
    """Yield the runs of each training set, test and arm that is examined, rows by image."""
    known, names = predictions[predictions["arm"].isin(ARMS)], [*KEYS, "arm"]
    for place, rows in known.groupby(names, sort=False):
        named = rows.set_index("sample_id").sort_index()
        yield dict(zip(names, place, strict=True)), [run for _, run in named.groupby("seed")]


def _score(keys: Mapping[str, Any], runs: Sequence[pd.DataFrame]) -> Record:
    rows, metric = runs[0], HEADLINE[keys["task"]]
    record: Record = {"n": len(rows), "patients": int(rows["patient"].nunique())}
    by_class = rows.groupby("pathology")["patient"].nunique()
    fewest = min(by_class.get(name, 0) for name in ("malignant", "benign"))
    if record["patients"] < LEAST:
        return record | {"refused": f"fewer than {LEAST} patients"}
    if metric == "auc" and fewest < LEAST // 2:
        return record | {"refused": f"fewer than {LEAST // 2} patients of a class"}
    weights = patient_weights(rows["patient"].to_numpy(np.str_), DRAWS)
    scores = [score(keys["task"], run)[metric] for run in runs]
    found = estimate(resample(scores, weights, str(keys["arm"])))
    if found is None:
        return record | {"refused": "not defined"}
    return record | {"metric": metric, "value": found.value, "interval": list(found.interval)}


def _match(rows: pd.DataFrame) -> list[int]:
    """Return the numbers of the rows that have a partner, largest malignant lesions first."""
    sizes = np.log(rows["lesion_share"].to_numpy(np.float64))
    malignant = (rows["pathology"] == "malignant").to_numpy(np.bool_)
    free, kept = list(np.flatnonzero(~malignant)), []
    reach = CALLIPER * float(sizes.std())
    for one in sorted(np.flatnonzero(malignant), key=lambda k: -sizes[k]):
        if not free:
            break
        nearest = min(free, key=lambda k: abs(sizes[k] - sizes[one]))
        if abs(sizes[nearest] - sizes[one]) <= reach:
            free.remove(nearest)
            kept += [int(one), int(nearest)]
    return sorted(kept)
