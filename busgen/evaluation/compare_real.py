"""Pictures beside the real data that their generator learned from, and beside held-out patients.

In: a set of pictures, and real data as `busgen real --out` writes it. Out: records for JSON: the
scores of `busgen score`, copies of training pictures, privacy in each space and of outlines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from busgen.code import code_sha256
from busgen.errors import UserError
from busgen.evaluation.score_options import Asked, check
from busgen.evaluation.score_sets import Side, Tick, looked_at
from busgen.image_sets.canonical import CANONICAL, HELD_OUT
from busgen.image_sets.open import open_set
from busgen.image_sets.source import Source
from busgen.metrics import memorization as copying
from busgen.metrics.distribution import apart
from busgen.metrics.memorization import Looks, find_copies, thumbnails
from busgen.metrics.privacy import LOW_IS_BAD, privacy
from busgen.metrics.space_scores import SEED, Told, space_scores
from busgen.metrics.spaces.outline import NAME as OUTLINES, shape_space, unlike
from busgen.metrics.spaces.registry import OURS, FeatureSpace, spaces_of
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample
from busgen.stats.patients import Floats

THUMBS = "thumbnails"
ADDED = (OUTLINES, THUMBS)  # to the spaces that are asked for
ABOUT = (
    "nearness to training patients; floor: the same of held-out pictures, of which no generator "
    "knows anything, floor_limit its 97.5 % quantile (2.5 % of the ratio, whose low side is bad); "
    "where nothing is remembered ratio is 1 and nearer .5; interval: 95 % bootstrap, by patient"
)


@dataclass(frozen=True)
class Sets:
    """Pictures in question, and real ones of training and of held-out patients."""

    made: Source
    training: Source
    held_out: Source

    def looks(self, asked: Asked) -> int:
        """Return how many pictures are looked at."""
        return min(len(self.made), asked.most) + len(self.training) + len(self.held_out)


@dataclass(frozen=True)
class Beside:
    """What was looked at, a `Side` each, in the same `spaces`."""

    made: Side
    training: Side
    held_out: Side
    spaces: tuple[FeatureSpace, ...]

    def space(self, name: str) -> FeatureSpace:
        """Return a space by its name."""
        return next(space for space in self.spaces if space.name == name)

    def points(self, name: str) -> tuple[Floats, Floats, Floats]:
        """Return the coordinates of all three in a space."""
        number = self.spaces.index(self.space(name))
        made, training, held_out = (side.points[number] for side in self.sides)
        return made, training, held_out

    @property
    def sides(self) -> tuple[Side, Side, Side]:
        """All three."""
        return self.made, self.training, self.held_out


def open_beside(pictures: Path, real: Path, asked: Asked) -> Sets:
    """Return the sets at two paths.

    Raises
    ------
    UserError
        If `real` is no real data in canonical form, or there are too few pictures.
    """
    made, other = open_set(pictures), open_set(real)
    if other.form != CANONICAL:
        remedy = "read it first: busgen real NAME=PATH --out DIR"
        raise UserError("real data must be in canonical form", f"{real}, {other.form}", remedy)
    held_out = other.of_splits(HELD_OUT)
    check((made, held_out), asked)
    return Sets(made, other.of_splits(["train"]), held_out)


def look(sets: Sets, names: Sequence[str], asked: Asked, tick: Tick) -> Beside:
    """Return the sets looked at, at most `asked.most` of the first and all real ones.

    In the spaces of `names`, as `spaces_of` takes them, and as outlines and thumbnails.
    """
    code = code_sha256(copying.__name__)
    thumbs = FeatureSpace(THUMBS, code, lambda images, _: thumbnails(images).astype(np.float64))
    spaces = (*spaces_of(names), shape_space(), thumbs)
    made = looked_at(sets.made, spaces, asked, 1, tick)
    training, held_out = (
        looked_at(source, spaces, replace(asked, most=len(source)), 1, tick)
        for source in (sets.training, sets.held_out)
    )
    return Beside(made, training, held_out, spaces)


def distances(beside: Beside, draws: int) -> Told:
    """Return the scores of `busgen score` against held-out pictures in each space asked for."""
    parts = []
    for space in beside.spaces[: -len(ADDED)]:
        made, _, held_out = _samples(beside, space.name)
        parts.append(space_scores(space, (made, held_out), draws))
    return Told(
        {name: score for part in parts for name, score in part.scores.items()},
        {name: reason for part in parts for name, reason in part.skipped.items()},
        tuple(note for part in parts for note in part.notes),
    )


def copies(beside: Beside) -> dict[str, Any]:
    """Return the share of copies of training pictures as a score, and of which pictures."""
    points, thumbs = beside.points("us64"), beside.points(THUMBS)
    made, training, held_out = (
        Looks(p, t.astype(np.float32), side.groups)
        for p, t, side in zip(points, thumbs, beside.sides, strict=True)
    )
    found = find_copies(made, training, held_out, rng(SEED, "beside/copies"))
    names = beside.made.source.values("sample_id")
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


def nearness(beside: Beside, draws: int) -> dict[str, Any]:
    """Return how near pictures are to training patients, in each space of ours and of outlines.

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
        space, between = beside.space(name), unlike if name == OUTLINES else apart
        made, training, held_out = (_whole(sample) for sample in _samples(beside, name))
        pick = rng(SEED, f"privacy/{name}")
        try:
            found = privacy(made, training, held_out, between, pick, draws)
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


def _samples(beside: Beside, name: str) -> Iterator[Sample]:
    """Yield the samples of all three in a space."""
    for points, side in zip(beside.points(name), beside.sides, strict=True):
        yield Sample(points, side.groups)


def _whole(sample: Sample) -> Sample:
    """Return the pictures of which everything was measured: those that show a lesion."""
    kept = np.isfinite(sample.points).all(axis=1)
    return Sample(sample.points[kept], sample.groups[kept])
