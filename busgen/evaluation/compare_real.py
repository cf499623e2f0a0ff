"""Images beside the real data that their generator learned from, and beside held-out patients.

In: a set of images, and real data as `busgen real --out` writes it. Out: records for JSON: the
scores of `busgen score`, copies of training images, privacy in each space and of outlines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from busgen.code import hash_code
from busgen.errors import UserError
from busgen.evaluation import score_sets
from busgen.evaluation.score_options import Options, check
from busgen.evaluation.score_sets import Side, Tick
from busgen.image_sets.canonical import CANONICAL, HELD_OUT
from busgen.image_sets.open import open_set
from busgen.image_sets.source import Source
from busgen.metrics import distribution, memorization, memorization as copying
from busgen.metrics.memorization import Features, thumbnails
from busgen.metrics.privacy import LOW_IS_BAD, score_privacy
from busgen.metrics.space_scores import SEED, SpaceScores, score_space
from busgen.metrics.spaces import outline
from busgen.metrics.spaces.outline import NAME as OUTLINES, make_space
from busgen.metrics.spaces.registry import OURS, FeatureSpace, load_spaces
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample
from busgen.stats.patients import Floats

THUMBS = "thumbnails"
ADDED = (OUTLINES, THUMBS)  # to the spaces that are asked for
ABOUT = (
    "nearness to training patients; floor: the same of held-out images, of which no generator "
    "knows anything, floor_limit its 97.5 % quantile (2.5 % of the ratio, whose low side is bad); "
    "where nothing is remembered ratio is 1 and nearer .5; interval: 95 % bootstrap, by patient"
)


@dataclass(frozen=True)
class _Sets:
    """Images in question, and real ones of training and of held-out patients."""

    synthetic: Source
    training: Source
    held_out: Source

    def count(self, asked: Options) -> int:
        """Return how many images are looked at."""
        return min(len(self.synthetic), asked.most) + len(self.training) + len(self.held_out)


@dataclass(frozen=True)
class Comparison:
    """What was looked at, a `Side` each, in the same `spaces`."""

    synthetic: Side
    training: Side
    held_out: Side
    spaces: tuple[FeatureSpace, ...]

    def space(self, name: str) -> FeatureSpace:
        """Return a space by its name."""
        return next(space for space in self.spaces if space.name == name)

    def points(self, name: str) -> tuple[Floats, Floats, Floats]:
        """Return the coordinates of all three in a space."""
        number = self.spaces.index(self.space(name))
        made, training, held_out = (side.points[number] for side in self.parts)
        return made, training, held_out

    @property
    def parts(self) -> tuple[Side, Side, Side]:
        """All three."""
        return self.synthetic, self.training, self.held_out


def open_sets(images: Path, real: Path, asked: Options) -> _Sets:
    """Return the sets at two paths.

    Raises `UserError` if `real` is no real data in canonical form, or there are too few images.
    """
    made, other = open_set(images), open_set(real)
    if other.form != CANONICAL:
        remedy = "read it first: busgen real NAME=PATH --out DIR"
        raise UserError("real data must be in canonical form", f"{real}, {other.form}", remedy)
    held_out = other.select(HELD_OUT)
    check((made, held_out), asked)
    return _Sets(made, other.select(["train"]), held_out)


def embed(sets: _Sets, names: Sequence[str], asked: Options, tick: Tick) -> Comparison:
    """Return the sets looked at, at most `asked.most` of the first and all real ones.

    In the spaces of `names`, as `load_spaces` takes them, and as outlines and thumbnails.
    """
    code = hash_code(copying.__name__)
    thumbs = FeatureSpace(THUMBS, code, lambda images, _: thumbnails(images).astype(np.float64))
    spaces = (*load_spaces(names), make_space(), thumbs)
    made = score_sets.embed(sets.synthetic, spaces, asked, 1, tick)
    training, held_out = (
        score_sets.embed(source, spaces, replace(asked, most=len(source)), 1, tick)
        for source in (sets.training, sets.held_out)
    )
    return Comparison(made, training, held_out, spaces)


def distances(beside: Comparison, draws: int) -> SpaceScores:
    """Return the scores of `busgen score` against held-out images in each space asked for."""
    parts = []
    for space in beside.spaces[: -len(ADDED)]:
        made, _, held_out = _samples(beside, space.name)
        parts.append(score_space(space, (made, held_out), draws))
    return SpaceScores(
        {name: score for part in parts for name, score in part.scores.items()},
        {name: reason for part in parts for name, reason in part.skipped.items()},
        tuple(note for part in parts for note in part.notes),
    )


def find_copies(beside: Comparison) -> dict[str, Any]:
    """Return the share of copies of training images as a score, and of which images."""
    points, thumbs = beside.points("us64"), beside.points(THUMBS)
    made, training, held_out = (
        Features(p, t.astype(np.float32), side.groups)
        for p, t, side in zip(points, thumbs, beside.parts, strict=True)
    )
    found = memorization.find_copies(made, training, held_out, rng(SEED, "beside/copies"))
    names = beside.synthetic.source.values("sample_id")
    return {
        "value": found.flagged,
        "n": found.n,
        "interval": found.interval,
        "floor": found.floor,
        "floor_limit": found.floor_interval[1],
        "bad": "high",
        "space": f"us64 and {THUMBS}",
        "version": beside.space("us64").version,
        "samples": [str(names[row]) for row in found.rows],
    }


def measure_privacy(beside: Comparison, draws: int) -> dict[str, Any]:
    """Return how near images are to training patients, in each space of ours and of outlines.

    Returns
    -------
    dict
        ``about``; ``scores`` {privacy_<name>_<space>: {value, n, interval, floor, floor_limit, bad,
        space, version}}; ``skipped`` {name: reason}; ``thresholds`` {space: {value, pairs}}.
    """
    scores: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    thresholds: dict[str, Any] = {}
    for name in (*OURS, OUTLINES):
        space, between = (
            beside.space(name),
            outline.distances if name == OUTLINES else distribution.distances,
        )
        made, training, held_out = (_whole(sample) for sample in _samples(beside, name))
        pick = rng(SEED, f"privacy/{name}")
        try:
            found = score_privacy(made, training, held_out, between, pick, draws)
        except UserError as error:
            skipped[f"privacy_{name}"] = str(error)
            continue
        told = {"space": name, "version": space.version}
        for key, score in found.scores.items():
            bad = {"bad": "low" if key in LOW_IS_BAD else "high"}
            scores[f"privacy_{key}_{name}"] = asdict(score) | bad | told
        skipped |= {f"privacy_{key}_{name}": reason for key, reason in found.skipped.items()}
        thresholds[name] = {"value": found.threshold, "pairs": found.pairs}
    return {"about": ABOUT, "scores": scores, "skipped": skipped, "thresholds": thresholds}


def _samples(beside: Comparison, name: str) -> Iterator[Sample]:
    """Yield the samples of all three in a space."""
    for points, side in zip(beside.points(name), beside.parts, strict=True):
        yield Sample(points, side.groups)


def _whole(sample: Sample) -> Sample:
    """Return the images of which everything was measured: those that show a lesion."""
    kept = np.isfinite(sample.points).all(axis=1)
    return Sample(sample.points[kept], sample.groups[kept])
