"""How real an engine's images look, beside held-out real ones: figures of `busgen bench images`.

In: synthetic images as `Crops` (for real crops, or drawn from the prior), a
`Reference` of real ones. Out: figures, named after the engine and the feature space; floors are
those of real images against real ones of other patients.
Distances in learned spaces, also of the autoencoder alone, are of test patients, of validation
patients beside them: in `lite1` shares of the mean distance between three hospitals
(`busgen.evaluation.held_out_features`), in `us64` multiples of the limit of real against real.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from busgen import seeds
from busgen.arrays import Bools, Floats, Pixels
from busgen.bench.harness import Figure, Figures, figure_of, share
from busgen.evaluation.held_out_features import SPACES, hospital_distance
from busgen.images.diffusion.autoencoder import draw_noise
from busgen.images.diffusion.engine import SHIPPED, load_model as load_generator
from busgen.metrics import paired_two_sample as matching, speckle
from busgen.metrics.distribution import MOST, frechet, kid, overlap
from busgen.metrics.memorization import Features, describe, find_copies
from busgen.metrics.paired_two_sample import hide_overlays
from busgen.metrics.spaces import registry
from busgen.metrics.spaces.us64.features import FeatureSpace, load_model
from busgen.metrics.two_sample import Pairs, Recipe, cross_validate
from busgen.real.crops import SIDE, Crops
from busgen.stats.bootstrap import Sample, Score
from busgen.stats.patients import split_halves

SEED, LEARNED_SEED = 20261125, 20261130
AT_ONCE = 16
CURVE = (50, 150, 300)  # pairs, beside all, of which the two-sample CNN learns


@dataclass(frozen=True)
class Reference:
    """Real images that every engine is measured against, examined once.

    `held_out` crops of validation and test patients, `looks` of them, `training` looks of what
    engines may have learned from, `statistics` of the held-out ones (`speckle.measure`).
    """

    held_out: Crops
    looks: Features
    training: Features
    statistics: speckle.Table
    space: FeatureSpace


def make_reference(held_out: Crops, training: Crops) -> Reference:
    """Return the standard of held-out and training crops, in the shipped `us64`."""
    space = load_model()
    looks, seen = (describe(c.images, c.groups, space) for c in (held_out, training))
    return Reference(held_out, looks, seen, speckle.measure(held_out), space)


def match_pairs(real: Crops, images: Pixels) -> Crops:
    """Return images (N, S, S) that stand for real crops, one by one: same class and scanner."""
    return replace(real, images=images, ignore=np.zeros_like(images))


def figures(name: str, generated: Crops, real: Reference, recipe: Recipe | None = None) -> Figures:
    """Return all figures of the engine `name`.

    `generated` are its images, some 600 for figures that can be told from floors. `recipe` says how
    the two-sample CNN, which tells them from real ones, learns; a rehearsal takes fewer steps.
    """
    looks = describe(generated.images, generated.groups, real.space)
    return {
        **tell_apart(name, generated, real.held_out, recipe),
        **_distances(name, looks, real),
        **_speckle(name, generated, real),
        **_copies(name, looks, real),
    }


def tell_apart(name: str, one: Crops, other: Crops, recipe: Recipe | None = None) -> Figures:
    """Return how well a CNN tells images from others, by how many: more images tell more."""
    own, theirs = matching.match_pairs(one, other, seeds.rng(SEED, "matched"))
    first, second = one.pick(own), other.pick(theirs)
    hide = hide_overlays(first, second)
    pairs = Pairs(first.images, second.images, hide, first.groups, second.groups)
    order = seeds.rng(SEED, "curve").permutation(len(pairs))
    measured = {f"two_sample_auc_{name}": cross_validate(pairs, SEED, recipe)}
    for n in CURVE:
        if n < len(pairs):
            few = cross_validate(pairs.pick(order[:n]), SEED, recipe)
            measured[f"two_sample_auc_{name}_{n}"] = few
    return {key: figure_of(asdict(score), "AUC") for key, score in measured.items()}


def floors(held_out: Crops, recipe: Recipe | None = None) -> Figures:
    """Return how well the CNN tells a half of the real patients from the others."""
    half = split_halves(held_out.groups, seeds.rng(SEED, "halves"))
    return tell_apart("real", held_out.pick(half), held_out.pick(~half), recipe)


def _distances(name: str, generated: Features, real: Reference) -> Figures:
    """Return kernel and Fréchet distance in `us64`, with floors and their 97.5 % limits."""
    own, other = (Sample(looks.points, looks.groups) for looks in (generated, real.looks))
    score = kid(own, other, seeds.rng(SEED, "kid"))
    measured = _with_floor("kid_us64", name, score)
    limits = score.value / score.floor_limit
    measured[f"kid_us64_in_limits_{name}"] = Figure(limits, "limits of real against real", score.n)
    few = min(MOST, score.n // 4)  # covariances need several images a dimension
    own, other = (Sample(s.points[:, :few], s.groups) for s in (own, other))
    score = frechet(own, other, seeds.rng(SEED, "frechet"))
    return measured | _with_floor("frechet_us64", name, score)


def _speckle(name: str, generated: Crops, real: Reference) -> Figures:
    """Return which share of statistics has its median within the real interquartile range.

    Beside it the same of a half of the real patients within the others.
    """
    scanners = real.held_out.scanners
    own = speckle.measure(generated)
    held = speckle.compare(own, generated.scanners, real.statistics, scanners)
    measured = {f"speckle_within_{name}": share(sum(one.within for one in held), len(held))}
    for group in speckle.STATISTICS:
        within = [one.within for one in held if one.group == group]
        measured[f"speckle_within_{group}_{name}"] = share(sum(within), len(within))
    half = split_halves(real.held_out.groups, seeds.rng(SEED, "halves"))
    known = real.statistics
    one, two = ({key: known[key][part] for key in known} for part in (half, ~half))
    floor = [held.within for held in speckle.compare(one, scanners[half], two, scanners[~half])]
    return measured | {"speckle_within_real": share(sum(floor), len(floor))}


def _copies(name: str, generated: Features, real: Reference) -> Figures:
    """Return the share of copies of training images, and that of held-out real ones."""
    found = find_copies(generated, real.training, real.looks, seeds.rng(SEED, "copies"))
    n, n_real, flagged, floor = (found[key] for key in ("n", "n_real", "flagged", "floor"))
    return {
        f"copies_{name}": Figure(flagged, "share", n, found["interval"]),
        "copies_real": Figure(floor, "share", n_real, found["floor_interval"]),
        f"copies_excess_{name}": Figure(flagged - floor, "share", n),
        f"copies_nearer_{name}": Figure(found["nearer"], "share", n),
        "copies_nearer_real": Figure(found["nearer_floor"], "share", n_real),
    }


def _with_floor(score: str, name: str, found: Score) -> Figures:
    return {
        f"{score}_{name}": figure_of(asdict(found), "squared distance"),
        f"{score}_floor": Figure(found.floor, "squared distance", found.n),
        f"{score}_limit": Figure(found.floor_limit, "squared distance", found.n),
    }


@dataclass(frozen=True)
class _Learned:
    """Held-out crops, which of them are of `test` patients (N,), their points {space: (N, D)}."""

    crops: Crops
    test: Bools
    spaces: Mapping[str, registry.FeatureSpace]
    points: Mapping[str, Floats]


def encode(crops: Crops, test: Bools) -> _Learned:
    """Return what images are held to; raises `UserError` if `busgen[features]` is missing."""
    spaces = {name: registry.load_space(name) for name in SPACES}
    points = {name: space.embed(crops.images, crops.masks) for name, space in spaces.items()}
    return _Learned(crops, test, spaces, points)


def distances(name: str, images: Pixels, real: _Learned) -> Figures:
    """Return kernel distances of images (N, S, S) by split, coverage and recall over the floor."""
    measured: Figures = {}
    points = _embed(images, real)
    for part, rows in _parts(real).items():
        measured[f"kid_lite1_share_{part}_{name}"] = _kid(points, real, "lite1", rows)
        measured[f"kid_us64_in_limits_{part}_{name}"] = _kid(points, real, "us64", rows)
    own, other = (Sample(p["us64"], real.crops.groups) for p in (points, real.points))
    found = overlap(own, other, seeds.rng(LEARNED_SEED, "overlap"))
    for score in ("coverage", "recall"):
        one = found[score]
        measured[f"{score}_us64_share_{name}"] = Figure(one.value / one.floor, "share", one.n)
    return measured


def measure(real: _Learned) -> Figures:
    """Return how far each hospital's test images lie from themselves, encoded and decoded."""
    points, datasets = _embed(_reconstruct(real.crops.images), real), real.crops.datasets
    measured: Figures = {}
    for part, rows in _parts(real).items():
        end = "" if part == "test" else f"_{part}"
        for name in sorted(set(datasets.tolist())):
            one = _kid(points, real, "lite1", rows & (datasets == name))
            measured[f"round_trip_lite1_{name}{end}"] = one
        measured[f"round_trip_us64_in_limits{end}"] = _kid(points, real, "us64", rows)
    return measured


@torch.inference_mode()
def _reconstruct(images: Pixels) -> Pixels:
    """Return images (N, SIDE, SIDE) encoded and decoded by the autoencoder that ships."""
    model, source = load_generator(SHIPPED, torch.device("cpu")).autoencoder, torch.Generator()
    decoded = []
    for start in range(0, len(images), AT_ONCE):
        shown = torch.from_numpy(images[start : start + AT_ONCE])[:, None].float() / 127.5 - 1
        noise = draw_noise(len(shown), SIDE, source.manual_seed(start))
        again = model.decode(model.encode(shown), noise)[:, 0]
        decoded.append((again * 127.5 + 127.5).clamp(0, 255).round().byte().numpy())
    return np.concatenate(decoded)


def _parts(real: _Learned) -> dict[str, Bools]:
    """Return the rows of each split of patients."""
    return {"test": real.test, "validation": ~real.test}


def _embed(images: Pixels, real: _Learned) -> dict[str, Floats]:
    return {name: space.embed(images, real.crops.masks) for name, space in real.spaces.items()}


def _kid(points: Mapping[str, Floats], real: _Learned, space: str, rows: Bools) -> Figure:
    """Return the kernel distance of some rows, in the unit that the module's head tells."""
    own, other = (Sample(p[space][rows], real.crops.groups[rows]) for p in (points, real.points))
    score = kid(own, other, seeds.rng(LEARNED_SEED, f"kid {space}"))
    unit, name = score.floor_limit, "limits of real against real"
    if space == "lite1":
        unit, name = hospital_distance(space), "of the distance between hospitals"
    low, high = score.interval
    return Figure(score.value / unit, name, score.n, (low / unit, high / unit))
