"""Benchmark of the clinical prior: would a radiologist believe the findings.

In: BrEaST, BUS-BRA, BUSI and the table of BUSI-WHU in $BUSGEN_REAL, or ../shared/data beside the
checkout. Out: figures of findings drawn from the prior that ships. Real lesions are BrEaST's of
held-out patients where the prior was fitted to sizes in millimetres, all three datasets' for width
over height, which needs no scale; the class is told from all 252, crossed, since single splits are
too small. Intervals are 95 %, over draws of lesions; of drawn findings the range.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from busgen import schema
from busgen.arrays import Bools, Floats
from busgen.bench.harness import Figure, Figures, measure_time, read_bars, share
from busgen.bench.masks.outlines import distances
from busgen.bench.real.reading import FOLDERS, find_folder
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
from busgen.real.cohort import PLAIN, find_cohort, find_tables, read_rows
from busgen.real.prepare import prepare
from busgen.stats.patients import interval
from busgen.stats.roc import auc, auc_score

SEED = 20261130
DRAWN = 100_000
FOLDS, SAMPLES = 10, 20
_NAMED = ("shape", "orientation", "margin", "echo_pattern", "posterior", "halo", "calcification")
TERMS = {name: schema.BY_NAME[name].values or ("True",) for name in _NAMED}
LESIONS = ("benign", "malignant")
SIZED = "breast"  # the dataset with millimetres
SIZES = ("width", "height", "aspect", "area", "depth")
ASPECT = "aspect"
WHU = "BUSI-WHU/information.csv"
N, RUNS, SIDE = 40, 200, 64  # of small requests: findings, runs, side of their images
CONDITIONS = read_toml(Path(__file__).with_name("conditions.toml"))["conditions"]
COUNTS = {"pathology.malignant": 13, "pathology.benign,shape.oval": 12}

BARS = read_bars("priors")

Row = Mapping[str, Any]
Interval = tuple[float, float]
Counts = dict[str, int]
Sizes = tuple[float, float, float, float, float]  # of SIZES; depth of the centre below the top


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; takes ten minutes. `quick` draws fewer: a rehearsal, no result."""
    source, count = find_folder(), DRAWN // 50 if quick else DRAWN
    known = _read_lesions(source, (SIZED,) if quick else tuple(FOLDERS))
    real = [row for row in known if row["dataset"] == SIZED]
    held_out = [row for row in known if row["split"] in ("validation", "test")]
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


def _read_lesions(source: Path, names: Sequence[str]) -> list[Row]:
    """Return the lesions of datasets in `source`, each with its split."""
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        folder = Path(scratch) / "real"
        prepare({name: source / FOLDERS[name] for name in names}, folder, lambda _: None)
        rows = read_rows(find_tables(folder), find_cohort(folder), columns=PLAIN, usable=bool)
        return [row for row in rows if row["pathology"] in LESIONS and row["crop_width"]]


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
    """Return KS distances of sizes, in limits of as many real lesions.

    That of width over height is from all of `held_out`; from BrEaST's alone it stands beside.
    """
    sized = [row for row in held_out if row["dataset"] == SIZED]
    drawn, near = _by_class(lesions, _drawn_sizes), _by_class(sized, _real_sizes)
    measured = {f"{name}_in_limits": own for name, own in distances(drawn, near).items()}
    every = _by_class(held_out, _real_sizes)
    ratios = [{label: {ASPECT: own[ASPECT]} for label, own in x.items()} for x in (drawn, every)]
    for name, own in distances(*ratios).items():
        measured[f"{name}_in_limits_breast"] = measured[f"{name}_in_limits"]
        measured[f"{name}_in_limits"] = own
    return measured


def _by_class(rows: Sequence[Row], measure: Callable[[Row], Sizes]) -> dict[str, dict[str, Floats]]:
    """Return each class's sizes: mm, mm2 of the box's area, the ratio of width to height."""
    own = {label: [measure(row) for row in rows if row["pathology"] == label] for label in LESIONS}
    return {c: dict(zip(SIZES, np.array(x, np.float64).T, strict=True)) for c, x in own.items()}


def _drawn_sizes(row: Row) -> Sizes:
    width, height = row["width_mm"], row["height_mm"]
    return width, height, width / height, width * height, row["center_y"] * row["pixel_mm"] * 256


def _real_sizes(row: Row) -> Sizes:
    """Return NaN for lengths of a lesion whose scale is not known."""
    across, high = row["crop_width"], row["crop_height"]
    side = np.nan if row["width_mm"] is None else row["width_mm"] / across
    width, height = across * side, high * side
    return width, height, across / high, width * height, row["crop_center_y"] * side


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
