"""Learn what gates know of real images: their look, their lesions, masks that are theirs.

In: images and masks of training patients, the judges. Out: `busgen/assets/gates`, numbers alone:
means, covariances, weights. No bound is learned here: those come from validation patients
(`busgen.gates.calibration.bounds`). `busgen dev fit gates` runs it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from busgen.arrays import Floats, Floats32, Pixels
from busgen.gates import image_checks, judged_scores, lesion_intensity
from busgen.gates.calibration.faults import Pair, swap_mask
from busgen.gates.calibration.real_samples import read_pairs
from busgen.gates.image_checks import BANDS, LOOK, SIDE
from busgen.gates.judged_scores import FIT, MaskFit
from busgen.gates.lesion_intensity import LESIONS, LEVELS, SHOWN, TermLevels, select
from busgen.imaging.square import resize
from busgen.io import dumps, replace_file, write_text
from busgen.judges.judges import load_judges
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import read_shippable, weights_may_ship
from busgen.seeds import rng

PENALTY = 0.1  # scikit-learn's C: small, for there are as many statistics as a tenth of the images
FEWEST = 7  # lesions that teach a term: BrEaST's hyperechoic ones
SWAPS = 2  # masks of other lesions shown beside each lesion's own
AT_ONCE = 64
DECIMALS = 6
SEED = 0

Segment = Callable[[Pixels], Floats32]


def fit_images(images: Pixels) -> image_checks.Standard:
    """Return the look of images (N, S, S) uint8, as they are against upside down."""
    sized = [resize(image, SIDE) for image in images]
    plain = np.stack([image_checks.measure(image) for image in sized])
    turned = np.stack([image_checks.measure(np.ascontiguousarray(one[::-1])) for one in sized])
    scaler = StandardScaler().fit(plain)
    shown = scaler.transform(np.concatenate([plain, turned]))
    model = LogisticRegression(C=PENALTY, max_iter=3000)
    model.fit(shown, np.repeat([1, 0], len(plain)))
    whitening = np.stack([_whitening(plain[:, band::BANDS]) for band in range(BANDS)])
    up, level = model.coef_[0] / scaler.scale_, float(model.intercept_[0])
    return image_checks.Standard(scaler.mean_, whitening, up, level)


def _whitening(statistics: Floats) -> Floats:
    """Return (D, D) that makes the shrunk covariance of statistics (N, D) that of white noise."""
    scaler = StandardScaler().fit(statistics)
    precision = LedoitWolf().fit(scaler.transform(statistics)).precision_
    return np.asarray(np.linalg.cholesky(precision) / scaler.scale_[:, None], np.float64)


def fit_masks(images: Pixels, masks: Pixels, segment: Segment) -> MaskFit:
    """Return what tells the masks (N, S, S) {0, 1} of images from those of other lesions."""
    own, other, others = [], [], list(masks)
    for start in range(0, len(images), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        probabilities = segment(images[part])
        each = zip(images[part], masks[part], probabilities, strict=True)
        for k, (image, mask, chance) in enumerate(each, start):
            own.append(judged_scores.measure(image, mask, chance))
            for number in range(SWAPS):
                pick = rng(SEED, f"swap {k} {number}")
                wrong = swap_mask(Pair(image, mask, None), others, pick).mask
                other.append(judged_scores.measure(image, wrong, chance))
    return _quadratic(np.array(own), np.array(other))


def _quadratic(own: Floats, other: Floats) -> MaskFit:
    """Return a logistic regression on standardised numbers, their squares and products."""
    both = np.concatenate([own, other])
    scaler = StandardScaler().fit(both)
    terms = PolynomialFeatures(2, include_bias=False).fit_transform(scaler.transform(both))
    even = StandardScaler().fit(terms)
    model = LogisticRegression(C=PENALTY, max_iter=3000)
    model.fit(even.transform(terms), np.repeat([1, 0], [len(own), len(other)]))
    weights, size = model.coef_[0] / even.scale_, own.shape[1]
    quadratic = np.zeros((size, size))
    quadratic[np.triu_indices(size)] = weights[size:]  # in the order of `PolynomialFeatures`
    constant = float(model.intercept_[0] - weights @ even.mean_)
    return MaskFit(scaler.mean_, scaler.scale_, weights[:size], quadratic, constant)


def fit_regions(numbers: Floats) -> lesion_intensity.Standard:
    """Return what the regions of lesions look like, by `NUMBERS` (N, 10) of those all seen."""
    levels = numbers[:, : len(LEVELS)]
    seen = levels[np.isfinite(levels).all(axis=1)]
    covariance = LedoitWolf().fit(seen).covariance_
    return lesion_intensity.Standard(len(seen), seen.mean(axis=0), covariance)


def fit_terms(numbers: Floats, stated: Sequence[str | None]) -> TermLevels:
    """Return what D numbers (N, D) are by the term that is stated of each, None where none is.

    Terms of fewer than `FEWEST` lesions whose numbers are seen are left out.
    """
    seen = np.isfinite(numbers).all(axis=1)
    names = np.array([term or "" for term in stated])
    counts = {term: int((seen & (names == term)).sum()) for term in sorted(set(names)) if term}
    own = {t: numbers[seen & (names == t)] for t, n in counts.items() if n >= FEWEST}
    off = np.concatenate([found - found.mean(axis=0) for found in own.values()])
    centres = {term: found.mean(axis=0) for term, found in own.items()}
    covariance = LedoitWolf(assume_centered=True).fit(off).covariance_
    return TermLevels({term: len(found) for term, found in own.items()}, centres, covariance)


def _lesions(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return, as JSON, what `busgen.gates.lesion_intensity` knows, of pairs with lesions."""
    numbers = np.array([lesion_intensity.measure(pair.image, pair.mask) for pair in pairs])
    terms = {}
    for field, names in SHOWN.items():
        own = fit_terms(select(numbers, field), [getattr(pair, field) for pair in pairs])
        terms[field] = _round({"numbers": names} | vars(own))
    regions = fit_regions(numbers)
    return {"intensity": _round({"numbers": LEVELS} | vars(regions)), "terms": terms}


def _round(value: object) -> object:
    """Return numbers as JSON takes them."""
    if isinstance(value, Mapping):
        return {name: _round(one) for name, one in value.items()}
    return value.round(DECIMALS).tolist() if isinstance(value, np.ndarray) else value


def fit_gates(folder: Path, out: Path) -> None:
    """Fit to the training patients in `folder` whose datasets may ship weights; write to `out`."""
    tables, cohort = find_tables(folder), find_cohort(folder).parent
    ours = [table for table in tables if weights_may_ship(table)]
    pairs = [pair for pair in read_pairs(ours, cohort, "train") if pair.mask.any()]
    write_text(out / LESIONS, dumps(_lesions(pairs)))
    crops = read_shippable(tables, cohort)["train"]
    look = fit_images(crops.images)
    lesions = crops.pick(np.flatnonzero(crops.masks.any(axis=(1, 2))))
    own_masks = fit_masks(lesions.images, lesions.masks, load_judges(device="cpu").segment)
    save(out / LOOK, vars(look))
    save(out / FIT, vars(own_masks))


def save(path: Path, values: Mapping[str, object]) -> None:
    """Write named numbers and arrays of them in single precision."""
    stored = {name: np.atleast_1d(np.asarray(value, np.float32)) for name, value in values.items()}
    with replace_file(path) as partial:
        save_file(stored, partial)
