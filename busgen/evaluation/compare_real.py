"""Images compared with the real data that their generator learned from, and with held-out patients.

In: a set of images, and real data as `busgen real --out` writes it. Out: records for JSON: the
scores of `busgen score`, copies of training images, privacy in each space and of outlines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from busgen.code import hash_code
from busgen.errors import UserError
from busgen.evaluation import score_sets
from busgen.evaluation.score_sets import OnProgress, Options, Side, check, subsample
from busgen.image_sets.open import CANONICAL, HELD_OUT, open_set
from busgen.image_sets.source import Source
from busgen.metrics import distribution, memorization
from busgen.metrics.privacy import LOW_IS_BAD, score_privacy
from busgen.metrics.space_scores import SEED, SpaceScores, join_scores, score_space
from busgen.metrics.spaces import outline
from busgen.metrics.spaces.registry import OURS, FeatureSpace, load_spaces
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample

THUMBS = "thumbnails"
ABOUT = (
    "nearness to training patients; floor: the same of held-out images, of which no generator "
    "knows anything, floor_limit its 97.5 % quantile (2.5 % of the ratio, whose low side is bad); "
    "where nothing is remembered ratio is 1 and nearer .5; interval: 95 % bootstrap, by patient"
)

Sets = tuple[Source, Source, Source]  # synthetic images, real ones: training, held-out patients


class Comparison(NamedTuple):
    """The sets, a `Side` each, in `spaces` by name; the last two: outlines and thumbnails."""

    sides: tuple[Side, ...]
    spaces: Mapping[str, FeatureSpace]

    def samples(self, name: str) -> tuple[Sample, ...]:
        """Return the samples of all three in a space."""
        number = list(self.spaces).index(name)
        return tuple(Sample(side.points[number], side.groups) for side in self.sides)


def open_sets(images: Path, real: Path, request: Options) -> Sets:
    """Return at most `asked.most` images of one path, and all real ones of another.

    Raises `UserError` if `real` is no real data in canonical form, or there are too few images.
    """
    synthetic, other = open_set(images), open_set(real)
    if other.form != CANONICAL:
        remedy = "read it first: busgen real NAME=PATH --out DIR"
        raise UserError("real data must be in canonical form", f"{real}, {other.form}", remedy)
    held_out = other.select(HELD_OUT)
    check((synthetic, held_out), request)
    return subsample(synthetic, request.group, request.most), other.select(["train"]), held_out


def embed(sets: Sets, names: Sequence[str], request: Options, tick: OnProgress) -> Comparison:
    """Return sets in the spaces of `names` (`load_spaces`), and as outlines and thumbnails."""
    thumbs = FeatureSpace(
        THUMBS,
        hash_code(memorization.__name__),
        lambda images, _: memorization.thumbnails(images).astype(np.float64),
    )
    learned = load_spaces(names, allow_code=request.allow_code)
    spaces = {space.name: space for space in (*learned, outline.make_space(), thumbs)}
    sides = tuple(score_sets.embed(each, tuple(spaces.values()), request, tick) for each in sets)
    return Comparison(sides, spaces)


def distances(comparison: Comparison, draws: int) -> SpaceScores:
    """Return the scores of `busgen score` against held-out images in each space asked for."""
    parts = []
    for name, space in list(comparison.spaces.items())[:-2]:
        synthetic, _, held_out = comparison.samples(name)
        parts.append(score_space(space, (synthetic, held_out), draws))
    return join_scores(parts)


def find_copies(comparison: Comparison) -> dict[str, Any]:
    """Return the share of copies of training images as a score, and of which images."""
    synthetic, training, held_out = (
        memorization.Features(own.points, thumbs.points.astype(np.float32), own.groups)
        for own, thumbs in zip(comparison.samples("us64"), comparison.samples(THUMBS), strict=True)
    )
    pick = rng(SEED, "beside/copies")
    found = memorization.find_copies(synthetic, training, held_out, pick)
    names = comparison.sides[0].source.values("sample_id")
    record = {"value": found["flagged"], **{key: found[key] for key in ("n", "interval", "floor")}}
    record |= {"floor_limit": found["floor_interval"][1], "bad": "high"}
    record |= {"space": f"us64 and {THUMBS}", "version": comparison.spaces["us64"].version}
    return record | {"samples": [str(names[row]) for row in found["rows"]]}


def measure_privacy(comparison: Comparison, draws: int) -> dict[str, Any]:
    """Return how near images are to training patients, in each space of ours and of outlines.

    It holds ``about``; ``scores`` {privacy_<name>_<space>: {value, n, interval, floor, floor_limit,
    bad, space, version}}; ``skipped`` {name: reason}; ``thresholds`` {space: {value, pairs}}.
    """
    scores: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    thresholds: dict[str, Any] = {}
    for name in (*OURS, outline.NAME):
        between = outline.distances if name == outline.NAME else distribution.distances
        own, training, held_out = (_with_lesion(sample) for sample in comparison.samples(name))
        pick = rng(SEED, f"privacy/{name}")
        try:
            found = score_privacy(own, training, held_out, between, pick, draws)
        except UserError as error:
            skipped[f"privacy_{name}"] = str(error)
            continue
        shared = {"space": name, "version": comparison.spaces[name].version}
        for key, score in found.scores.items():
            bad = {"bad": "low" if key in LOW_IS_BAD else "high"}
            scores[f"privacy_{key}_{name}"] = asdict(score) | bad | shared
        skipped |= {f"privacy_{key}_{name}": reason for key, reason in found.skipped.items()}
        thresholds[name] = {"value": found.threshold, "pairs": found.pairs}
    return {"about": ABOUT, "scores": scores, "skipped": skipped, "thresholds": thresholds}


def _with_lesion(sample: Sample) -> Sample:
    """Return the images of which everything was measured: those that show a lesion."""
    kept = np.isfinite(sample.points).all(axis=1)
    return Sample(sample.points[kept], sample.groups[kept])
