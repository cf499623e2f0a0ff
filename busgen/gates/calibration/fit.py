"""Learn what gates know of real pictures: their look, their lesions, masks that are theirs.

In: pictures and masks of training patients, the judges. Out: `busgen/assets/gates`, numbers alone:
means, covariances, weights. No bound is learned here: those come from validation patients
(`busgen.gates.calibration.bounds`). `busgen dev fit gates` runs it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from busgen.gates import mask_fit
from busgen.gates.calibration.faults import Pair, swapped
from busgen.gates.calibration.pairs import clean_pairs
from busgen.gates.image_checks import BANDS, LOOK, SIDE, Look, statistics_of
from busgen.gates.lesion_intensity import LESIONS, LEVELS, SHOWN, Regions, Terms, numbers_of, shown
from busgen.gates.mask_fit import FIT, MaskFit
from busgen.imaging.resize import resize
from busgen.io import dumps, replacing, write_text
from busgen.judges.judges import load_judges
from busgen.real.cohort import canonical_tables, cohort_file
from busgen.real.crops import shippable_splits, weights_may_ship
from busgen.seeds import rng

PENALTY = (
    0.1  # scikit-learn's C: small, for there are as many statistics as a tenth of the pictures
)
FEWEST = 7  # lesions that teach a term: BrEaST's hyperechoic ones
SWAPS = 2  # masks of other lesions shown beside each lesion's own
AT_ONCE = 64
DECIMALS = 6
SEED = 0

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Segment = Callable[[Pixels], NDArray[np.float32]]


def fit_look(images: Pixels) -> Look:
    """Return the look of pictures (N, S, S) uint8, as they are against upside down."""
    plain = np.stack([statistics_of(resize(image, SIDE)) for image in images])
    turned = np.stack(
        [statistics_of(np.ascontiguousarray(resize(one, SIDE)[::-1])) for one in images]
    )
    scaler = StandardScaler().fit(plain)
    shown = scaler.transform(np.concatenate([plain, turned]))
    model = LogisticRegression(C=PENALTY, max_iter=3000)
    model.fit(shown, np.repeat([1, 0], len(plain)))
    whitening = np.stack([_whitening(plain[:, band::BANDS]) for band in range(BANDS)])
    return Look(scaler.mean_, whitening, model.coef_[0] / scaler.scale_, float(model.intercept_[0]))


def _whitening(statistics: Floats) -> Floats:
    """Return (D, D) that makes the shrunk covariance of statistics (N, D) that of white noise."""
    scaler = StandardScaler().fit(statistics)
    precision = LedoitWolf().fit(scaler.transform(statistics)).precision_
    return np.asarray(np.linalg.cholesky(precision) / scaler.scale_[:, None], np.float64)


def fit_masks(images: Pixels, masks: Pixels, segment: Segment) -> MaskFit:
    """Return what tells the masks (N, S, S) {0, 1} of pictures from those of other lesions."""
    own, other, others = [], [], list(masks)
    for start in range(0, len(images), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        chances = segment(images[part])
        for k, (image, mask, chance) in enumerate(
            zip(images[part], masks[part], chances, strict=True), start
        ):
            own.append(mask_fit.numbers_of(image, mask, chance))
            for number in range(SWAPS):
                pick = rng(SEED, f"swap {k} {number}")
                wrong = swapped(Pair(image, mask, None), others, pick).mask
                other.append(mask_fit.numbers_of(image, wrong, chance))
    return _quadratic(np.array(own), np.array(other))


def _quadratic(own: Floats, other: Floats) -> MaskFit:
    """Return a logistic regression on standardised numbers, their squares and products."""
    scaler = StandardScaler().fit(np.concatenate([own, other]))
    shown = scaler.transform(np.concatenate([own, other]))
    products = PolynomialFeatures(2, include_bias=False)
    terms = products.fit_transform(shown)
    even = StandardScaler().fit(terms)
    model = LogisticRegression(C=PENALTY, max_iter=3000)
    model.fit(even.transform(terms), np.repeat([1, 0], [len(own), len(other)]))
    weights = model.coef_[0] / even.scale_
    size = own.shape[1]
    quadratic = np.zeros((size, size))
    quadratic[np.triu_indices(size)] = weights[size:]  # in the order of `PolynomialFeatures`
    constant = float(model.intercept_[0] - weights @ even.mean_)
    return MaskFit(scaler.mean_, scaler.scale_, weights[:size], quadratic, constant)


def fit_regions(numbers: Floats) -> Regions:
    """Return what the regions of lesions look like, by `NUMBERS` (N, 10) of those all seen."""
    levels = numbers[:, : len(LEVELS)]
    seen = levels[np.isfinite(levels).all(axis=1)]
    return Regions(len(seen), seen.mean(axis=0), LedoitWolf().fit(seen).covariance_)


def fit_terms(numbers: Floats, stated: Sequence[str | None]) -> Terms:
    """Return what D numbers (N, D) are by the term that is stated of each, None where none is.

    Terms of fewer than `FEWEST` lesions whose numbers are seen are left out.
    """
    seen = np.isfinite(numbers).all(axis=1)
    names = np.array([term or "" for term in stated])
    counts = {term: int((seen & (names == term)).sum()) for term in sorted(set(names)) if term}
    own = {t: numbers[seen & (names == t)] for t, n in counts.items() if n >= FEWEST}
    off = np.concatenate([found - found.mean(axis=0) for found in own.values()])
    return Terms(
        {term: len(found) for term, found in own.items()},
        {term: found.mean(axis=0) for term, found in own.items()},
        LedoitWolf(assume_centered=True).fit(off).covariance_,
    )


def fit_lesions(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return, as JSON, what `busgen.gates.lesion_intensity` knows, of pairs with lesions."""
    numbers = np.array([numbers_of(pair.image, pair.mask) for pair in pairs])
    regions = fit_regions(numbers)
    terms = {
        field: fit_terms(shown(numbers, field), [getattr(pair, field) for pair in pairs])
        for field in SHOWN
    }
    return {
        "intensity": _listed({"numbers": LEVELS} | vars(regions)),
        "terms": {
            field: _listed({"numbers": SHOWN[field]} | vars(own)) for field, own in terms.items()
        },
    }


def _listed(value: object) -> object:
    """Return numbers as JSON takes them."""
    if isinstance(value, Mapping):
        return {name: _listed(one) for name, one in value.items()}
    return value.round(DECIMALS).tolist() if isinstance(value, np.ndarray) else value


def fit_gates(folder: Path, out: Path) -> None:
    """Fit to the training patients in `folder` whose datasets may ship weights; write to `out`."""
    tables, cohort = canonical_tables(folder), cohort_file(folder).parent
    ours = [table for table in tables if weights_may_ship(table)]
    pairs = [pair for pair in clean_pairs(ours, cohort, "train") if pair.mask.any()]
    write_text(out / LESIONS, dumps(fit_lesions(pairs)))
    crops = shippable_splits(tables, cohort)["train"]
    look = fit_look(crops.images)
    lesions = crops.pick(np.flatnonzero(crops.masks.any(axis=(1, 2))))
    fit = fit_masks(lesions.images, lesions.masks, load_judges(device="cpu").segment)
    save(out / LOOK, vars(look))
    save(out / FIT, vars(fit))


def save(path: Path, values: Mapping[str, object]) -> None:
    """Write named numbers and arrays of them in single precision."""
    stored = {name: np.atleast_1d(np.asarray(value, np.float32)) for name, value in values.items()}
    with replacing(path) as partial:
        save_file(stored, partial)
