"""Benchmark of the clinical prior: would a radiologist believe the findings.

In: BrEaST and the table of BUSI-WHU in $BUSGEN_REAL, or ../shared/data beside the checkout. Out:
figures of findings drawn from the prior that ships. Real lesions are BrEaST's of held-out patients
where the prior was fitted to sizes; the class is told from all 252, crossed, since single splits
are too small. Intervals are 95 %, over draws of lesions; of drawn findings the range.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from busgen import schema
from busgen.arrays import Bools, Floats
from busgen.bench.harness import Figure, Figures, measure_time, read_bars, share
from busgen.bench.masks.outlines import distances
from busgen.bench.real.reading import find_folder
from busgen.errors import UnfilledError, UserError
from busgen.factory import rounds
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.io import read_json, read_toml
from busgen.params.generate import GenerateParams
from busgen.priors import contradictions
from busgen.priors.draw import draw
from busgen.priors.findings import to_row
from busgen.priors.network import POOLED, load_prior
from busgen.real.prepare import prepare
from busgen.stats.patients import interval
from busgen.stats.roc import auc, auc_score

SEED = 20261130
DRAWN = 100_000
FOLDS, SAMPLES = 10, 20
_NAMED = ("shape", "orientation", "margin", "echo_pattern", "posterior", "halo", "calcification")
TERMS = {name: schema.BY_NAME[name].values or ("True",) for name in _NAMED}
LESIONS = ("benign", "malignant")
WHU = "BUSI-WHU/information.csv"
N, RUNS, SIDE = 40, 200, 64  # of small requests: findings, runs, side of their images
CONDITIONS = read_toml(Path(__file__).with_name("conditions.toml"))["conditions"]
COUNTS = {"pathology.malignant": 13, "pathology.benign,shape.oval": 12}

BARS = read_bars("priors")

Row = Mapping[str, Any]
Interval = tuple[float, float]
Counts = dict[str, int]


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; takes ten minutes. `quick` draws fewer: a rehearsal, no result."""
    source, count = find_folder(), DRAWN // 50 if quick else DRAWN
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        folder = Path(scratch) / "real"
        prepare({"breast": source / "BrEaST"}, folder, lambda _: None)
        splits = pq.read_table(folder / "cohort" / "cohort.parquet", columns=["sample_id", "split"])
        split = dict(zip(*(column.to_pylist() for column in splits.columns), strict=True))
        breast = pq.read_table(folder / "breast" / "table.parquet").to_pylist()
    real = [row for row in breast if row["pathology"] in LESIONS]
    held_out = [row for row in real if split[row["sample_id"]] in ("validation", "test")]
    prior, drawn = load_prior(), list[Any]()
    seconds = measure_time(lambda: drawn.extend(draw(prior, count, SEED)))
    rows = [to_row(finding) for finding in drawn]
    lesions = [row for row in rows if row["pathology"] in LESIONS]
    rules = contradictions.load()
    broken = sum(any(rule.matches(row) for rule in rules) for row in rows)
    return {
        "contradictions": Figure(broken, "findings", len(rows)),
        "draw_100000_s": Figure(seconds * DRAWN / count, "s", count),
        **_classes(real, lesions, _read_sizes(source / WHU)),
        **_pairs(),
        **_sizes(held_out, lesions),
        **_requests(quick=quick),
    }


def _read_sizes(path: Path) -> tuple[Floats, Bools]:
    """Return areas (N,) of BUSI-WHU's lesions as published, and which are malignant.

    Raises `UserError` if the table is not there.
    """
    if not path.is_file():
        raise UserError("this benchmark needs the table of BUSI-WHU", f"no {path}", "put it there")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    areas = np.array([float(row["mask_area_cm2"]) for row in rows])
    return areas, np.array([row["malignant"] == "1" for row in rows])


def _classes(real: Sequence[Row], lesions: Sequence[Row], whu: tuple[Floats, Bools]) -> Figures:
    """Return how well the class is told, of real lesions and of samples of drawn ones as large."""
    measured: Figures = {}
    areas, malignant = whu
    rng = np.random.default_rng(SEED)
    size = np.array([row["width_mm"] * row["height_mm"] for row in lesions])
    truth = np.array([row["pathology"] == "malignant" for row in lesions])
    own = auc(malignant, areas)
    low, high = interval(auc_score(malignant, areas), np.arange(len(areas)), rng)
    measured["class_auc_size_real"] = Figure(own, "AUC", len(areas), (low, high))
    measured["class_auc_size"] = Figure(auc(truth, size), "AUC", len(truth))
    for name, sized in (("descriptors", False), ("both", True)):
        known = np.array([row["pathology"] == "malignant" for row in real])
        value, ends = _crossed(_columns(real, sized=sized), known, rng)
        measured[f"class_auc_{name}_real"] = Figure(value, "AUC", len(real), ends)
        columns, counts = _columns(lesions, sized=sized), (int((~known).sum()), int(known.sum()))
        values = []
        for _ in range(SAMPLES):
            parts = zip((~truth, truth), counts, strict=True)
            picks = [rng.choice(np.flatnonzero(kind), n, replace=False) for kind, n in parts]
            pick = np.concatenate(picks)
            values.append(_crossed(columns[pick], truth[pick], rng)[0])
        found = (min(values), max(values))
        measured[f"class_auc_{name}"] = Figure(float(np.mean(values)), "AUC", len(real), found)
    for name in ("descriptors", "size", "both"):
        one, other = (measured[f"class_auc_{name}{end}"] for end in ("", "_real"))
        measured[f"class_auc_{name}_gap"] = Figure(abs(one.value - other.value), "AUC", other.n)
    return measured


def _columns(rows: Sequence[Row], *, sized: bool) -> Floats:
    """Return one column (N, columns) a term, and the logarithms of both sides."""
    columns = []
    for name, terms in TERMS.items():
        for term in terms:
            values = (row[name] for row in rows)
            columns.append([term in v if isinstance(v, list) else str(v) == term for v in values])
    if sized:
        columns += [[np.log(row[side]) for row in rows] for side in ("width_mm", "height_mm")]
    return np.array(columns, np.float64).T


def _crossed(columns: Floats, truth: Bools, rng: np.random.Generator) -> tuple[float, Interval]:
    """Return the mean AUC of a logistic regression over folds, and its interval."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    model = LogisticRegression(max_iter=2000)
    scores = cross_val_score(model, columns, truth, cv=folds, scoring="roc_auc")
    half = 1.96 * float(scores.std(ddof=1)) / FOLDS**0.5
    value = float(scores.mean())
    return value, (value - half, min(value + half, 1.0))


def _pairs() -> Figures:
    """Return the share of pairs of descriptors whose dependence held-out patients do not have."""
    pairs = read_json(POOLED.with_suffix(".checks.json"))["predictive"]["pairs"]
    outside = sum(not pair["within"] for pair in pairs)
    return {"pairs_outside": Figure(outside / len(pairs), "share", len(pairs))}


def _sizes(held_out: Sequence[Row], lesions: Sequence[Row]) -> Figures:
    """Return KS distances of sizes in millimetres, in limits of as many real lesions."""
    real, drawn = (
        {label: _millimetres([r for r in rows if r["pathology"] == label]) for label in LESIONS}
        for rows in (held_out, lesions)
    )
    return {f"{name}_in_limits": own for name, own in distances(drawn, real).items()}


def _millimetres(rows: Sequence[Row]) -> dict[str, Floats]:
    """Return each size of lesions: mm, but for the aspect and mm2 of the area."""
    width, height = (np.array([row[f"{side}_mm"] for row in rows]) for side in ("width", "height"))
    depth = np.array([_depth(row) for row in rows])
    return {"width": width, "height": height, "aspect": width / height, "area": width * height,
            "depth": depth}  # fmt: skip


def _depth(row: Row) -> float:
    """Return the depth of a lesion's centre below the top of its square image, mm."""
    if "crop_center_y" in row:
        return float(row["crop_center_y"] * row["width_mm"] / row["crop_width"])
    return float(row["center_y"] * row["pixel_mm"] * 256)


def _requests(*, quick: bool = False) -> Figures:
    """Return the share of runs that end, of the default and twenty conditions, and of exact counts.

    Images are the phantom's, 64 px: what is asked is whether gates and attempts fill a request, not
    how it looks. `quick` makes one run with counts and one without.
    """
    runs, counted = (1, 1) if quick else (RUNS, RUNS // 10)
    met = [_run(CONDITIONS[k % len(CONDITIONS)], k) is not None for k in range(runs)]
    exact = [_run((), k, COUNTS) == COUNTS for k in range(counted)]
    return {"requests_met": share(sum(met), runs), "counts_exact": share(sum(exact), counted)}


def _run(where: tuple[str, ...], seed: int, counts: Counts | None = None) -> Counts | None:
    """Return how many accepted findings of each of `COUNTS` a run has, None if it is not met."""
    params = GenerateParams(
        n=N, size_px=SIDE, seed=seed, where=where, counts=counts or {}, engine="phantom",
        mask_engine="curvature",
    )  # fmt: skip
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        try:
            rounds.run(resolve(params), Path(scratch), run_shards)
        except UnfilledError:
            return None
        rows = pq.read_table(Path(scratch) / "index.parquet").to_pylist()
    found = [(row["pathology"], row["shape"]) for row in rows if row["accepted"]]
    malignant = sum(pathology == "malignant" for pathology, _ in found)
    return dict(zip(COUNTS, (malignant, found.count(("benign", "oval"))), strict=True))
