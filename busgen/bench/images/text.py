"""Control by words: what is measured in images by the term that was asked for.

In: real lesions with the terms that their readers state, findings and the images rendered of them.
Out: AUCs, the same on real lesions beside them.

Terms: measures of what surrounds and fills a lesion. Nothing here is fitted, so that all of
BrEaST's patients may count; its held-out ones stand beside, though they are few. Which measure goes
with which terms was chosen on its training patients: the ratio tells anechoic from hypoechoic with
.88, the difference with .73.

Tissue: BrEaST's training patients fit a logistic regression on what is measured on whole images;
grey levels differ more by machine than by tissue, so that every statistic is put in units of its
own machine's images first. On real patients it tells little: see the figure beside.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from busgen.arrays import Bools, Floats, Names, Pixels
from busgen.bench.harness import Figure, Figures, auc_score, drop_missing, interval
from busgen.bench.images import findings
from busgen.imaging.statistics import GROUPS, measure_image
from busgen.imaging.surroundings import echo_level, posterior_band, rim_level
from busgen.schema import TISSUES
from busgen.stats import roc
from busgen.stats.patients import Score, mean_score

Measure = Callable[[Pixels, Pixels], float]
Rows = Sequence[Mapping[str, Any]]
CHANCE = 0.5
FEWEST = 5  # images of either term: fewer tell nothing


@dataclass(frozen=True)
class Pair:
    """Two terms of a field, and the measure that is higher where `high` is what the text says."""

    name: str
    field: str
    low: object
    high: object
    measure: str


CONTRASTS = (
    Pair("anechoic", "echo_pattern", "anechoic", "hypoechoic", "darkness"),
    Pair("isoechoic", "echo_pattern", "hypoechoic", "isoechoic", "echo"),
    Pair("hyperechoic", "echo_pattern", "hypoechoic", "hyperechoic", "echo"),
    Pair("enhancement", "posterior", "none", "enhancement", "posterior"),
    Pair("shadowing", "posterior", "shadowing", "none", "posterior"),
    Pair("halo", "halo", False, True, "rim"),
)
SIGNS = {"enhancement": 1, "shadowing": -1}  # of the band below the lesion
MEASURES: Mapping[str, Measure] = {  # grey inside as a difference, as a ratio; below; of the rim
    "echo": lambda image, mask: echo_level(image, mask).level,
    "darkness": lambda image, mask: echo_level(image, mask).darkness,
    "posterior": posterior_band,
    "rim": rim_level,
}
FEWEST_TISSUE = 2  # images of a tissue: with one its AUC is a single comparison's
STATISTICS = (
    *(name for name in GROUPS["grey"] if name != "contrast"),
    *GROUPS["depth"],
    "speckle_axial_px",
    "speckle_lateral_px",
    "spectrum_slope",
)
STRENGTH = 0.1  # inverse of the regression's penalty: some 150 images, 30 statistics


def figures(
    real: findings.Lesions,
    held_out: findings.Lesions,
    request: findings.Request,
    generated: Mapping[str, Pixels],
    subject: str,
) -> Figures:
    """Return how well terms and tissue can be told, on real and on rendered images.

    `real` are all crops of the dataset whose readers state their terms; `request` and `generated`
    (engine -> images) stand for the `held_out` crops of all datasets; `subject` is the engine whose
    shortfall counts.
    """
    groups, lesions = held_out.crops.groups, held_out.crops.is_labelled
    own, outlined = real.crops, real.crops.is_labelled
    unseen = np.array([row["split"] != "train" for row in real.rows], np.bool_)
    stated = [vars(finding) for finding in request.findings]
    rendered = {
        name: make_lesions(images, request.masks, stated, groups).pick(lesions)
        for name, images in generated.items()
    }
    read = make_lesions(own.images, own.masks, real.rows, own.groups).pick(outlined)
    terms = _term_figures(rendered, read, unseen[outlined], subject)
    learned, truth = (  # training patients' images let the tissue be told on others
        make_examples(crops.images, crops.datasets, [row["tissue"] for row in rows], crops.groups)
        for crops, rows in ((part.crops, part.rows) for part in map(real.pick, (~unseen, unseen)))
    )
    tissue, devices = [one.tissue for one in request.findings], np.array(request.devices)
    model = fit(learned)
    told = {"tissue_auc_real": measure(model, truth)}
    for name, images in generated.items():
        examples = make_examples(images, devices, tissue, groups)
        told[f"tissue_auc_{name}"] = measure(model, examples)
    return terms | drop_missing(told)


@dataclass(frozen=True)
class Lesions:
    """Lesions as measured: measure -> (N,) values, NaN where it has none; terms; patients (N,)."""

    values: Mapping[str, Floats]
    terms: Rows
    groups: Names

    def pick(self, chosen: Bools) -> "Lesions":
        """Return the lesions that are `chosen`."""
        terms = [row for row, wanted in zip(self.terms, chosen, strict=True) if wanted]
        values = {name: column[chosen] for name, column in self.values.items()}
        return Lesions(values, terms, self.groups[chosen])


def make_lesions(images: Pixels, masks: Pixels, terms: Rows, groups: Names) -> Lesions:
    """Measure lesions: images and masks (N, S, S), the terms asked for, patients (N,)."""
    pairs = list(zip(images, masks, strict=True))
    values = {
        name: np.array([measure(image, mask) for image, mask in pairs], np.float64)
        for name, measure in MEASURES.items()
    }
    return Lesions(values, terms, groups)


def _measure_contrast(lesions: Lesions, contrast: Pair, stream: str) -> Figure | None:
    """Return the AUC by which a measure tells the two terms; None with too few of either."""
    request = [row[contrast.field] for row in lesions.terms]
    high = np.array([term == contrast.high for term in request], np.bool_)
    low = np.array([term == contrast.low for term in request], np.bool_)
    values = lesions.values[contrast.measure]
    used = (high | low) & ~np.isnan(values)
    if min((high & used).sum(), (low & used).sum()) < FEWEST:
        return None
    return interval(roc.auc_score(high[used], values[used]), lesions.groups[used], "AUC", stream)


def _term_figures(
    generated: Mapping[str, Lesions], breast: Lesions, held_out: Bools, subject: str
) -> Figures:
    """Return the AUC of every contrast by engine and on real lesions, and the largest shortfall.

    `generated` are each engine's lesions with the terms asked for, `breast` BrEaST's with those
    that its readers state, `held_out` (N,) which of these are no training patients'.
    """
    sets = {"real": breast, "real_held_out": breast.pick(held_out), **generated}
    measured: dict[str, Figure | None] = {}
    for name, lesions in sets.items():
        for contrast in CONTRASTS:
            key = f"terms_{contrast.name}_{name}"
            measured[key] = _measure_contrast(lesions, contrast, f"terms {contrast.name}")
        measured |= _bands(lesions, name)
    return drop_missing(measured | {"terms_gap_worst": _shortfall(measured, subject)})


def _shortfall(measured: Mapping[str, Figure | None], subject: str) -> Figure | None:
    """Return by how much the engine's AUC is below the real one where it is worst.

    Terms that the measure cannot tell on real lesions, by its interval, are no test of an engine.
    """
    gaps = []
    for contrast in CONTRASTS:
        real, own = (measured[f"terms_{contrast.name}_{name}"] for name in ("real", subject))
        if real is not None and own is not None and real.interval and real.interval[0] > CHANCE:
            gaps.append(Figure(real.value - own.value, "AUC", min(real.n, own.n)))
    return max(gaps, key=lambda gap: gap.value, default=None)


def _bands(lesions: Lesions, name: str) -> dict[str, Figure | None]:
    """Return, by posterior feature, the band's median level and how often its sign is right."""
    measured: dict[str, Figure | None] = {}
    for term, sign in SIGNS.items():
        rows = np.array([row["posterior"] == term for row in lesions.terms], np.bool_)
        values = lesions.values["posterior"][rows]
        known = ~np.isnan(values)
        levels, groups = values[known], lesions.groups[rows][known]
        measured[f"band_{term}_{name}"] = interval(_median(levels), groups, "sd", "band")
        right = (np.sign(levels) == sign).astype(np.float64)
        measured[f"band_{term}_sign_{name}"] = interval(mean_score(right), groups, "share", "sign")
    return measured


def _median(values: Floats) -> Score:
    return lambda rows: float(np.median(values[rows]))


@dataclass(frozen=True)
class Examples:
    """Statistics (N, statistics) in units of their machine, tissues (N,), patients (N,)."""

    statistics: Floats
    tissues: Names
    groups: Names


def make_examples(
    images: Pixels, machines: Names, tissues: Sequence[str | None], groups: Names
) -> Examples:
    """Return what is measured on images (N, S, S) whose tissue is told."""
    empty = np.zeros(images.shape[1:], np.uint8)
    rows = [measure_image(image, empty, None) for image in images]
    found = np.array([[row.get(name, np.nan) for name in STATISTICS] for row in rows])
    for machine in np.unique(machines):
        own = machines == machine
        found[own] = StandardScaler().fit_transform(found[own])  # NaN stay NaN
    measured = np.array([tissue in TISSUES for tissue in tissues], np.bool_)
    words = np.array([str(tissue) for tissue in tissues])
    return Examples(np.nan_to_num(found)[measured], words[measured], groups[measured])


def fit(training: Examples) -> LogisticRegression:
    """Return the regression of tissue on statistics, tissues equally weighted."""
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000)
    return model.fit(training.statistics, training.tissues)


def measure(model: LogisticRegression, seen: Examples) -> Figure | None:
    """Return the mean AUC of each tissue against the others; None where one is too rare."""
    of = seen.tissues == np.array(sorted(TISSUES))[:, None]
    if of.sum(axis=1).min() < FEWEST_TISSUE:
        return None
    probabilities = model.predict_proba(seen.statistics).T
    return interval(auc_score(of, probabilities), seen.groups, "AUC", "tissue")
