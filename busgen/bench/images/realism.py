"""How real an engine's pictures look, beside held-out real ones: figures of `busgen bench images`.

In: synthetic pictures as `Crops` (in the stead of real crops, or drawn from the prior), a
`Standard` of real ones. Out: figures, named after the engine and the feature space; floors are
those of real pictures against real ones of other patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.bench.harness import Bar, Figure, share
from busgen.metrics import speckle
from busgen.metrics.distribution import MOST, frechet, kid
from busgen.metrics.matching import hidden, matched
from busgen.metrics.memorization import Looks, find_copies, looks_of
from busgen.metrics.spaces.us64.features import Space, load_space
from busgen.metrics.two_sample import Pairs, Recipe, two_sample
from busgen.priors.findings import Finding
from busgen.real.crops import Crops
from busgen.stats.bootstrap import Sample, Score
from busgen.stats.patients import halved

SEED = 20261125


@dataclass(frozen=True)
class Standard:
    """Real pictures that every engine is measured against, looked at once.

    `held_out` crops of validation and test patients, `looks` of them, `training` looks of what
    engines may have learned from, `statistics` of the held-out ones (`speckle.measured`).
    """

    held_out: Crops
    looks: Looks
    training: Looks
    statistics: speckle.Table
    space: Space


def standard(held_out: Crops, training: Crops, space: Space | None = None) -> Standard:
    """Return the standard of held-out and training crops; `space` is the shipped `us64`."""
    space = space or load_space()
    looks, seen = (looks_of(c.images, c.groups, space) for c in (held_out, training))
    return Standard(held_out, looks, seen, speckle.measured(held_out), space)


def in_stead(real: Crops, images: NDArray[np.uint8]) -> Crops:
    """Return pictures (N, S, S) that stand for real crops, one by one: same class and scanner."""
    return replace(real, images=images, ignore=np.zeros_like(images))


def drawn(
    name: str,
    findings: Sequence[Finding],
    masks: NDArray[np.uint8],
    images: NDArray[np.uint8],
) -> Crops:
    """Return pictures of findings of the prior; families are their groups."""
    return Crops(
        images,
        masks,
        np.zeros_like(images),
        np.full(len(findings), name),
        np.array([finding.scanner for finding in findings]),
        np.array([finding.pathology for finding in findings]),
        np.array([finding.family_id for finding in findings]),
    )


def bars(subject: str, rival: str) -> dict[str, Bar]:
    """Return what the engine `subject` must reach; the classifier must know the `rival`."""
    return {
        f"two_sample_auc_{subject}": Bar("<=", 0.60),
        f"two_sample_auc_{rival}": Bar(">=", 0.80),
        f"kid_us64_in_limits_{subject}": Bar("<=", 2.0),
        f"speckle_within_{subject}": Bar(">=", 1.0),
        f"copies_excess_{subject}": Bar("<=", 0.0),
    }


def figures(
    name: str, made: Crops, real: Standard, recipe: Recipe | None = None
) -> dict[str, Figure]:
    """Return all figures of the engine `name`.

    Parameters
    ----------
    name
        Of the engine, the end of its figures' names.
    made
        Its pictures, by `in_stead` or `drawn`; some 600 for figures that can be told from floors.
    real
        As `standard` returns it.
    recipe
        How the two-sample classifier learns; a rehearsal takes fewer steps.
    """
    looks = looks_of(made.images, made.groups, real.space)
    return {
        **two_sample_figures(name, made, real, recipe),
        **distance_figures(name, looks, real),
        **speckle_figures(name, made, real),
        **copy_figures(name, looks, real),
    }


def two_sample_figures(
    name: str, made: Crops, real: Standard, recipe: Recipe | None = None
) -> dict[str, Figure]:
    """Return the area under the ROC curve of a small CNN that tells made from real ones."""
    own, other = matched(made, real.held_out, seeds.rng(SEED, "matched"))
    first, second = made.pick(own), real.held_out.pick(other)
    hide = hidden(first, second)
    pairs = Pairs(first.images, second.images, hide, first.groups, second.groups)
    return {f"two_sample_auc_{name}": _figure(two_sample(pairs, SEED, recipe), "AUC")}


def distance_figures(name: str, made: Looks, real: Standard) -> dict[str, Figure]:
    """Return kernel and Fréchet distance in `us64`, with floors and their 97.5 % limits."""
    own, other = (Sample(looks.points, looks.groups) for looks in (made, real.looks))
    score = kid(own, other, seeds.rng(SEED, "kid"))
    told = _with_floor("kid_us64", name, score)
    told[f"kid_us64_in_limits_{name}"] = Figure(
        score.value / score.floor_limit, "limits of real against real", score.n
    )
    few = min(MOST, score.n // 4)  # covariances need several pictures a dimension
    own, other = (Sample(s.points[:, :few], s.groups) for s in (own, other))
    return told | _with_floor("frechet_us64", name, frechet(own, other, seeds.rng(SEED, "frechet")))


def speckle_figures(name: str, made: Crops, real: Standard) -> dict[str, Figure]:
    """Return which share of statistics has its median within the real interquartile range.

    Beside it the same of a half of the real patients within the others.
    """
    scanners = real.held_out.scanners
    held = speckle.compare(speckle.measured(made), made.scanners, real.statistics, scanners)
    told = {f"speckle_within_{name}": share(sum(one.within for one in held), len(held))}
    for group in speckle.STATISTICS:
        own = [one.within for one in held if one.group == group]
        told[f"speckle_within_{group}_{name}"] = share(sum(own), len(own))
    half = halved(real.held_out.groups, seeds.rng(SEED, "halves"))
    one, two = (
        {key: values[part] for key, values in real.statistics.items()} for part in (half, ~half)
    )
    floor = [held.within for held in speckle.compare(one, scanners[half], two, scanners[~half])]
    return told | {"speckle_within_real": share(sum(floor), len(floor))}


def copy_figures(name: str, made: Looks, real: Standard) -> dict[str, Figure]:
    """Return the share of copies of training pictures, and that of held-out real ones."""
    found = find_copies(made, real.training, real.looks, seeds.rng(SEED, "copies"))
    return {
        f"copies_{name}": Figure(found.flagged, "share", found.n, found.interval),
        "copies_real": Figure(found.floor, "share", found.n_real, found.floor_interval),
        f"copies_excess_{name}": Figure(found.flagged - found.floor, "share", found.n),
        f"copies_nearer_{name}": Figure(found.nearer, "share", found.n),
        "copies_nearer_real": Figure(found.nearer_floor, "share", found.n_real),
    }


def _with_floor(score: str, name: str, found: Score) -> dict[str, Figure]:
    return {
        f"{score}_{name}": _figure(found, "squared distance"),
        f"{score}_floor": Figure(found.floor, "squared distance", found.n),
        f"{score}_limit": Figure(found.floor_limit, "squared distance", found.n),
    }


def _figure(score: Score, unit: str) -> Figure:
    return Figure(score.value, unit, score.n, score.interval)
