"""Realism, diversity, novelty and control of masks against those of held-out patients.

In: real masks, and masks in their stead. Out: figures; geometric features (N, F) of masks, and
windows (N, W, W) of the lesions alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from busgen import schema, seeds
from busgen.arrays import Bools, Floats, Floats32, Names, Pixels
from busgen.bench.harness import Figure, Figures, auc_score, drop_missing, interval, mean
from busgen.imaging.geometry import Geometry, measure
from busgen.imaging.square import resize
from busgen.metrics.distribution import NEAREST, overlap_points
from busgen.metrics.two_sample import Pairs, Recipe, assign_folds, cross_validate
from busgen.stats.patients import Score
from busgen.stats.roc import auc

WINDOW = 128  # px: side of the image of a lesion
ROOM = 1.15  # side of the window over the lesion's longer side, where it must be brought smaller
SOFT = 1e-6


def embed(masks: Pixels) -> Floats:
    """Return proportions, size, axes, tilt, solidity, circularity, roughness, curvature, (N, 13).

    NaN where a mask is empty.
    """
    shapes = [measure(np.asarray(mask), 1.0) for mask in masks]
    return np.array([_row(shape) if shape else [np.nan] * 13 for shape in shapes])


def _row(shape: Geometry) -> list[float]:
    return [
        np.log(shape.width_mm / shape.height_mm),
        np.log(shape.area_mm2),
        shape.area_mm2 / (shape.width_mm * shape.height_mm),
        shape.major_mm / shape.minor_mm,
        shape.angle_deg,
        shape.solidity,
        shape.circularity,
        np.log(shape.roughness + 1e-3),
        *np.log(np.array(shape.curvature) + SOFT),
    ]


def crop(masks: Pixels) -> Pixels:
    """Return the lesions (N, WINDOW, WINDOW) as 0 and 255, each in the middle.

    At full resolution, unless the lesion is too large for the window.
    """
    windows = []
    for mask in map(np.asarray, masks):
        left, top, width, height = cv2.boundingRect(mask)
        side = max(WINDOW, round(ROOM * max(width, height)))
        row, col = top + height // 2 - side // 2, left + width // 2 - side // 2
        padded = np.pad(mask * np.uint8(255), side)
        window = padded[row + side : row + 2 * side, col + side : col + 2 * side]
        windows.append(resize(window, WINDOW))
    return np.stack(windows)


FOLDS, ROUNDS = 5, 3  # of the boosted trees: cross-validation, repeated with other folds
GRID = 64  # px: side at which masks are laid over each other
SHARE = 0.5  # of that side: what the root of a lesion's area is brought to
RECIPE = Recipe(patch_px=WINDOW, grid=1)


class Cases(NamedTuple):
    """Masks (N, S, S), what a bootstrap keeps together, (N,), and the terms that each has."""

    masks: Pixels
    groups: Names
    terms: Sequence[Mapping[str, Any]] = ()


def two_sample(name: str, generated: Pixels, held: Cases, recipe: Recipe | None = None) -> Figures:
    """Return how well boosted trees on geometric features and a small CNN tell masks from real.

    `generated` (N, S, S) stand for the real ones: of the same class and box.
    """
    clear = np.zeros((len(generated), WINDOW, WINDOW), np.bool_)
    pairs = Pairs(crop(generated), crop(held.masks), clear, held.groups, held.groups)
    cnn = cross_validate(pairs, 1, recipe or RECIPE)
    boosted = classify(embed(generated), embed(held.masks), held)
    return {
        **drop_missing({f"two_sample_trees_{name}": boosted}),
        f"two_sample_cnn_{name}": Figure(cnn.value, "AUC", cnn.n, cnn.interval),
    }


def classify(generated: Floats, real: Floats, held: Cases) -> Figure | None:
    """Return the cross-validated AUC of boosted trees, patients kept together in a fold."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    both: Floats = np.concatenate([generated, real])
    labels = np.repeat([True, False], len(real))
    groups = np.tile(held.groups, 2)
    probabilities = np.zeros((ROUNDS, len(both)))
    for number in range(ROUNDS):
        fold = np.tile(assign_folds(held.groups, FOLDS, seeds.rng(number, "trees")), 2)
        for k in range(FOLDS):
            model = HistGradientBoostingClassifier(
                max_iter=80, learning_rate=0.08, max_leaf_nodes=8, random_state=number
            )
            model.fit(both[fold != k], labels[fold != k])
            probabilities[number, fold == k] = model.predict_proba(both[fold == k])[:, 1]
    score = auc_score(np.broadcast_to(labels, probabilities.shape), probabilities)
    figure = interval(score, groups, "AUC", "trees")
    return figure and replace(figure, n=len(real))


def diversity(lots: Mapping[str, Pixels], held: Cases) -> Figures:
    """Return coverage and density (Naeem 2020, arXiv 2002.09797) in geometric features.

    Of half of the patients' real masks, and of the masks in their stead (`lots`), against the real
    ones of the other half.
    """
    half = assign_folds(held.groups, 2, seeds.rng(0, "halves")) == 0
    other = embed(held.masks[~half])
    measured = {}
    for name, masks in {"real": held.masks, **lots}.items():
        coverage, density = overlap(embed(masks[half]), other)
        measured[f"coverage_{name}"] = Figure(coverage, "share", int(half.sum()))
        measured[f"density_{name}"] = Figure(density, "ratio", int(half.sum()))
    return measured


def overlap(generated: Floats, real: Floats, k: int = NEAREST) -> tuple[float, float]:
    """Return coverage and density of points (M, F) over (N, F) real ones, standardised by these."""
    center, scale = real.mean(axis=0), real.std(axis=0)
    measured = overlap_points((generated - center) / scale, (real - center) / scale, k)
    return measured.coverage, measured.density


def novelty(lots: Mapping[str, Pixels], held: Cases, training: Pixels) -> Figures:
    """Return how near masks are to their nearest training mask, held-out real ones beside them.

    ``nearest_iou_*`` is the median over masks of the largest IoU with a training mask, mirrored or
    not, laid over by centre and area; ``nearest_iou_max_*`` the largest; ``closer_than_real_*`` the
    probability that a mask is nearer to training masks than the held-out real one in whose stead
    it is: .5 where it copies no more than other patients do.
    """
    real = nearest(held.masks, training)
    measured: dict[str, Figure | None] = {}
    for name, masks in {"real": held.masks, **lots}.items():
        own = real if name == "real" else nearest(masks, training)
        low, high = np.quantile(own, [0.05, 0.95])
        measured |= {
            f"nearest_iou_{name}": Figure(float(np.median(own)), "IoU", len(own), (low, high)),
            f"nearest_iou_max_{name}": Figure(float(own.max()), "IoU", len(own)),
        }
        if name != "real":
            closer = (own > real).astype(float)
            measured[f"closer_than_real_{name}"] = mean(closer, held.groups, "share", "novelty")
    return drop_missing(measured)


def nearest(masks: Pixels, training: Pixels) -> Floats:
    """Return the largest IoU (N,) with a training mask, mirrored or not."""
    own = np.stack([_align(mask) for mask in masks]).reshape(len(masks), -1)
    other = np.stack([_align(mask) for mask in training])
    both = np.concatenate([other, other[:, :, ::-1]]).reshape(2 * len(training), -1)
    shared = own @ both.T
    joint = own.sum(axis=1)[:, None] + both.sum(axis=1) - shared
    return np.asarray((shared / joint).max(axis=1), float)


def _align(mask: Pixels) -> Floats32:
    """Return the lesion (GRID, GRID) with its centre in the middle, all of one area."""
    moments = cv2.moments(np.asarray(mask), binaryImage=True)
    scale = SHARE * GRID / moments["m00"] ** 0.5
    middle = (GRID - 1) / 2
    shift = [middle - scale * moments[m] / moments["m00"] for m in ("m10", "m01")]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    grown = cv2.warpAffine(np.asarray(mask) * np.uint8(255), matrix, (GRID, GRID))
    return np.asarray(grown > 127, np.float32)


def terms(learned: Cases, lots: Mapping[str, Cases]) -> Figures:
    """Return accuracy of shape and mean AUC of margin terms of each lot, read by one classifier.

    It learns from the real outlines `learned`, of training patients whose readers state their
    terms, and reads those of `lots`, real or drawn: neither a rule nor a mask of ours is in it.
    """
    known = embed(learned.masks)
    measured: dict[str, Figure | None] = {}
    shape = _model().fit(known, [terms["shape"] for terms in learned.terms])
    margins = {
        term: _model().fit(known, _has_margin(learned, term))
        for term in schema.MARGINS
        if 0 < _has_margin(learned, term).sum() < len(learned.masks)
    }
    for name, lot in lots.items():
        seen = embed(lot.masks)
        right = shape.predict(seen) == np.array([terms["shape"] for terms in lot.terms])
        measured[f"shape_read_{name}"] = mean(right.astype(float), lot.groups, "share", "shape")
        found = {term: model.predict_proba(seen)[:, 1] for term, model in margins.items()}
        measured[f"margin_auc_{name}"] = interval(_auc(lot, found), lot.groups, "AUC", "margin")
    return drop_missing(measured)


def _model() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=2000))


def _auc(lot: Cases, probabilities: Mapping[str, Floats]) -> Score:
    """Return the mean over margin terms of the AUC with which each is told."""
    pairs = [(_has_margin(lot, term), own) for term, own in probabilities.items()]
    return lambda rows: float(np.nanmean([auc(true[rows], own[rows]) for true, own in pairs]))


def _has_margin(cases: Cases, term: str) -> Bools:
    return np.array([term in (terms["margin"] or ()) for terms in cases.terms], np.bool_)
